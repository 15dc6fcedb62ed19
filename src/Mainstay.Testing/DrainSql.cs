namespace Mainstay.Internal;

/// <summary>What a test asks its database about work.</summary>
internal static class DrainSql
{
    /// <summary>
    /// What is open and not put off: what, in which state, how much of it, and the last error. States are those of jobs; 10 is a planned time ($1 are the schedules),
    /// 11 a long-running command, 12 a redrive, and 6 what a killed node holds until its lease is over.
    /// </summary>
    public const string Open = """
        select handler, case when state = 1 and exists (select from mainstay_testing.killed where killed.node = job.node) then 6 else state end::integer, count(*), max(errors -> -1 ->> 'error')
        from mainstay.jobs job where state <> 2 or due_at <= mainstay.now() group by 1, 2
        union all
        select name, 10, 1, null from mainstay.schedules where next_at <= mainstay.now() and paused_at is null and name = any($1)
        union all
        select name, 11, count(*), null from mainstay.operations where status = 'running' or (status = 'pending' and due_at <= mainstay.now()) group by 1
        union all
        select coalesce(handler, 'redrive'), 12, count(*), null from mainstay.redrives where status = 'running' and next_at <= mainstay.now() group by 1
        """;

    /// <summary>Whether all these schedules ($1) have a next time, or are paused.</summary>
    public const string Planned = "select count(*) = cardinality($1) from mainstay.schedules where name = any($1) and (next_at is not null or paused_at is not null)";

    /// <summary>When the next thing that is put off is due; null when nothing is. $1 are the schedules.</summary>
    public const string NextDue = """
        select least(
            (select min(due_at) from mainstay.jobs where state = 2),
            (select min(next_at) from mainstay.schedules where paused_at is null and name = any($1)),
            (select min(due_at) from mainstay.operations where status = 'pending'),
            (select min(next_at) from mainstay.redrives where status = 'running'))
        """;

    /// <summary>Dead letters that were not told of before ($1).</summary>
    public const string Dead = """
        select id, handler, reason, attempt, coalesce(errors -> -1 ->> 'error', '') from mainstay.jobs_dead
        where discarded_at is null and not id = any($1) order by dead_at limit 20
        """;
}
