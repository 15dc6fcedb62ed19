namespace Mainstay.Internal;

/// <summary>What a test asks its database about work.</summary>
internal static class DrainSql
{
    /// <summary>
    /// What is open and not put off: what, in which state, how much of it, and the last error. States are those of jobs; 6 is what a killed node holds until its lease is
    /// over, 7 what waits in a lane that a dead letter has stopped, 10 a planned time ($1 are the schedules), 11 a long-running command, 12 a redrive. What waits behind
    /// something that is put off is put off too, and so is what waits for the rate of its queue ($2 are the handlers of queues that have one, $3 the queue of each).
    /// </summary>
    public const string Open = """
        select handler, state, count(*), max(error) from (
            select handler, errors -> -1 ->> 'error' as error, case
                when state = 1 and exists (select from mainstay_testing.killed join mainstay.nodes on id = killed.node where id = job.node and lease_until > mainstay.now()) then 6
                when state = 5 and exists (select from mainstay.jobs_stopped stopped where stopped.handler = job.handler and stopped.lane = job.lane) then 7
                else state::integer end as state
            from mainstay.jobs job
            where case
                when state in (0, 3, 5) and exists (select from unnest($2, $3) paced (handler, queue) join mainstay.queue_rates rate using (queue) where paced.handler = job.handler and rate.next_at > mainstay.now()) then false
                when state = 2 then due_at <= mainstay.now()
                when state = 5 then not exists (select from mainstay.jobs head where head.handler = job.handler and head.lane = job.lane and head.state = 2 and head.due_at > mainstay.now())
                else true end
        ) open group by 1, 2
        union all
        select name, 10, 1, null from mainstay.schedules where next_at <= mainstay.now() and paused_at is null and name = any($1)
        union all
        select name, case
            when status = 'running' and exists (select from mainstay_testing.killed join mainstay.nodes on id = killed.node where id = operation.node and lease_until > mainstay.now()) then 6
            else 11 end, count(*), null
        from mainstay.operations operation where status = 'running' or (status = 'pending' and due_at <= mainstay.now()) group by 1, 2
        union all
        select coalesce(handler, 'redrive'), 12, count(*), null from mainstay.redrives where status = 'running' and next_at <= mainstay.now() group by 1
        """;

    /// <summary>Whether all these schedules ($1) have a next time, or are paused.</summary>
    public const string Planned = "select count(*) = cardinality($1) from mainstay.schedules where name = any($1) and (next_at is not null or paused_at is not null)";

    /// <summary>
    /// When the next thing that is put off is due, null when nothing is; and now when something is open, such as a retry whose short pause is over since the last look. The parameters are those of <see cref="Open"/>.
    /// </summary>
    public const string NextDue = $"""
        select case when exists ({Open}) then mainstay.now() else least(
            (select min(due_at) from mainstay.jobs where state = 2),
            (select min(next_at) from mainstay.schedules where paused_at is null and name = any($1)),
            (select min(due_at) from mainstay.operations where status = 'pending'),
            (select min(next_at) from unnest($2, $3) paced (handler, queue) join mainstay.queue_rates rate using (queue)
                where rate.next_at > mainstay.now() and exists (select from mainstay.jobs job where job.handler = paced.handler and job.state in (0, 3, 5))),
            (select min(next_at) from mainstay.redrives where status = 'running')) end
        """;

    /// <summary>Dead letters that were not told of before ($1, dead since $2). One that was redriven and has died again is the same job, and another death.</summary>
    public const string Dead = """
        select id, handler, reason, attempt, coalesce(errors -> -1 ->> 'error', ''), dead_at from mainstay.jobs_dead dead
        where discarded_at is null and not exists (select from unnest($1, $2) told (id, dead_at) where told.id = dead.id and told.dead_at = dead.dead_at) order by dead_at
        """;
}
