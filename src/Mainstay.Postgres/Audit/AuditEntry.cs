namespace Mainstay.Internal;

/// <summary>How a change is told in the audit trail: one entry per changed row, in the transaction that changes it. The statement is in <see cref="CommitSql"/>.</summary>
internal static class AuditEntry
{
    public static string Action(ChangeKind kind) => kind switch { ChangeKind.Insert => "insert", ChangeKind.Update => "update", _ => "delete" };

    /// <summary>The row as it is read through the API.</summary>
    public static byte[]? Json(TableModel table, object? row)
    {
        if (row is null)
            return null;
        using var json = JsonScratch.Rent();
        table.Write(json.Writer, row);
        return json.ToArray();
    }
}
