namespace Mainstay.Internal;

/// <summary>All statements about jobs. States: 0 ready, 1 leased, 2 delayed, 3 suspect.</summary>
internal static class QueueSql
{
    /// <summary>What a row becomes when it may run again: at the end of the order, and alone if a process has died with it.</summary>
    private const string Ready = "state = case when crashes > 0 then 3 else 0 end, seq = nextval('mainstay.jobs_seq_seq'), node = null, due_at = case when state = 2 then due_at else mainstay.now() end";

    private const string Done = "insert into mainstay.jobs_done (id, handler, attempt, node, created_at, done_at) select id, handler, attempt, node, created_at, mainstay.now() from finished";

    /// <summary>The history of errors with one more at its end; the last ten are kept.</summary>
    private const string AddError = ErrorsWith + "$4::text" + ThatIsTheLast;

    private const string AddCrash = ErrorsWith + "'The process that ran it died.'" + ThatIsTheLast;

    private const string ErrorsWith = "jsonb_path_query_array(coalesce(errors, '[]'::jsonb) || jsonb_build_object('attempt', attempt, 'at', mainstay.now(), 'error', ";

    private const string ThatIsTheLast = "), '$[last - 9 to last]')";

    /// <summary>Whether the transaction was refused because its lease is gone.</summary>
    public static bool IsFenced(Exception error) => OperationSql.IsFenced(error);

    /// <summary>One statement for everything that a transaction publishes and enqueues, or several that are committed together.</summary>
    public const string Insert = """
        insert into mainstay.jobs (id, handler, message, payload, origin, state, due_at, first_due_at, node, attempt, fence)
        select job.id, job.handler, job.message, job.payload, job.origin,
            case when job.node is not null then 1 when coalesce(job.at, mainstay.now() + job.after) is not null then 2 else 0 end,
            coalesce(job.at, mainstay.now() + job.after), coalesce(job.at, mainstay.now() + job.after), job.node, (job.node is not null)::integer, (job.node is not null)::integer
        from unnest($1, $2, $3, $4, $5, $6, $7, $8) as job (id, handler, payload, origin, after, at, message, node)
        """;

    /// <summary>
    /// Jobs with a unique key. One row for each: the id of the job that there is in the end. In the order of their keys, so that two transactions which enqueue the
    /// same ones do not wait for each other.
    /// </summary>
    public const string InsertUnique = """
        select mainstay.enqueue_unique(job.id, job.handler, job.payload, job.origin, coalesce(job.at, mainstay.now() + job.after), job.unique_key, job.unique_for)
        from (
            select * from unnest($1, $2, $3, $4, $5, $6, $7, $8) as given (id, handler, payload, origin, after, at, unique_key, unique_for) order by handler, unique_key
        ) job
        """;

    /// <summary>Many jobs of one kind. What is not named has the table's defaults.</summary>
    public const string Copy = "copy mainstay.jobs (id, handler, payload, origin, state, due_at, first_due_at) from stdin (format binary)";

    public const string FromNow = "select mainstay.now() + $1";

    /// <summary>
    /// One turn of the loop: ends what has been done ($1, $2), and claims up to $5 rows for each queue, from the handlers ($6, $7) of the queue and not below
    /// their floor ($8). Only for handlers that the node knows: while a release is rolled out, and where two applications share a database, there is work that
    /// is none of its business. A node whose lease is over claims nothing. At most $9 suspects.
    /// </summary>
    /// <remarks>
    /// The rows to update are named by an array of their places, so that there is one plan, whatever the statistics say: they are wrong whenever the queue is
    /// filled or emptied at once.
    /// </remarks>
    public const string Cycle = $"""
        with finished as (
            delete from mainstay.jobs job using unnest($1, $2) as done (id, fence)
            where job.id = done.id and job.fence = done.fence and job.state = 1
            returning job.id, job.handler, job.attempt, job.node, job.created_at
        ), history as (
            {Done}
        ), ready as materialized (
            select found.place
            from unnest($4, $5) as queue (number, most)
            cross join lateral (
                select waiting.place
                from unnest($6, $7, $8) as known (name, queue, floor)
                cross join lateral (
                    select ctid as place from mainstay.jobs
                    where handler = known.name and state = 0 and seq >= known.floor
                    order by seq
                    limit queue.most
                    for update skip locked
                ) waiting
                where known.queue = queue.number
                limit queue.most
            ) found
            where exists (select from mainstay.nodes where id = $3 and lease_until > mainstay.now())
        ), suspect as materialized (
            select ctid as place from mainstay.jobs
            where state = 3 and handler = any($6) and exists (select from mainstay.nodes where id = $3 and lease_until > mainstay.now())
            limit $9
            for update skip locked
        ), claimed as (
            update mainstay.jobs
            set state = 1, node = $3, attempt = attempt + 1, fence = fence + 1
            where ctid = any(array(select place from ready union all select place from suspect)) and state in (0, 3)
            returning id, handler, message, payload, origin, attempt, fence, crashes, seq, mainstay.now() - coalesce(first_due_at, created_at) as age, steps
        )
        select * from claimed order by seq
        """;

