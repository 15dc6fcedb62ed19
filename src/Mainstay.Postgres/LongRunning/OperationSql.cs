using Npgsql;

namespace Mainstay.Internal;

/// <summary>All statements about long-running commands.</summary>
internal static class OperationSql
{
    /// <summary>The database's time at the statement. <c>mainstay.now()</c> is that of the beginning of the transaction, which can be an hour ago here.</summary>
    private const string Present = "(mainstay.now() + (pg_catalog.clock_timestamp() - pg_catalog.now()))";

    private const string Columns = "id, name, status, created_at, started_at, ended_at, cancel_requested_at, attempt, answer_status, answer_headers, answer_body";

    /// <summary>Whether the transaction was refused because its lease is gone, or because the caller wants it cancelled.</summary>
    public static bool IsFenced(Exception error) => error is PostgresException { SqlState: "MS002" };

    public const string Insert = """
        insert into mainstay.operations (id, name, owner, roles, permissions, route, query, body, request_id, trace_parent, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        """;

    /// <summary>
    /// Takes what is due and what a dead node has left, and the lease for it, in one statement. An idle look writes nothing. Only commands that the
    /// node knows: while a release is rolled out there are others.
    /// </summary>
    public const string Claim = """
        with due as materialized (
            select id
            from mainstay.operations o
            where due_at <= mainstay.now() and status in ('pending', 'running') and name = any($2)
                and (status = 'pending' or not exists (select from mainstay.nodes n where n.id = o.node and n.lease_until > mainstay.now()))
            order by due_at, id
            limit $3
            for update skip locked
        ), lease as (
            insert into mainstay.nodes (id, lease_until)
            select $1, mainstay.now() + $4 where exists (select from due)
            on conflict (id) do update set lease_until = excluded.lease_until
        )
        update mainstay.operations o
        set status = 'running', node = $1, fence = fence + 1, attempt = attempt + 1, due_at = mainstay.now() + $4, started_at = greatest(created_at, mainstay.now())
        from due
        where o.id = due.id
        returning o.id, name, owner, roles, permissions, route, query, body, request_id, trace_parent, attempt, fence, cancel_requested_at is not null
        """;

    /// <summary>Renews the lease of the node, and tells what it holds.</summary>
    public const string Extend = """
        with lease as (
            insert into mainstay.nodes (id, lease_until) values ($1, mainstay.now() + $2)
            on conflict (id) do update set lease_until = excluded.lease_until
        )
        select id, fence, cancel_requested_at is not null from mainstay.operations where node = $1 and status = 'running'
        """;

    /// <summary>
    /// Ends it well, in the transaction of its effect. When another node has taken it over meanwhile, or its caller has asked to cancel it, the whole
    /// transaction is refused. What was sent is no longer needed.
    /// </summary>
    public const string Complete = $"""
        with completed as (
            update mainstay.operations
            set status = 'succeeded', ended_at = greatest(started_at, {Present}), expires_at = {Present} + $3, answer_status = $4, answer_headers = $5, answer_body = $6, body = null
            where id = $1 and fence = $2 and status = 'running' and cancel_requested_at is null
            returning id
        )
        select mainstay.require_lease(exists (select from completed))
        """;

    public const string Fail = """
        update mainstay.operations
        set status = 'failed', ended_at = greatest(started_at, mainstay.now()), expires_at = mainstay.now() + $3, answer_status = $4, answer_headers = $5, answer_body = $6, body = null
        where id = $1 and fence = $2 and status = 'running'
        """;

    public const string EndCancelled = """
        update mainstay.operations
        set status = 'cancelled', ended_at = greatest(started_at, mainstay.now()), expires_at = mainstay.now() + $3, body = null
        where id = $1 and fence = $2 and status = 'running' and cancel_requested_at is not null
        """;

    public const string Release = """
        update mainstay.operations
        set status = 'pending', node = null, started_at = null, due_at = mainstay.now() + $3, attempt = attempt - $4
        where id = $1 and fence = $2 and status = 'running'
        """;

    /// <summary>Cancels what has not begun, and asks for it where it has.</summary>
    public const string Cancel = $"""
        update mainstay.operations
        set cancel_requested_at = coalesce(cancel_requested_at, mainstay.now()),
            status = case status when 'pending' then 'cancelled' else status end,
            ended_at = case status when 'pending' then greatest(created_at, mainstay.now()) end,
            expires_at = case status when 'pending' then mainstay.now() + $3 end,
            body = case status when 'pending' then null else body end
        where id = $1 and owner = $2 and status in ('pending', 'running')
        returning {Columns}
        """;

    public const string Find = $"select {Columns} from mainstay.operations where id = $1 and owner = $2 and (expires_at is null or expires_at > mainstay.now())";

    /// <summary>Operations of commands that nobody here knows.</summary>
    public const string CountOrphans = "select name, count(*) from mainstay.operations where status in ('pending', 'running') and name <> all($1) group by name order by name limit 20";

    public const int ExpiredMost = 500;

    /// <summary>So many at once, <see cref="ExpiredMost"/>.</summary>
    public const string DeleteExpired = """
        delete from mainstay.operations where id in
            (select id from mainstay.operations where expires_at <= mainstay.now() order by expires_at limit 500 for update skip locked)
        """;
}
