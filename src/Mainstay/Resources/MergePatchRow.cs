using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>JSON merge patch of a row: absent keeps, null removes, documents merge, everything else replaces.</summary>
internal static class MergePatchRow
{
    /// <summary>The values of the row as it shall be. What the server sets may be sent unchanged, and is a fault otherwise.</summary>
    public static object?[] Apply(TableModel table, object row, object?[] sent, bool[] given, Func<Member, bool> isWritable, JsonPath path, InputFaults faults)
    {
        var values = new object?[sent.Length];
        foreach (var column in table.Columns)
        {
            var present = column.Member.Get(row);
            values[column.Ordinal] = !given[column.Ordinal] ? present
                : column.Type is DocumentColumnType ? MergePatchDocument.Apply((JsonElement?)present, (JsonElement?)sent[column.Ordinal])
                : sent[column.Ordinal];
            if (given[column.Ordinal] && !isWritable(column.Member) && !ColumnValues.AreSame(sent[column.Ordinal], present))
                faults.Add(path[column.Member.Name], "readOnly", "The server sets this member. Leave it out.");
        }
        return values;
    }
}