    /// <summary>
    /// Ends a job in the transaction of its effect, as the first statement of the commit. When another node has taken it over meanwhile, the whole transaction
    /// is refused.
    /// </summary>
    public const string Complete = $"""
        with finished as (
            delete from mainstay.jobs where id = $1 and fence = $2 and state = 1
            returning id, handler, attempt, node, created_at
        ), history as (
            {Done}
        )
        select mainstay.require_lease(exists (select from finished))
        """;

    /// <summary>The same for several that had their effect in one transaction: all of them, or none.</summary>
    public const string CompleteAll = $"""
        with finished as (
            delete from mainstay.jobs job using unnest($1, $2) as done (id, fence)
            where job.id = done.id and job.fence = done.fence and job.state = 1
            returning job.id, job.handler, job.attempt, job.node, job.created_at
        ), history as (
            {Done}
        )
        select mainstay.require_lease((select count(*) from finished) = cardinality($1))
        """;

    /// <summary>Records that a step ($3) was done and what it came to ($4), unless another node has taken the job over. Twice records it once.</summary>
    public const string WriteStep = """
        with written as (
            update mainstay.jobs set steps = coalesce(steps, '{}') || jsonb_build_object($3::text, $4::text)
            where id = $1 and fence = $2 and state = 1
            returning id
        )
        select mainstay.require_lease(exists (select from written))
        """;

    /// <summary>A failed attempt that is followed by another one.</summary>
    public const string Retry = $"""
        update mainstay.jobs
        set state = 2, node = null, due_at = mainstay.now() + $3, errors = {AddError}
        where id = $1 and fence = $2 and state = 1
        """;

    /// <summary>A run that is put off; the attempt does not count.</summary>
    public const string Snooze = """
        update mainstay.jobs
        set state = 2, node = null, due_at = mainstay.now() + $3, attempt = attempt - 1
        where id = $1 and fence = $2 and state = 1
        """;

    /// <summary>The last failed attempt. A key that it had is free for the next one.</summary>
    public const string Bury = $"""
        with gone as (
            delete from mainstay.jobs where id = $1 and fence = $2 and state = 1 returning *
        ), freed as (
            delete from mainstay.jobs_unique known using gone where known.handler = gone.handler and known.unique_key = gone.unique_key
        )
        insert into mainstay.jobs_dead (id, handler, attempt, crashes, fence, created_at, dead_at, reason, message, payload, origin, errors, steps)
        select id, handler, attempt, crashes, fence, created_at, mainstay.now(), $3, message, payload, origin, {AddError}, steps from gone
        """;

    /// <summary>Gives jobs back to whichever node comes first; the attempt does not count.</summary>
    public const string Release = $"""
        update mainstay.jobs job
        set {Ready}, attempt = attempt - 1
        from unnest($1, $2) as held (id, fence)
        where job.id = held.id and job.fence = held.fence and job.state = 1
        """;

    /// <summary>Makes ready what is due.</summary>
    public const string Promote = $"""
        update mainstay.jobs
        set {Ready}
        where id = any(array(select id from mainstay.jobs where state = 2 and due_at <= mainstay.now() order by due_at limit 1000 for update skip locked))
        """;

    /// <summary>How many milliseconds it is to the next that becomes due; null when none does.</summary>
    public const string NextDue = "select (extract(epoch from min(due_at) - mainstay.now()) * 1000)::double precision from mainstay.jobs where state = 2";

