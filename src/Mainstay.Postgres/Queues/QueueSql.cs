namespace Mainstay.Internal;

/// <summary>All statements about jobs. States: 0 ready, 1 leased, 2 delayed, 3 suspect, 4 arrived, 5 waiting in its lane.</summary>
/// <remarks>
/// Whatever names rows by their id says <c>state + 0 = 1</c>. Statistics that were taken while nothing was leased promise that next to no row is, and then the planner
/// reads all that is leased, by the index of the nodes, instead of the one row by its id. It cannot do that with a sum.
/// </remarks>
internal static class QueueSql
{
    /// <summary>What a row becomes when it may run again: at the end of the order, and alone if a process has died with it. One that has no place in its lane yet, or in the order of its tenant, asks for it.</summary>
    private const string Ready = "state = case when (lane is not null and fence = 0) or (lane is null and tenant is not null) then 4 when crashes > 0 then 3 else 0 end, seq = nextval('mainstay.jobs_seq_seq'), node = null, due_at = case when state = 2 then due_at else mainstay.now() end";

    private const string Done = "insert into mainstay.jobs_done (id, handler, attempt, node, created_at, done_at) select id, handler, attempt, node, created_at, mainstay.now() from finished";

    /// <summary>The history of errors with one more at its end; the last ten are kept.</summary>
    private const string AddError = ErrorsWith + "$4::text" + ThatIsTheLast;

    private const string AddCrash = ErrorsWith + "'The process that ran it died.'" + ThatIsTheLast;

    private const string ErrorsWith = "jsonb_path_query_array(coalesce(errors, '[]'::jsonb) || jsonb_build_object('attempt', attempt, 'at', mainstay.now(), 'error', ";

    private const string ThatIsTheLast = "), '$[last - 9 to last]')";

    /// <summary>Whether the transaction was refused because its lease is gone.</summary>
    public static bool IsFenced(Exception error) => OperationSql.IsFenced(error);

    /// <summary>One statement for everything that a transaction publishes and enqueues, or several that are committed together.</summary>
    public const string Insert = $"{InsertFrom}unnest($1, $2, $3, $4, $5, $6, $7, $8){AsWork}";

    /// <summary>The same for one job, which is what most commits have: reading lists of one costs PostgreSQL a fifth of the whole insert.</summary>
    public const string InsertOne = $"{InsertFrom}(values ($1::uuid, $2::text, $3::json, $4::json, $5::interval, $6::timestamptz, $7::uuid, $8::uuid)){AsWork}";

    public static readonly string InsertOneWithLimits = $"{InsertOne} where {Limits.Condition(9)}";

    private const string InsertFrom = """
        insert into mainstay.jobs (id, handler, message, payload, origin, state, due_at, first_due_at, node, attempt, fence)
        select job.id, job.handler, job.message, job.payload, job.origin,
            case when job.node is not null then 1 when coalesce(job.at, mainstay.now() + job.after) is not null then 2 else 0 end,
            coalesce(job.at, mainstay.now() + job.after), coalesce(job.at, mainstay.now() + job.after), job.node, (job.node is not null)::integer, (job.node is not null)::integer
        from 
        """;

    private const string AsWork = " as job (id, handler, payload, origin, after, at, message, node)";

    /// <summary>The same for work with a lane, a tenant or a priority.</summary>
    public const string InsertPlaced = """
        insert into mainstay.jobs (id, handler, message, payload, origin, state, due_at, first_due_at, node, attempt, fence, lane, priority, tenant)
        select job.id, job.handler, job.message, job.payload, job.origin,
            case when job.node is not null then 1 else mainstay.first_state(coalesce(job.at, mainstay.now() + job.after), job.lane, job.tenant) end,
            coalesce(job.at, mainstay.now() + job.after), coalesce(job.at, mainstay.now() + job.after), job.node, (job.node is not null)::integer, (job.node is not null)::integer, job.lane, job.priority, job.tenant
        from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) as job (id, handler, payload, origin, after, at, message, node, lane, priority, tenant)
        """;

    /// <summary>
    /// Jobs with a unique key. One row for each: the id of the job that there is in the end. In the order of their keys, so that two transactions which enqueue the
    /// same ones do not wait for each other.
    /// </summary>
    public const string InsertUnique = """
        select mainstay.enqueue_unique(job.id, job.handler, job.payload, job.origin, coalesce(job.at, mainstay.now() + job.after), job.unique_key, job.unique_for, job.lane, job.priority, job.tenant)
        from (
            select * from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) as given (id, handler, payload, origin, after, at, unique_key, unique_for, lane, priority, tenant) order by handler, unique_key
        ) job
        """;

    /// <summary>Many jobs of one kind. What is not named has the table's defaults.</summary>
    public const string Copy = "copy mainstay.jobs (id, handler, payload, origin, state, due_at, first_due_at, lane, priority, tenant) from stdin (format binary)";

