using System.Text;

namespace Mainstay.Internal;

/// <summary>One change of a document, wherever it shows: the member of a shared schema changes in all operations that answer with it.</summary>
/// <param name="Change">The change at the place with the shortest name.</param>
/// <param name="Operations">All operations that show it.</param>
/// <param name="Whom">All clients that notice it.</param>
internal sealed record ContractEntry(ContractChange Change, IReadOnlyList<string> Operations, IReadOnlyList<string> Whom)
{
    /// <summary>Entries in the order of the changes, breaking ones first.</summary>
    public static IReadOnlyList<ContractEntry> Of(IReadOnlyList<ContractChange> changes) =>
    [
        .. changes.GroupBy(change => (change.Rating, change.Pointer, What: change.Subject.Length > 0 ? change.What.Replace(change.Subject, "", StringComparison.Ordinal) : change.What, change.Instead))
            .Select(group => new ContractEntry(group.MinBy(change => change.Subject.Length)!, [.. group.Select(change => change.Operation).Distinct()], [.. group.Select(change => change.Whom).Distinct().OrderBy(whom => whom.Length)]))
            .OrderByDescending(entry => entry.Change.Rating),
    ];
}

/// <summary>Changes as text for people.</summary>
internal static class ContractReport
{
    // A list longer than this says less than its beginning.
    private const int ShownMost = 5;

    public static string Of(IReadOnlyList<ContractEntry> entries)
    {
        var text = new StringBuilder();
        foreach (var entry in entries)
            Write(text, entry);
        return text.ToString();
    }

    /// <summary>The same for the list of what was broken on purpose.</summary>
    public static string Breaks(IReadOnlyList<ContractEntry> entries) =>
        string.Concat(entries.Where(entry => entry.Change.IsBreaking).Select(entry => $"- {entry.Change.What} Breaks {Shown(entry.Whom)}. In {Shown(entry.Operations)}.\n"));

    private static void Write(StringBuilder text, ContractEntry entry)
    {
        var change = entry.Change;
        text.Append(change.IsBreaking ? "BREAKING    " : "compatible  ").Append(change.What).Append('\n');
        Line("in", Shown(entry.Operations));
        Line("at", change.Pointer);
        Line(change.IsBreaking ? "breaks" : "concerns", Shown(entry.Whom));
        if (change.IsBreaking)
            Line("instead", change.Instead);
        text.Append('\n');

        void Line(string name, string value) => text.Append("  ").Append(name.PadRight(10)).Append(value).Append('\n');
    }

    private static string Shown(IReadOnlyList<string> names) => string.Join(", ", names.Take(ShownMost)) + (names.Count > ShownMost ? $" and {names.Count - ShownMost} more" : "");
}