    /// <summary>
    /// Takes back what nodes hold whose lease is over, one node at a time for each who asks. All that it held may have killed it; when it held a suspect, that
    /// one did, and the others are not to blame. After $1 crashes a job is dead.
    /// </summary>
    public const string Reap = $"""
        with gone as materialized (
            select id from mainstay.nodes lost
            where lease_until <= mainstay.now() and exists (select from mainstay.jobs where node = lost.id and state = 1)
            for update skip locked
        ), held as materialized (
            select id, node, crashes from mainstay.jobs where state = 1 and node = any(array(select id from gone)) for update skip locked
        ), blamed as materialized (
            select id, crashes + case when crashes > 0 or not exists (select from held suspect where suspect.node = held.node and suspect.crashes > 0) then 1 else 0 end as crashes
            from held
        ), buried as (
            delete from mainstay.jobs job using blamed where job.id = blamed.id and blamed.crashes >= $1 returning job.*, blamed.crashes as crashes_now
        ), freed as (
            delete from mainstay.jobs_unique known using buried where known.handler = buried.handler and known.unique_key = buried.unique_key
        ), dead as (
            insert into mainstay.jobs_dead (id, handler, attempt, crashes, fence, created_at, dead_at, reason, message, payload, origin, errors, steps)
            select id, handler, attempt, crashes_now, fence, created_at, mainstay.now(), 'crashed', message, payload, origin, {AddCrash}, steps from buried
            returning id, handler
        ), returned as (
            update mainstay.jobs job
            set state = case when blamed.crashes > 0 then 3 else 0 end, seq = nextval('mainstay.jobs_seq_seq'), node = null, due_at = mainstay.now(), crashes = blamed.crashes,
                attempt = attempt - case when blamed.crashes > job.crashes then 0 else 1 end, errors = case when blamed.crashes > job.crashes then {AddCrash} else errors end
            from blamed
            where job.id = blamed.id and blamed.crashes < $1
            returning job.id, job.handler
        )
        select id, handler, true from dead union all select id, handler, false from returned
        """;

    /// <summary>What a node holds.</summary>
    public const string Held = "select id, fence from mainstay.jobs where node = $1 and state = 1";

    /// <summary>Work that waits for none of the known handlers.</summary>
    public const string CountOrphans = "select handler, count(*) from mainstay.jobs where state <> 1 and handler <> all($1) group by handler order by handler limit 20";

    /// <summary>Partitions for the days to come.</summary>
    public const string AddPartitions = """
        select count(mainstay.add_partition(parent, (mainstay.now() at time zone 'UTC')::date + day))
        from unnest(array['jobs_done', 'jobs_dead', 'schedule_runs', 'inbox']) parent cross join generate_series(0, 2) day
        """;

    /// <summary>Takes the days away that are over.</summary>
    public const string DropPartitions = """
        select mainstay.drop_partitions('jobs_done', ((mainstay.now() - $1) at time zone 'UTC')::date), mainstay.drop_partitions('schedule_runs', ((mainstay.now() - $1) at time zone 'UTC')::date),
            mainstay.drop_partitions('jobs_dead', ((mainstay.now() - $2) at time zone 'UTC')::date), mainstay.drop_partitions('inbox', ((mainstay.now() - $3) at time zone 'UTC')::date)
        """;

    /// <summary>The same for rows that have no day of their own, for dead letters that can no longer be restored, and for unique keys whose time is over: up to $5 of each.</summary>
    public const string Expire = """
        with discarded as (
            delete from mainstay.jobs_dead
            where id = any(array(select id from mainstay.jobs_dead where discarded_at < mainstay.now() - $4 limit $5 for update skip locked)) and discarded_at < mainstay.now() - $4
            returning id
        ), redrives as (
            delete from mainstay.redrives where ended_at < mainstay.now() - $2
        ), freed as (
            delete from mainstay.jobs_unique
            where (handler, unique_key) in (select handler, unique_key from mainstay.jobs_unique where until <= mainstay.now() order by until limit $5 for update skip locked)
            returning job
        )
        select greatest((select count(*) from discarded), (select count(*) from freed),
            mainstay.expire_rest('jobs_done', 'done_at', ((mainstay.now() - $1) at time zone 'UTC')::date, $5),
            mainstay.expire_rest('schedule_runs', 'planned_at', ((mainstay.now() - $1) at time zone 'UTC')::date, $5), mainstay.expire_rest('jobs_dead', 'dead_at', ((mainstay.now() - $2) at time zone 'UTC')::date, $5),
            mainstay.expire_rest('inbox', 'received_at', ((mainstay.now() - $3) at time zone 'UTC')::date, $5))
        """;
}
