namespace Mainstay.Internal;

/// <summary>All statements that look how the queues are, without counting what is in them.</summary>
internal static class QueueWatchSql
{
    /// <summary>How many rows are ready for each handler ($1), counted up to $2, and how large the table is, in pages.</summary>
    public const string Depths = """
        select known.name, (select count(*) from (select from mainstay.jobs where handler = known.name and state = 0 limit $2) counted), pg_relation_size('mainstay.jobs') / current_setting('block_size')::bigint
        from unnest($1) as known (name)
        """;

    /// <summary>How many ready rows of each handler ($2) are in a sample of so many percent ($1) of the table's pages.</summary>
    public const string Sample = "select handler, count(*) from mainstay.jobs tablesample system ($1) where state = 0 and handler = any($2) group by handler";

    /// <summary>
    /// How long the row that has waited longest has done so, for each handler ($1): the first of its index in each priority, the first suspect, the first that has arrived, and the first behind whoever has a place in
    /// a lane, where the handler has lanes ($2). And who keeps an old view of this database, so that rows which are gone cannot be removed: transactions, prepared ones, and replication slots, with how long they
    /// have done so where that is known. Those of other roles are seen with the rights of pg_read_all_stats only.
    /// </summary>
    /// <remarks>
    /// One statement for both, because a node that waits asks it all day. Nothing is counted: whoever waits in a lane waits for a row that is leased, ready, suspect or between two attempts. A bounded number of those
    /// is asked for the first behind them, because there is no order over all lanes. What waits for a dead one is not among them: it is no backlog, and somebody has to decide about it.
    /// </remarks>
    public const string Look = $"""
        with heads as materialized (
            select handler, lane from (
                select leased.handler, leased.lane from mainstay.nodes living
                cross join lateral (select handler, lane from mainstay.jobs where node = living.id and state = 1 limit 200) leased
                where cardinality($2) > 0
                union
                select ready.handler, ready.lane from unnest($2) as known (name)
                cross join generate_series(-1, 1) as level (priority)
                cross join lateral (select handler, lane from mainstay.jobs where handler = known.name and priority = level.priority and state = 0 order by seq limit 50) ready
                union
                select suspect.handler, suspect.lane from unnest($2) as known (name)
                cross join lateral (select handler, lane from mainstay.jobs where state = 3 and handler = known.name order by seq limit 50) suspect
                union
                select handler, lane from (select handler, lane from mainstay.jobs where state = 2 and cardinality($2) > 0 order by due_at limit 200) delayed
            ) place
            where lane is not null and handler = any($2)
        ), oldest as (
            select known.name, first.since from unnest($1) as known (name)
            cross join generate_series(-1, 1) as level (priority)
            cross join lateral (select {Since} from mainstay.jobs where handler = known.name and priority = level.priority and state = 0 order by seq limit 1) first
            union all
            select known.name, first.since from unnest($1) as known (name)
            cross join lateral (select {Since} from mainstay.jobs where state = 3 and handler = known.name order by seq limit 1) first
            union all
            select known.name, first.since from unnest($1) as known (name)
            cross join lateral (select {Since} from mainstay.jobs where state = 4 and handler = known.name order by seq limit 1) first
            union all
            select heads.handler, first.since from heads
            cross join lateral (select {Since} from mainstay.jobs where handler = heads.handler and lane = heads.lane and state = 5 order by seq limit 1) first
        )
        select '{Age}' as kind, known.name, null::integer as pid, null as application, null as query, (extract(epoch from mainstay.now() - min(oldest.since)))::double precision as seconds, '' as horizon
        from unnest($1) as known (name) left join oldest on oldest.name = known.name
        group by known.name
        union all
        select 'transaction', pid || ' ' || xact_start, pid, application_name, left(query, 200), (extract(epoch from clock_timestamp() - xact_start))::double precision, ''
        from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and coalesce(backend_xmin, backend_xid) is not null and xact_start is not null and backend_type <> 'autovacuum worker'
        union all
        select 'prepared transaction', gid, null, owner, null, (extract(epoch from clock_timestamp() - prepared))::double precision, ''
        from pg_prepared_xacts where database = current_database()
        union all
        select 'replication slot', slot_name, active_pid, plugin, null, null, xmin::text
        from pg_replication_slots where xmin is not null
        union all
        select 'standby', pid || ' ' || backend_start, pid, application_name, null, null, backend_xmin::text
        from pg_stat_replication where backend_xmin is not null
        """;

    /// <summary>How many lanes of these handlers ($1) are stopped by a dead job, and when the last one was. One row for each such lane is all that there is to read.</summary>
    public const string Stopped = "select handler, count(*), max(stopped_at) from mainstay.jobs_stopped where handler = any($1) group by handler";

    /// <summary>When a row began to wait: when it became due, or ready again.</summary>
    private const string Since = "coalesce(due_at, created_at) as since";

    /// <summary>The kind of the rows that are no holders.</summary>
    public const string Age = "age";
}