    public const string FromNow = "select mainstay.now() + $1";

    /// <summary>
    /// For the statements of one turn. Plans are kept, and a table that was empty when a plan was made is full when it is used: none may read it from end to end, which
    /// costs nothing while it is empty.
    /// </summary>
    public const string KeepPlans = "select set_config('enable_seqscan', 'off', true)";

    private const string Finish = $"""
        finished as (
            delete from mainstay.jobs job using unnest($1, $2) as done (id, fence)
            where job.id = done.id and job.fence = done.fence and job.state + 0 = 1
            returning job.id, job.handler, job.attempt, job.node, job.created_at
        ), history as (
            {Done}
        )
        """;

    private const string IsAlive = "exists (select from mainstay.nodes where id = $3 and lease_until > mainstay.now())";

    private const string Waiting = """
        from unnest($6, $7, $8, $9) as known (name, queue, priority, floor)
                cross join lateral (
                    select ctid as place from mainstay.jobs
                    where handler = known.name and priority = known.priority and state = 0 and seq >= known.floor
                    order by seq
                    limit queue.most
                    for update skip locked
                ) waiting
                where known.queue = queue.number
                limit queue.most
        """;

    private const string Claim = """
        update mainstay.jobs
            set state = 1, node = $3, attempt = attempt + 1, fence = fence + 1
            where ctid = any(array(select place from ready union all select place from suspect)) and state in (0, 3)
            returning id, handler, message, payload, origin, attempt, fence, crashes, seq, mainstay.now() - coalesce(first_due_at, created_at) as age, priority, steps
        """;

    /// <summary>
    /// One turn of the loop: ends what has been done ($1, $2), and claims up to $5 rows for each queue, from the handlers ($6, $7) of the queue, each with one
    /// priority ($8), and not below their floor ($9). Only for handlers that the node knows: while a release is rolled out, and where two applications share a database, there is work that
    /// is none of its business. A node whose lease is over claims nothing. At most $10 suspects.
    /// </summary>
    /// <remarks>
    /// The rows to update are named by an array of their places, so that there is one plan, whatever the statistics say: they are wrong whenever the queue is
    /// filled or emptied at once. The update is the statement itself and gives its rows as it goes, in no order: to collect and sort them would cost a tenth more.
    /// </remarks>
    public const string Cycle = $"""
        with {Finish}, ready as materialized (
            select found.place
            from unnest($4, $5) as queue (number, most)
            cross join lateral (
                select waiting.place {Waiting}
            ) found
            where {IsAlive}
        ), suspect as materialized (
            select ctid as place from mainstay.jobs where state = 3 and handler = any($6) and {IsAlive} limit $10 for update skip locked
        )
        {Claim}
        """;

    /// <summary>
    /// The same where queues ($11) have limits over all nodes: so many at the same time ($12), so many in a time ($13 between two, $14 at once). A suspect takes room of its
    /// queue too. What is claimed from a queue with a rate moves its row on in one go.
    /// </summary>
    public const string CycleWithLimits = $"""
        with {Finish}, rooms as materialized (
            select asked.number, asked.name, asked.spacing, asked.burst,
                case when asked.name is null then asked.most else mainstay.queue_room(asked.name, mine.handlers, asked.most, asked.at_most, asked.spacing, asked.burst) end as most, mine.handlers
            from unnest($4, $5, $11, $12, $13, $14) as asked (number, most, name, at_most, spacing, burst)
            cross join lateral (select array_agg(distinct known.name) as handlers from unnest($6, $7) as known (name, queue) where known.queue = asked.number) mine
        ), suspect as materialized (
            select ctid as place, handler from mainstay.jobs
            where state = 3 and handler = any(array(select unnest(handlers) from rooms where most > 0)) and {IsAlive} limit $10 for update skip locked
        ), ready as materialized (
            select found.place
            from (select number, most - case when name is null then 0 else (select count(*) from suspect where handler = any(handlers)) end as most from rooms) queue
            cross join lateral (
                select waiting.place {Waiting}
            ) found
            where {IsAlive}
        ), claimed as (
            {Claim}
        ), paced as (
            update mainstay.queue_rates rate
            set next_at = greatest(rate.next_at, mainstay.now() - (rooms.burst - 1) * rooms.spacing) + taken.count * rooms.spacing
            from rooms cross join lateral (select count(*) from claimed where claimed.handler = any(rooms.handlers)) taken
            where rate.queue = rooms.name and rooms.spacing is not null and taken.count > 0
        )
        select * from claimed
        """;

    /// <summary>How many milliseconds it is until one of these queues may begin another job; null when all may.</summary>
    public const string NextStart = "select (extract(epoch from min(next_at) - mainstay.now()) * 1000)::double precision from mainstay.queue_rates where queue = any($1) and next_at > mainstay.now()";

