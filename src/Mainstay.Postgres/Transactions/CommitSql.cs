using System.Text;
using Npgsql;
using NpgsqlTypes;

namespace Mainstay.Internal;

/// <summary>
/// What Mainstay itself writes with every commit, as one statement: the receipt and the audit entries. It is the first statement of the commit, and so it also sets
/// the timeouts of those that follow when nothing has set them before.
/// </summary>
/// <remarks>
/// <code>
///   with entries as (insert into mainstay.audit …)      after the receipt: a used key costs nothing but its lookup
///   insert into mainstay.receipts …
///   where set_config(…) is not null                     before the receipt: the wait for a concurrent request is limited by it already
///     and not used in receipts_before                   keys of the lifetime before; those of this one are refused by the primary key
/// </code>
/// A statement costs PostgreSQL about as much as the row it inserts, so three in one are cheaper by two. Rows of the application stay statements of their own: a
/// violated constraint names its statement, and by that the change.
/// </remarks>
internal static class CommitSql
{
    private enum Rows { None, One, Many }

    private const string Receipt = "insert into mainstay.receipts (scope, key, fingerprint, status, headers, body, expires_at) select";
    /// <summary>A key of the lifetime before. Asked after receipts themselves are locked against changing places, and before the row is inserted.</summary>
    private static string Unused(string scope, string key) =>
        $"case when exists (select from mainstay.receipts_before used where used.key = {key} and used.scope = {scope} and used.expires_at > mainstay.now()) then mainstay.refuse_used_key() else true end";

    /// <summary>
    /// A transaction that keeps one view of the data may have begun to look before receipts changed places, and would not see the last of those that are in
    /// receipts_before now. Nor does it see the row of receipts_since, which was inserted with the change.
    /// </summary>
    private const string PresentView = "case when exists (select from mainstay.receipts_since) then true else mainstay.refuse_old_view() end";

    private const string Entry = "insert into mainstay.audit (id, at, operation, actor, request_id, trace_parent, action, resource, row_id, before, after) select";

    /// <summary>One text for each shape, so that each is prepared once for a connection. Found by <see cref="Place"/>.</summary>
    private static readonly string[] texts = [.. Enumerable.Range(0, 36).Select(place => Compose((Rows)(place / 12), (Rows)(place / 4 % 3), place / 2 % 2 == 1, place % 2 == 1))];

    /// <summary>Whether a statement inserts a receipt, so that it is the key that it waits for.</summary>
    public static bool InsertsReceipt(string text) => text.Contains(Receipt, StringComparison.Ordinal);

    /// <summary>Of one unit of work: its receipt, its changes, or both.</summary>
    /// <param name="receipt">The receipt, if the call has a key.</param>
    /// <param name="changes">What was changed.</param>
    /// <param name="origin">Who changed it, and through what.</param>
    /// <param name="keepsView">Whether the transaction keeps one view of the data, so it is stricter than read committed.</param>
    public static BatchItem Of(ReceiptRow? receipt, IReadOnlyList<RowChange> changes, Origin origin, bool keepsView)
    {
        var entries = changes.Count switch { 0 => Rows.None, 1 => Rows.One, _ => Rows.Many };
        string Text(bool setsLimits) => texts[Place(receipt is null ? Rows.None : Rows.One, entries, keepsView, setsLimits)];
        var command = new NpgsqlBatchCommand(Text(setsLimits: false));
        var parameters = command.Parameters;
        if (receipt is not null)
            AddReceipt(parameters, receipt);
        if (entries == Rows.One)
            AddEntry(parameters, changes[0], origin);
        else if (entries == Rows.Many)
            AddEntries(parameters, [.. changes.Select(change => (change, origin))]);
        // Only where it selects exactly once: a condition of one that selects several rows would be asked for each.
        return new BatchItem(command) { WithLimits = receipt is not null || entries == Rows.One ? Text(setsLimits: true) : null };
    }

    /// <summary>Of several units of work that are committed together.</summary>
    public static NpgsqlBatchCommand OfGroup(IReadOnlyList<ReceiptRow> receipts, IReadOnlyList<(RowChange Change, Origin Origin)> changes)
    {
        var command = new NpgsqlBatchCommand(texts[Place(receipts.Count == 0 ? Rows.None : Rows.Many, changes.Count == 0 ? Rows.None : Rows.Many, keepsView: false, setsLimits: false)]);
        if (receipts.Count > 0)
            AddReceipts(command.Parameters, receipts);
        if (changes.Count > 0)
            AddEntries(command.Parameters, changes);
        return command;
    }

    private static int Place(Rows receipts, Rows entries, bool keepsView, bool setsLimits) => (12 * (int)receipts) + (4 * (int)entries) + (keepsView ? 2 : 0) + (setsLimits ? 1 : 0);

    private static string Compose(Rows receipts, Rows entries, bool keepsView, bool setsLimits)
    {
        var number = 0;
        string Next() => $"${++number}";
        string Several(int count) => string.Join(", ", Enumerable.Range(0, count).Select(_ => Next()));
        var receipt = receipts switch
        {
            Rows.One => $"{Receipt} {Several(6)}, mainstay.now() + {Next()}",
            Rows.Many => $"{Receipt} scope, key, fingerprint, status, headers, body, mainstay.now() + lifetime from unnest({Several(7)}) as receipt (scope, key, fingerprint, status, headers, body, lifetime)",
            _ => "",
        };
        var entry = entries switch
        {
            Rows.One => $"{Entry} {Next()}, mainstay.now(), {Several(9)}",
            Rows.Many => $"{Entry} id, mainstay.now(), operation, actor, request_id, trace_parent, action, resource, row_id, before, after from unnest({Several(10)}) as entry (id, operation, actor, request_id, trace_parent, action, resource, row_id, before, after)",
            _ => "",
        };
        var text = new StringBuilder();
        if (receipts != Rows.None && entries != Rows.None)
            text.Append("with entries as (").Append(entry).Append(") ").Append(receipt);
        else
            text.Append(receipt).Append(entry);
        List<string> conditions = [];
        if (setsLimits)
            conditions.Add(Limits.Condition(number + 1));
        if (receipts != Rows.None && keepsView)
            conditions.Add(PresentView);
        if (receipts != Rows.None)
            conditions.Add(receipts == Rows.One ? Unused("$1", "$2") : Unused("receipt.scope", "receipt.key"));
        if (conditions.Count > 0)
            text.Append(" where ").AppendJoin(" and ", conditions);
        return text.ToString();
    }

