namespace Mainstay.Internal;

/// <summary>
/// Something that must hold of the queues in every moment. The statement gives the rows of which it does not: what names the row, and how it is. It may use $1, for how
/// long something may be unfinished after a death; $2, how far the history is looked at; $3, the ids that the
/// caller has enqueued; $4 and $5, the handlers with lanes and how many places those have; $6 to $8, the handlers of limited queues, these queues, and their limits.
/// </summary>
/// <param name="Name">Stable, in kebab case.</param>
/// <param name="Expected">What must hold.</param>
/// <param name="NextStep">What to do when it does not.</param>
/// <param name="Sql">The statement.</param>
internal sealed record QueueCheck(string Name, string Expected, string NextStep, string Sql)
{
    private const string Stray = "Look for the handler in the log. If its node is gone for good, let it run again: update mainstay.jobs set state = 0, node = null, seq = nextval('mainstay.jobs_seq_seq') where id = '…'.";
    private const string Report = "This cannot come from Mainstay's statements: look for who changes its tables by hand, and report it with the rows.";

    public static IReadOnlyList<QueueCheck> All { get; } =
    [
        new("lease-of-living-node", "What is leased is leased to a node whose lease is not over, or was over so short a time ago that it is still being taken back.",
            "Start a node, which takes it back. If one runs, look for errors of the lease in its log. Of a node that is not known, somebody has deleted the row: let it run again with update mainstay.jobs set state = 0, node = null, seq = nextval('mainstay.jobs_seq_seq') where id = '…'.", """
            select job.id::text, format('%s is leased to node %s, %s', job.handler, job.node, case when node.id is null then 'which is not known' else 'whose lease was over at ' || node.lease_until end)
            from mainstay.jobs job left join mainstay.nodes node on node.id = job.node
            where job.state = 1 and (node.id is null or node.lease_until < mainstay.now() - $1)
            """),
        new("fence-of-lease", "What is leased has a fence and an attempt, and a node; nothing else has a node.", Stray, """
            select id::text, format('%s is in state %s with fence %s, attempt %s, node %s', handler, state, fence, attempt, coalesce(node::text, 'none'))
            from mainstay.jobs where (state = 1 and (fence < 1 or attempt < 1 or node is null)) or (state <> 1 and node is not null) or attempt < 0
            """),
        new("known-state", "A job has a state and a priority that somebody looks for.", "Let it be claimed: update mainstay.jobs set state = 0, priority = 0, node = null, seq = nextval('mainstay.jobs_seq_seq') where id = '…'.", """
            select id::text, format('%s is in state %s with priority %s', handler, state, priority) from mainstay.jobs where state not between 0 and 5 or priority not between -1 and 1
            """),
        new("due-time-of-delayed", "What is delayed has a time at which it becomes ready.",
            "Make it due: update mainstay.jobs set due_at = mainstay.now() where id = '…'.", """
            select id::text, handler || ' is delayed without end' from mainstay.jobs where state = 2 and due_at is null
            """),
        new("one-place", "A job is open, done or dead, and only one of them.", Report, """
            select job.id::text, job.handler || ' is open and done' from mainstay.jobs_done done join mainstay.jobs job using (id) where done.done_at >= mainstay.now() - $2
            union all
            select job.id::text, job.handler || ' is open and dead' from mainstay.jobs_dead dead join mainstay.jobs job using (id)
            union all
            select dead.id::text, dead.handler || ' is done and dead' from mainstay.jobs_done done join mainstay.jobs_dead dead using (id) where done.done_at >= mainstay.now() - $2
            """),
        new("ended-once", "A job is done once and dead once.", Report, """
            select id::text, format('%s is done %s times', min(handler), count(*)) from mainstay.jobs_done where done_at >= mainstay.now() - $2 group by id having count(*) > 1
            union all
            select id::text, format('%s is dead %s times', min(handler), count(*)) from mainstay.jobs_dead group by id having count(*) > 1
            """),
        new("planned-once", "A planned time of a schedule has one run.", Report, """
            select schedule || ' ' || planned_at, format('has %s runs', count(*)) from mainstay.schedule_runs group by schedule, planned_at having count(*) > 1
            union all
            select min(schedule), format('has the job %s at %s planned times', job, count(*)) from mainstay.schedule_runs where job is not null group by job having count(*) > 1
            union all
            select job.handler || ' ' || (job.payload ->> 'plannedAt'), format('has the open jobs %s', string_agg(job.id::text, ', ' order by job.id))
            from mainstay.schedules schedule join mainstay.jobs job on job.handler = schedule.name
            group by job.handler, job.payload ->> 'plannedAt' having count(*) > 1
            """),
        new("run-is-somewhere", "The job of a planned time is open, done or dead, for as long as all of that is kept.", Report, $"""
            with {Places}
            select run.job::text, format('of schedule %s, planned at %s, is nowhere', run.schedule, run.planned_at)
            from mainstay.schedule_runs run left join place on place.id = run.job
            where run.job is not null and run.planned_at >= mainstay.now() - $2 and place.id is null
            """),
        new("enqueued-is-somewhere", "What the caller says was enqueued is in exactly one place: open, done or dead.",
            "If its transaction was committed and it is not older than what is kept, report it with the rows.", $"""
            with {Places}
            select wanted.id::text, coalesce('is ' || string_agg(place.name, ' and '), 'is nowhere')
            from unnest($3) as wanted (id) left join place on place.id = wanted.id
            group by wanted.id having count(place.id) <> 1
            """),
        new("places-of-lane", "No lane has more jobs that are ready, running or to be tried again than places; an ordered one has a single head.", Report, $"""
            select min(job.id::text), format('%s has %s jobs with a place in the lane %s, expected at most %s', job.handler, count(*), job.lane, known.places)
            from mainstay.jobs job join unnest($4, $5) as known (handler, places) on known.handler = job.handler
            where {HasPlace}
            group by job.handler, job.lane, known.places having count(*) > known.places
            """),
        new("lane-goes-on", "What waits in a lane waits for a job with a place in it, for one that is being decided about, or for a dead one that has stopped it.",
            "Let it be decided about again: update mainstay.jobs set state = 4 where id = '…'. Then report it with the rows.", $"""
            select waiting.id::text, format('%s waits in the lane %s, and for nobody', waiting.handler, waiting.lane)
            from mainstay.jobs waiting
            where waiting.state = 5
                and not exists (select from mainstay.jobs job where job.handler = waiting.handler and job.lane = waiting.lane and (job.state = 4 or ({HasPlace})))
                and not exists (select from mainstay.jobs_stopped stopped where stopped.handler = waiting.handler and stopped.lane = waiting.lane)
            """),
        new("stop-has-letter", "A lane is stopped by a dead letter that can be redriven or discarded.", "Let it go on: select mainstay.open_lanes(array['…'::uuid]), with the id of the row.", """
            select stopped.job::text, format('stops the lane %s of %s and is no dead letter', stopped.lane, stopped.handler)
            from mainstay.jobs_stopped stopped
            where stopped.stopped_at < mainstay.now() - $1 and not exists (select from mainstay.jobs_dead where id = stopped.job and discarded_at is null)
            """),
        new("arrival-is-decided", "What has arrived for a known handler is ready or sent to wait, in a time that a mass of others before it explains.",
            "Look for errors in the logs of the nodes that declare the handler.", """
            select job.id::text, format('%s has arrived at %s and is not decided about', job.handler, coalesce(job.due_at, job.created_at))
            from mainstay.jobs job
            where job.state = 4 and job.handler = any($4) and coalesce(job.due_at, job.created_at) < mainstay.now() - $1 - interval '10 minutes'
            """),
        new("permits-of-queue", "No more jobs of a queue are leased by living nodes than it says.", Report, """
            select queue.name, format('has %s leased jobs, expected at most %s', count(*), queue.most)
            from unnest($6, $7, $8) as queue (handler, name, most)
            join mainstay.jobs job on job.handler = queue.handler and job.state = 1
            join mainstay.nodes node on node.id = job.node and node.lease_until > mainstay.now()
            group by queue.name, queue.most having count(*) > queue.most
            """),
        new("unique-key-once", "A unique key has one open job, whatever is enqueued.", Report, $"""
            select min(id::text), format('%s of %s has %s open jobs', unique_key, handler, count(*)) from mainstay.jobs where unique_key is not null group by handler, unique_key having count(*) > 1
            """),
        new("saga-has-job", "An open saga has a job that moves it on, or a dead one that somebody has to decide about.",
            "Have it retried, which makes the job anew: Sagas.RetryAsync, or POST /internal/sagas/{id}/retry. Then report it with the rows.", """
            select saga.id::text, format('%s is %s and has no job', saga.saga, saga.status) from mainstay.sagas saga where json_array_length(saga.state -> 'pending') = 0
            union all
            select saga.id::text, format('%s is %s and counts on the job %s (%s), which is neither open nor dead', saga.saga, saga.status, owed ->> 'job', owed ->> 'part')
            from mainstay.sagas saga cross join json_array_elements(saga.state -> 'pending') owed
            where not exists (select from mainstay.jobs where id = (owed ->> 'job')::uuid) and not exists (select from mainstay.jobs_dead where id = (owed ->> 'job')::uuid)
            """),
        new("saga-in-one-place", "A saga is open, or has ended once.", Report, """
            select saga.id::text, saga.saga || ' is open and has ended' from mainstay.sagas saga join mainstay.sagas_ended using (id)
            union all
            select id::text, format('%s has ended %s times', min(saga), count(*)) from mainstay.sagas_ended where ended_at >= mainstay.now() - $2 group by id having count(*) > 1
            """),
        new("saga-walks-back", "What a saga undoes was done before, and once; one that has gone back to its beginning has undone all that it could.", Report, """
            select saga.id::text, format('%s has undone ''%s'' %s times, and done it %s times', saga.saga, step.item, step.undone, step.done)
            from (select id, saga, state from mainstay.sagas union all select id, saga, state from mainstay.sagas_ended where ended_at >= mainstay.now() - $2) saga
            cross join lateral (
                select entry ->> 'item' as item, count(*) filter (where entry ->> 'event' = 'undone') as undone, count(*) filter (where entry ->> 'event' in ('done', 'failed')) as done
                from json_array_elements(saga.state -> 'log') entry group by entry ->> 'item'
            ) step
            where step.undone > 1 or step.undone > step.done
            """),
        new("redrive-goes-on", "A redrive that has not ended goes on.", "Start a node, which goes on with it, or stop it.", """
            select id::text, 'was to go on at ' || next_at from mainstay.redrives where status = 'running' and next_at < mainstay.now() - $1
            """),
    ];

    private const string Places = """
        place as (
            select id, 'open' as name from mainstay.jobs union all select id, 'done' from mainstay.jobs_done union all select id, 'dead' from mainstay.jobs_dead
        )
        """;

    /// <summary>Of a row that is called job.</summary>
    private const string HasPlace = "job.lane is not null and job.state < 4 and (job.state <> 2 or job.fence > 0)";
}