    /// <summary>Gives queues with a rate their row.</summary>
    public const string AddRates = "insert into mainstay.queue_rates (queue, next_at) select queue, '-infinity' from unnest($1) queue order by queue on conflict do nothing";

    /// <summary>
    /// Ends a job in the transaction of its effect, as the first statement of the commit. When another node has taken it over meanwhile, the whole transaction
    /// is refused.
    /// </summary>
    public const string Complete = $"""
        with finished as (
            delete from mainstay.jobs where id = $1 and fence = $2 and state + 0 = 1
            returning id, handler, attempt, node, created_at
        ), history as (
            {Done}
        )
        select mainstay.require_lease(exists (select from finished))
        """;

    /// <summary>Refuses what was committed already, or taken over. A commit that is still on its way is waited for, because it has the rows locked.</summary>
    public const string RequireLease = """
        select mainstay.require_lease(count(*) = cardinality($1)) from (
            select from mainstay.jobs job join unnest($1, $2) as mine (id, fence) on job.id = mine.id and job.fence = mine.fence
            where job.state + 0 = 1
            for key share of job
        ) held
        """;

    public static readonly string CompleteWithLimits = $"{Complete} where {Limits.Condition(3)}";

    /// <summary>The same for several that had their effect in one transaction: all of them, or none.</summary>
    public const string CompleteAll = $"""
        with finished as (
            delete from mainstay.jobs job using unnest($1, $2) as done (id, fence)
            where job.id = done.id and job.fence = done.fence and job.state + 0 = 1
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
            where id = $1 and fence = $2 and state + 0 = 1
            returning id
        )
        select mainstay.require_lease(exists (select from written))
        """;

    /// <summary>The same for a handler with lanes: whatever waits behind the job moves on in the same commit.</summary>
    public const string CompleteInLane = "select mainstay.require_lease(mainstay.complete_in_lanes(array[$1], array[$2], $3) = 1)";

    public const string CompleteAllInLanes = "select mainstay.require_lease(mainstay.complete_in_lanes($1, $2, $3) = cardinality($1))";

    /// <summary>Ends what has been done by handlers with lanes, and in queues with limits.</summary>
    public const string FinishFirst = "select mainstay.complete_in_lanes($1, $2, $3)";

    /// <summary>Decides about what has arrived for these handlers ($1), whose lanes have so many places ($2), whose dead jobs mean what $3 says, whose lanes begin one job in such a time
    /// ($4), and whose order begins there ($5); about $6 of each.</summary>
    public const string Admit = "select admitted, is_unfinished from mainstay.admit_jobs($1, $2, $3, $4, $5, $6)";

    /// <summary>Makes ordinary what has a priority that its handler does not look for.</summary>
    public const string Level = """
        update mainstay.jobs set priority = 0, seq = nextval('mainstay.jobs_seq_seq')
        where id = any(array(select id from mainstay.jobs where state = 0 and handler = any($1) and priority = any('{-1,1}') limit 1000 for update skip locked)) and state = 0
        """;

    /// <summary>A failed attempt that is followed by another one.</summary>
    public const string Retry = $"""
        update mainstay.jobs
        set state = 2, node = null, due_at = mainstay.now() + $3, errors = {AddError}
        where id = $1 and fence = $2 and state + 0 = 1
        """;

    /// <summary>A run that is put off; the attempt does not count.</summary>
    public const string Snooze = """
        update mainstay.jobs
        set state = 2, node = null, due_at = mainstay.now() + $3, attempt = attempt - 1
        where id = $1 and fence = $2 and state + 0 = 1
        """;

    /// <summary>The last failed attempt. A key that it had is free for the next one; its lane is stopped until that is dealt with.</summary>
    public const string Bury = $"""
        with gone as (
            delete from mainstay.jobs where id = $1 and fence = $2 and state + 0 = 1 returning *
        ), freed as (
            delete from mainstay.jobs_unique known using gone where known.handler = gone.handler and known.unique_key = gone.unique_key
        ), stopped as (
            insert into mainstay.jobs_stopped (handler, lane, job) select handler, lane, id from gone where lane is not null on conflict do nothing
        )
        insert into mainstay.jobs_dead (id, handler, attempt, crashes, fence, created_at, dead_at, reason, message, payload, origin, lane, priority, tenant, errors, steps)
        select id, handler, attempt, crashes, fence, created_at, mainstay.now(), $3, message, payload, origin, lane, priority, tenant, {AddError}, steps from gone
        """;

    /// <summary>Gives jobs back to whichever node comes first; the attempt does not count.</summary>
    public const string Release = $"""
        update mainstay.jobs job
        set {Ready}, attempt = attempt - 1
        from unnest($1, $2) as held (id, claim)
        where job.id = held.id and job.fence = held.claim and job.state + 0 = 1
        """;

