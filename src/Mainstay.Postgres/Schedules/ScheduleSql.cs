namespace Mainstay.Internal;

/// <summary>All statements about schedules.</summary>
internal static class ScheduleSql
{
    /// <summary>What the job of a planned time is given.</summary>
    private const string Payload = """json_build_object('plannedAt', to_char(planned_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))""";

    /// <summary>What this node declares, for as long as it lives.</summary>
    public const string Declare = """
        insert into mainstay.schedule_declarations (schedule, node, timing, rules)
        select wanted.name, $1, wanted.timing, wanted.rules from unnest($2, $3, $4) as wanted (name, timing, rules)
        on conflict do nothing
        """;

    /// <summary>
    /// Where the schedules are, and whether the declarations of this node are those that count: those of the node that began last, among the living. Null where
    /// no living node has declared anything.
    /// </summary>
    public const string Read = """
        select mainstay.now(), wanted.name, known.timing, known.next_at, known.paused_at is not null, (
            select declared.timing = wanted.timing and declared.rules = wanted.rules
            from mainstay.schedule_declarations declared
            join mainstay.nodes node on node.id = declared.node
            where declared.schedule = wanted.name and node.lease_until > mainstay.now()
            order by node.started_at desc, node.id desc
            limit 1
        )
        from unnest($1, $2, $3) as wanted (name, timing, rules)
        left join mainstay.schedules known on known.name = wanted.name
        """;

    /// <summary>Plans a schedule that is new, was changed, or goes on after a pause.</summary>
    public const string Plan = """
        insert into mainstay.schedules as known (name, timing, next_at) values ($1, $2, $3)
        on conflict (name) do update set timing = excluded.timing, next_at = excluded.next_at
        where known.timing <> excluded.timing or known.next_at is null
        """;

    /// <summary>
    /// Deals with a planned time ($3): enqueues the runs ($5, $6) and moves on ($4), unless another node has done so. A run before that has not ended leaves them
    /// out ($7 = 0), makes all of it wait ($7 = 1), or does not matter ($7 = 2).
    /// </summary>
    public const string Fire = $"""
        with due as materialized (
            select name, exists (select from mainstay.jobs where id = last_job) as is_open
            from mainstay.schedules
            where name = $1 and timing = $2 and next_at = $3 and paused_at is null
            for update
        ), moved as (
            update mainstay.schedules schedule
            set next_at = $4, last_at = $3, last_job = case when cardinality($6) > 0 and ($7 = 2 or not due.is_open) then $6[cardinality($6)] else last_job end
            from due
            where schedule.name = due.name and not ($7 = 1 and due.is_open)
            returning schedule.name, $7 = 2 or not due.is_open as runs
        ), recorded as (
            insert into mainstay.schedule_runs (schedule, planned_at, job)
            select moved.name, run.planned_at, case when moved.runs then run.job end from moved cross join unnest($5, $6) as run (planned_at, job)
            on conflict do nothing
            returning schedule, planned_at, job
        ), enqueued as (
            insert into mainstay.jobs (id, handler, payload, origin)
            select job, schedule, {Payload}, $8 from recorded where job is not null order by planned_at
            returning id
        )
        select exists (select from moved), (select count(*) from enqueued), (select count(*) from recorded where job is null)
        """;

    /// <summary>Enqueues a run that was not planned.</summary>
    public const string Run = $"""
        with known as (
            insert into mainstay.schedules as known (name, timing, last_job) values ($1, $2, $3)
            on conflict (name) do update set last_job = excluded.last_job
        ), recorded as (
            insert into mainstay.schedule_runs (schedule, planned_at, job) values ($1, mainstay.now(), $3)
            returning schedule, planned_at, job
        )
        insert into mainstay.jobs (id, handler, payload, origin) select job, schedule, {Payload}, $4 from recorded
        """;

    /// <summary>Whoever has found the schedule due already finds it paused when it deals with that.</summary>
    public const string Pause = """
        insert into mainstay.schedules as known (name, timing, paused_at) values ($1, $2, mainstay.now())
        on conflict (name) do update set paused_at = coalesce(known.paused_at, excluded.paused_at)
        """;

    /// <summary>It is planned again from the present on: what a pause left out was meant to be left out.</summary>
    public const string Resume = "update mainstay.schedules set paused_at = null, next_at = null where name = $1 and paused_at is not null";

    public const string List = "select name, timing, next_at, last_at, paused_at from mainstay.schedules order by name";
}
