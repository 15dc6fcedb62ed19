namespace Mainstay.Internal;

/// <summary>All statements about sagas.</summary>
internal static class SagaSql
{
    /// <summary>The most sagas that <see cref="StopForgotten"/> makes stand at once.</summary>
    public const int StoppedMost = 1000;

    /// <summary>An age that no letter has.</summary>
    public static readonly TimeSpan Ever = TimeSpan.FromDays(36_500);

    private static Sql Open => $"id, saga, version, key, status, started_at, deadline, null::timestamptz as ended_at";

    private static Sql Ended => $"id, saga, version, key, outcome as status, started_at, deadline, ended_at";

    /// <summary>The row for whoever moves it on. Nobody else does until the transaction ends.</summary>
    public static Sql Lock(Guid id) => $"select {Moved} from mainstay.sagas where id = {id} for no key update";

    public static Sql LockByKey(string saga, string key) => $"select {Moved} from mainstay.sagas where saga = {saga} and key = {key} for no key update";

    /// <summary>The row for a step that runs without a transaction.</summary>
    public static Sql Read(Guid id) => $"select {Moved} from mainstay.sagas where id = {id}";

    private static Sql Moved => $"id, saga, version, shape, key, status, input::text as input, state::text as state, moves, deadline - mainstay.now() as left, mainstay.now() as now";

    /// <summary>A refusal of the whole transaction when there is an open one with the key: <see cref="DatabaseErrors.IsRetryable"/>.</summary>
    public static Sql Begin(SagaRow row, string origin) => $"""
        insert into mainstay.sagas (id, saga, version, shape, key, status, input, origin, state, deadline)
        values ({row.Id}, {row.Saga}, {row.Version}, {row.Shape}, {row.Key}, {row.Status}, {row.Input}::json, {origin}::json, {row.State}::json, mainstay.now() + {row.Left})
        """;

    /// <summary>The same, and nothing when there is an open one with the key.</summary>
    public static Sql Insert(SagaRow row, string origin) => $"{Begin(row, origin)} on conflict (saga, key) do nothing";

    /// <summary>Writes how it stands, unless somebody else has moved it. One that is stuck stays so while one of its jobs is dead, whatever else moves on.</summary>
    public static Sql Save(SagaRow row, SagaStatus status, string state, Guid[] pending) => $"""
        with moved as (
            update mainstay.sagas
            set status = case when status = 'stuck' then mainstay.status_of_stuck({pending}, {status}) else {status} end, state = {state}::json, moves = moves + 1
            where id = {row.Id} and moves = {row.Moves}
            returning id
        )
        select mainstay.require_unmoved(exists (select from moved))
        """;

    public static Sql End(SagaRow row, SagaStatus outcome, string state) => $"""
        with ended as (
            delete from mainstay.sagas where id = {row.Id} and moves = {row.Moves} returning *
        ), kept as (
            insert into mainstay.sagas_ended (id, saga, version, key, outcome, input, origin, state, started_at, deadline, ended_at)
            select id, saga, version, key, {outcome}, input, origin, {state}::json, started_at, deadline, mainstay.now() from ended
        )
        select mainstay.require_unmoved(exists (select from ended))
        """;

    /// <summary>Takes jobs away that nobody runs at the moment. What is locked is about to be run, and says itself what has become of it.</summary>
    public static Sql Withdraw(Guid[] jobs) => $"""
        delete from mainstay.jobs
        where id = any(array(select id from mainstay.jobs where id = any({jobs}) and state <> 1 for update skip locked)) and state <> 1
        returning id, fence
        """;

    /// <summary>Whoever starts a saga of a key, and whoever brings an event for one that has not begun, come one after the other.</summary>
    public static Sql LockKey(string saga, string key) => $"select pg_advisory_xact_lock(hashtextextended({saga}, hashtextextended({key}, 0)))";

    /// <summary>The same, and whatever the transaction locks after that, for so long at most.</summary>
    public static Sql LockKey(string saga, string key, TimeSpan most) =>
        $"select set_config('lock_timeout', {Limits.Milliseconds(most)}, true), pg_advisory_xact_lock(hashtextextended({saga}, hashtextextended({key}, 0)))";