    /// <summary>Makes ready what is due.</summary>
    public const string Promote = $"""
        update mainstay.jobs
        set {Ready}
        where id = any(array(select id from mainstay.jobs where state = 2 and due_at <= mainstay.now() order by due_at limit 1000 for update skip locked))
        """;

    /// <summary>Whether there is something for these handlers ($1), with these priorities ($2) and not below these floors ($3), or something to be admitted for those ($4); and the time until something becomes due.</summary>
    public const string LookForWork = "select has_work, due_in from mainstay.look_for_work($1, $2, $3, $4)";

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
        ), stopped as (
            insert into mainstay.jobs_stopped (handler, lane, job) select handler, lane, id from buried where lane is not null on conflict do nothing
        ), dead as (
            insert into mainstay.jobs_dead (id, handler, attempt, crashes, fence, created_at, dead_at, reason, message, payload, origin, lane, priority, tenant, errors, steps)
            select id, handler, attempt, crashes_now, fence, created_at, mainstay.now(), 'crashed', message, payload, origin, lane, priority, tenant, {AddCrash}, steps from buried
            returning id, handler
        ), returned as (
            update mainstay.jobs job
            set state = case when blamed.crashes > 0 then 3 when lane is null and tenant is not null then 4 else 0 end, seq = nextval('mainstay.jobs_seq_seq'), node = null, due_at = mainstay.now(), crashes = blamed.crashes,
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
        from unnest(array['jobs_done', 'jobs_dead', 'schedule_runs', 'inbox', 'sagas_ended']) parent cross join generate_series(0, 2) day
        """;

    /// <summary>Takes the days away that are over. Of messages from outside a day more is kept, so that those which come again just after their time are noticed.</summary>
    public const string DropPartitions = """
        select mainstay.drop_partitions('jobs_done', ((mainstay.now() - $1) at time zone 'UTC')::date), mainstay.drop_partitions('schedule_runs', ((mainstay.now() - $1) at time zone 'UTC')::date),
            mainstay.drop_partitions('jobs_dead', ((mainstay.now() - $2) at time zone 'UTC')::date), mainstay.drop_partitions('sagas_ended', ((mainstay.now() - $2) at time zone 'UTC')::date),
            mainstay.drop_partitions('inbox', ((mainstay.now() - $3 - interval '1 day') at time zone 'UTC')::date)
        """;

    /// <summary>The same for rows that have no day of their own, for dead letters that can no longer be restored, for unique keys whose time is over, for replies that nobody can want any more, for rates of lanes that nobody uses, and for lanes that wait for a letter that is gone: up to $5 of each.</summary>
    public const string Expire = """
        with discarded as (
            delete from mainstay.jobs_dead
            where id = any(array(select id from mainstay.jobs_dead where discarded_at < mainstay.now() - $4 limit $5 for update skip locked)) and discarded_at < mainstay.now() - $4
            returning id
        ), redrives as (
            delete from mainstay.redrives where ended_at < mainstay.now() - $2
        ), rates as (
            delete from mainstay.lane_rates
            where (handler, lane) in (select handler, lane from mainstay.lane_rates where next_at < mainstay.now() - interval '1 day' order by next_at limit $5 for update skip locked)
            returning lane
        ), early as (
            delete from mainstay.saga_events
            where (saga, key, item) in (select saga, key, item from mainstay.saga_events where arrived_at < mainstay.now() - $3 order by arrived_at limit $5 for update skip locked)
            returning item
        ), unwanted as (
            delete from mainstay.replies where id = any(array(select id from mainstay.replies where kept_until < mainstay.now() order by kept_until limit $5 for update skip locked))
            returning id
        ), freed as (
            delete from mainstay.jobs_unique
            where (handler, unique_key) in (select handler, unique_key from mainstay.jobs_unique where until <= mainstay.now() order by until limit $5 for update skip locked)
            returning job
        )
        select greatest((select count(*) from discarded), (select count(*) from freed), mainstay.open_forgotten_lanes($5), (select count(*) from rates), (select count(*) from early), (select count(*) from unwanted),
            mainstay.expire_rest('jobs_done', 'done_at', ((mainstay.now() - $1) at time zone 'UTC')::date, $5),
            mainstay.expire_rest('schedule_runs', 'planned_at', ((mainstay.now() - $1) at time zone 'UTC')::date, $5), mainstay.expire_rest('jobs_dead', 'dead_at', ((mainstay.now() - $2) at time zone 'UTC')::date, $5),
            mainstay.expire_rest('sagas_ended', 'ended_at', ((mainstay.now() - $2) at time zone 'UTC')::date, $5),
            mainstay.expire_rest('inbox', 'received_at', ((mainstay.now() - $3 - interval '1 day') at time zone 'UTC')::date, $5))
        """;
}
