using Npgsql;
using NpgsqlTypes;

namespace Mainstay.Internal;

/// <summary>All statements about the outbox.</summary>
internal static class OutboxSql
{
    private const string InsertAll = """
        insert into mainstay.outbox (id, subscription, event, body, operation, actor, request_id, trace_parent, causation_id, correlation_id)
        select * from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        """;

    /// <summary>
    /// Takes the next due message for as long as the transaction lasts. The row lock is the lease: it ends with the transaction, whether that
    /// commits, rolls back, or dies with its process. Only for subscriptions that the node knows: while a release is rolled out, and where two
    /// applications share a database, there are messages that are none of its business.
    /// </summary>
    public const string Claim = """
        select id, subscription, event, body, attempt, operation, request_id, trace_parent, correlation_id
        from mainstay.outbox
        where due_at <= mainstay.now() and dead_at is null and subscription = any($1)
        order by due_at, id
        limit 1
        for update skip locked
        """;

    /// <summary>Messages that wait for none of the known subscriptions.</summary>
    public const string CountOrphans = "select subscription, count(*) from mainstay.outbox where dead_at is null and subscription <> all($1) group by subscription order by subscription limit 20";

    public const string Complete = "delete from mainstay.outbox where id = $1 and subscription = $2";

    /// <summary>After the last attempt the message stays as a dead letter with its last error.</summary>
    public const string Fail = """
        update mainstay.outbox
        set attempt = attempt + 1, last_error = $3,
            due_at = mainstay.now() + $4,
            dead_at = case when attempt + 1 >= $5 then mainstay.now() end
        where id = $1 and subscription = $2 and attempt = $6
        """;

    /// <summary>One statement for all messages of a commit.</summary>
    public static NpgsqlBatchCommand Insert(IReadOnlyList<OutboxRow> rows)
    {
        var command = new NpgsqlBatchCommand(InsertAll);
        void Array<T>(NpgsqlDbType type, Func<OutboxRow, T> select) => command.Parameters.Add(SqlValue.Array(type, [.. rows.Select(select)]));
        Array(NpgsqlDbType.Uuid, row => row.Id);
        Array(NpgsqlDbType.Text, row => row.Subscription);
        Array(NpgsqlDbType.Text, row => row.Event);
        Array(NpgsqlDbType.Jsonb, row => row.Body);
        Array(NpgsqlDbType.Text, row => row.Origin.Operation);
        Array(NpgsqlDbType.Text, row => row.Origin.Actor);
        Array(NpgsqlDbType.Text, row => row.Origin.RequestId);
        Array(NpgsqlDbType.Text, row => row.Origin.TraceParent);
        Array(NpgsqlDbType.Text, row => row.Origin.CausationId);
        Array(NpgsqlDbType.Text, row => row.Origin.CorrelationId);
        return command;
    }
}
