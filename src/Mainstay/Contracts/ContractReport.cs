using System.Text;

namespace Mainstay.Internal;

/// <summary>Changes as text for people. One change of a shared schema is one entry, however many operations show it.</summary>
internal static class ContractReport
{
    // A list of operations longer than this says less than its beginning.
    private const int OperationsMost = 6;

    public static string Of(IReadOnlyList<ContractChange> changes)
    {
        var text = new StringBuilder();
        foreach (var group in changes.GroupBy(change => change with { Operation = "" }).OrderByDescending(group => group.Key.Rating))
            Write(text, group.Key, [.. group.Select(change => change.Operation).Distinct()]);
        return text.ToString();
    }

    /// <summary>How many entries of a rating <see cref="Of"/> writes.</summary>
    public static int Count(IReadOnlyList<ContractChange> changes, ContractRating rating) => changes.Where(change => change.Rating == rating).Select(change => change with { Operation = "" }).Distinct().Count();

    private static void Write(StringBuilder text, ContractChange change, string[] operations)
    {
        text.Append(change.IsBreaking ? "BREAKING    " : "compatible  ").Append(change.What).Append('\n');
        Line("in", string.Join(", ", operations.Take(OperationsMost)) + (operations.Length > OperationsMost ? $" and {operations.Length - OperationsMost} more" : ""));
        Line("at", change.Pointer);
        Line(change.IsBreaking ? "breaks" : "concerns", change.Whom);
        if (change.IsBreaking)
            Line("instead", change.Instead);
        text.Append('\n');

        void Line(string name, string value) => text.Append("  ").Append(name.PadRight(10)).Append(value).Append('\n');
    }
}