    /// <summary>Of several events for one wait the first counts.</summary>
    public static Sql Park(string saga, string key, string item, string payload) => $"""
        insert into mainstay.saga_events (saga, key, item, payload) values ({saga}, {key}, {item}, {payload}::json) on conflict on constraint saga_events_pkey do nothing
        """;

    public static Sql TakeParked(string saga, string key) => $"delete from mainstay.saga_events where saga = {saga} and key = {key} returning item, payload::text as payload, arrived_at";

    public static Sql Find(Guid id) => $"""
        select {Open}, input, state::text as state from mainstay.sagas where id = {id}
        union all
        (select {Ended}, input, state::text as state from mainstay.sagas_ended where id = {id} limit 1)
        """;

    /// <summary>How these jobs fare, whether they are open or dead.</summary>
    public static Sql Tried(Guid[] jobs) => $"""
        select id, attempt, case when state = 2 then due_at end as due_at, errors -> -1 as error from mainstay.jobs where id = any({jobs})
        union all
        select id, attempt, null, errors -> -1 from mainstay.jobs_dead where id = any({jobs})
        """;

    public static Sql List(SagaFilter filter, Guid? before, int size)
    {
        var isEnded = filter.Status is SagaStatus.Completed or SagaStatus.Compensated;
        Sql where = $"true";
        if (filter.Saga is { } saga)
            where = $"{where} and saga = {saga}";
        if (filter.Key is { } key)
            where = $"{where} and key = {key}";
        if (filter.Status is { } status)
            where = isEnded ? (Sql)$"{where} and outcome = {status}" : (Sql)$"{where} and status = {status}";
        if (before is { } id)
            where = $"{where} and id < {id}";
        return isEnded
            ? (Sql)$"select {Ended} from mainstay.sagas_ended where {where} order by id desc limit {size}"
            : (Sql)$"select {Open} from mainstay.sagas where {where} order by id desc limit {size}";
    }

    public static Sql Letters(Guid[] jobs) => $"select id, discarded_at is not null as is_discarded from mainstay.jobs_dead where id = any({jobs})";

    public static Sql IsOpenJob(Guid job) => $"select exists (select from mainstay.jobs where id = {job})";

    public static Sql StepsOf(string saga, int version) => $"select steps from mainstay.saga_definitions where saga = {saga} and version = {version}";

    /// <summary>Open instances that began by another form of this version.</summary>
    public static Sql CountOf(string saga, int version, string shape) => $"select count(*) from (select from mainstay.sagas where saga = {saga} and version = {version} and (shape < {shape} or shape > {shape}) limit 1000) open";

    public static Sql Define(string saga, int version, string shape, string steps) => $"""
        insert into mainstay.saga_definitions as known (saga, version, shape, steps) values ({saga}, {version}, {shape}, {steps})
        on conflict on constraint saga_definitions_pkey do update set shape = excluded.shape, steps = excluded.steps, declared_at = mainstay.now() where known.shape <> excluded.shape
        """;

    /// <summary>Open sagas of versions that this application does not declare.</summary>
    public static Sql Undeclared(string saga, int[] versions) => $"""
        select saga, version, count(*)::integer as count from mainstay.sagas where saga = {saga} and version <> all({versions}) group by saga, version order by version
        """;

    /// <summary>Makes those stand that could not be told that one of their jobs had died, because somebody held them then: at most <see cref="StoppedMost"/>, of letters that are at most so old.</summary>
    public static Sql StopForgotten(TimeSpan age) => $"""
        update mainstay.sagas saga set status = 'stuck'
        where id = any(array(
            select id from mainstay.sagas forgotten
            where status <> 'stuck' and id in (select message from mainstay.jobs_dead where message is not null and discarded_at is null and dead_at > mainstay.now() - {age})
                and {HasLetter(Sql.Name("forgotten"))}
            limit {StoppedMost} for no key update skip locked
        )) and {HasLetter(Sql.Name("saga"))}
        """;

    private static Sql HasLetter(Sql saga) =>
        $"exists (select from json_array_elements({saga}.state -> 'pending') owed join mainstay.jobs_dead dead on dead.id = (owed ->> 'job')::uuid where dead.discarded_at is null)";

    public const string CountStuck = "select saga, count(*) from mainstay.sagas where status = 'stuck' group by saga order by saga";
}