    private static void AddReceipt(NpgsqlParameterCollection parameters, ReceiptRow receipt)
    {
        parameters.Add(SqlValue.Text(receipt.Key.Scope));
        parameters.Add(SqlValue.Text(receipt.Key.Key));
        parameters.Add(SqlValue.Plain(receipt.Key.Fingerprint));
        parameters.Add(SqlValue.Plain((short)receipt.Answer.Status));
        parameters.Add(SqlValue.Text(receipt.Headers));
        parameters.Add(new NpgsqlParameter<ReadOnlyMemory<byte>> { TypedValue = receipt.Answer.Body, NpgsqlDbType = NpgsqlDbType.Bytea });
        parameters.Add(SqlValue.Plain(receipt.Lifetime));
    }

    private static void AddReceipts(NpgsqlParameterCollection parameters, IReadOnlyList<ReceiptRow> receipts)
    {
        T[] Each<T>(Func<ReceiptRow, T> select) => Select(receipts, select);
        parameters.Add(SqlValue.Array(NpgsqlDbType.Text, Each(receipt => receipt.Key.Scope)));
        parameters.Add(SqlValue.Array(NpgsqlDbType.Text, Each(receipt => receipt.Key.Key)));
        parameters.Add(SqlValue.Array(NpgsqlDbType.Bytea, Each(receipt => receipt.Key.Fingerprint)));
        parameters.Add(SqlValue.Array(NpgsqlDbType.Smallint, Each(receipt => (short)receipt.Answer.Status)));
        parameters.Add(SqlValue.Array(NpgsqlDbType.Text, Each(receipt => receipt.Headers)));
        parameters.Add(SqlValue.Array(NpgsqlDbType.Bytea, Each(receipt => receipt.Answer.Body)));
        parameters.Add(SqlValue.Array(NpgsqlDbType.Interval, Each(receipt => receipt.Lifetime)));
    }

    private static void AddEntry(NpgsqlParameterCollection parameters, RowChange change, Origin origin)
    {
        parameters.Add(SqlValue.Plain(IdSequence.OfProcess.Next()));
        parameters.Add(SqlValue.Text(origin.Operation));
        parameters.Add(SqlValue.Text(origin.Actor));
        parameters.Add(SqlValue.Text(origin.RequestId));
        parameters.Add(SqlValue.Text(origin.TraceParent));
        parameters.Add(SqlValue.Text(AuditEntry.Action(change.Kind)));
        parameters.Add(SqlValue.Text(change.Table.FullName));
        parameters.Add(SqlValue.Plain(change.Id));
        parameters.Add(new NpgsqlParameter<byte[]?> { TypedValue = AuditEntry.Json(change.Table, change.Before), NpgsqlDbType = NpgsqlDbType.Jsonb });
        parameters.Add(new NpgsqlParameter<byte[]?> { TypedValue = AuditEntry.Json(change.Table, change.After), NpgsqlDbType = NpgsqlDbType.Jsonb });
    }

    private static void AddEntries(NpgsqlParameterCollection parameters, IReadOnlyList<(RowChange Change, Origin Origin)> changes)
    {
        T[] Each<T>(Func<(RowChange Change, Origin Origin), T> select) => Select(changes, select);
        parameters.Add(SqlValue.Array(NpgsqlDbType.Uuid, Each(_ => IdSequence.OfProcess.Next())));
        parameters.Add(SqlValue.Array(NpgsqlDbType.Text, Each(entry => entry.Origin.Operation)));
        parameters.Add(SqlValue.Array(NpgsqlDbType.Text, Each(entry => entry.Origin.Actor)));
        parameters.Add(SqlValue.Array(NpgsqlDbType.Text, Each(entry => entry.Origin.RequestId)));
        parameters.Add(SqlValue.Array(NpgsqlDbType.Text, Each(entry => entry.Origin.TraceParent)));
        parameters.Add(SqlValue.Array(NpgsqlDbType.Text, Each(entry => AuditEntry.Action(entry.Change.Kind))));
        parameters.Add(SqlValue.Array(NpgsqlDbType.Text, Each(entry => entry.Change.Table.FullName)));
        parameters.Add(SqlValue.Array(NpgsqlDbType.Uuid, Each(entry => entry.Change.Id)));
        parameters.Add(SqlValue.Array(NpgsqlDbType.Jsonb, Each(entry => AuditEntry.Json(entry.Change.Table, entry.Change.Before))));
        parameters.Add(SqlValue.Array(NpgsqlDbType.Jsonb, Each(entry => AuditEntry.Json(entry.Change.Table, entry.Change.After))));
    }

    private static TResult[] Select<T, TResult>(IReadOnlyList<T> rows, Func<T, TResult> select)
    {
        var results = new TResult[rows.Count];
        for (var i = 0; i < results.Length; i++)
            results[i] = select(rows[i]);
        return results;
    }
}
