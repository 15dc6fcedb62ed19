namespace Mainstay.Internal;

/// <summary>All statements about dead letters. Every one that changes something says with <c>discarded_at</c> and the row itself whether it is still there to be changed.</summary>
internal static class DeadLetterSql
{
    /// <summary>
    /// Makes jobs of the letters that were deleted: ready at once, with all their attempts and all their time before them, and what their handler has done in steps. The fence goes on, so that what a lost claim of the letter
    /// still does stays refused; what has killed processes begins as a suspect, so that it has none of its neighbours with it. In a lane it arrives before all that
    /// waits there, and what the letter had stopped goes on behind it. A letter is gone with the commit
    /// that brings the job, and the job has its id: whoever comes second finds nothing. Whoever waited for it has been told that it died, so nobody waits for the job.
    /// </summary>
    private static Sql Enqueue(string? payload) => $"""
        insert into mainstay.jobs (id, handler, state, seq, lane, priority, tenant, due_at, first_due_at, fence, crashes, created_at, message, payload, origin, errors, steps)
        select id, handler, case when lane is not null or tenant is not null then 4 when reason = 'crashed' then 3 else 0 end,
            case when lane is not null then row_number() over (order by dead_at, id) else nextval('mainstay.jobs_seq_seq') end, lane, priority, tenant, mainstay.now(), mainstay.now(), fence, case when reason = 'crashed' then 1 else 0 end, created_at, message, coalesce({payload}::json, payload), case when origin -> 'asked' is null then origin else (origin::jsonb - 'asked')::json end, errors, steps
        from letters order by dead_at, id
        """;

    private static Sql Matching(DeadLetterFilter filter)
    {
        Sql where = filter.Discarded ? $"discarded_at is not null" : (Sql)$"discarded_at is null";
        if (filter.Handler is { } handler)
            where = $"{where} and handler = {handler}";
        if (filter.Reason is { } reason)
            where = $"{where} and reason = {reason}";
        if (filter.From is { } from)
            where = $"{where} and dead_at >= {from}";
        if (filter.Before is { } before)
            where = $"{where} and dead_at < {before}";
        if (filter.Error is { } error)
            where = $"{where} and exists (select from jsonb_array_elements(errors) kept where position(lower({error}) in lower(kept ->> 'error')) > 0)";
        return where;
    }

    public static Sql List(DeadLetterFilter filter, DateTimeOffset? deadAt, Guid? id, int size) => $"""
        select id, handler, reason, attempt as attempts, crashes, created_at, dead_at, discarded_at, errors -> -1 ->> 'error' as last_error
        from mainstay.jobs_dead
        where {Matching(filter)} and {(deadAt is null ? (Sql)$"true" : $"(dead_at, id) < ({deadAt}, {id})")}
        order by dead_at desc, id desc
        limit {size}
        """;

    public static Sql Find(Guid id) => $"""
        select id, handler, reason, attempt as attempts, crashes, created_at, dead_at, discarded_at, message, payload, origin, errors from mainstay.jobs_dead where id = {id}
        """;

    public static Sql Groups(DeadLetterFilter filter, int most) => $"""
        select handler, reason, count(*)::integer as count
        from (select handler, reason from mainstay.jobs_dead where {Matching(filter)} limit {most}) found
        group by handler, reason
        order by count desc, handler, reason
        """;

    public static Sql HandlerOf(Guid id) => $"select handler from mainstay.jobs_dead where id = {id} and discarded_at is null";

    public static Sql IsOpen(Guid id) => $"select exists (select from mainstay.jobs where id = {id})";

    public static Sql Redrive(Guid id, string? payload) => $"""
        with letters as (
            delete from mainstay.jobs_dead where id = {id} and discarded_at is null returning *
        ), opened as (
            delete from mainstay.jobs_stopped where job = any(array(select id from letters where lane is not null))
        ), enqueued as (
            {Enqueue(payload)}
        )
        select payload::text from letters
        """;

    /// <summary>Lanes that waited for letters which nobody wants any more go on without them.</summary>
    public const string OpenLanes = """
        select mainstay.open_lanes(array(
            select job from mainstay.jobs_stopped stopped where exists (select from mainstay.jobs_dead where id = stopped.job and discarded_at is not null)
        ))
        """;

    public static Sql Discard(Guid id) => $"update mainstay.jobs_dead set discarded_at = mainstay.now() where id = {id} and discarded_at is null";

    public static Sql Restore(Guid id, TimeSpan within) => $"update mainstay.jobs_dead set discarded_at = null where id = {id} and discarded_at >= mainstay.now() - {within}";

    public static Sql DiscardMany(DeadLetterFilter filter, int most) => $"""
        update mainstay.jobs_dead set discarded_at = mainstay.now()
        where id = any(array(select id from mainstay.jobs_dead where {Matching(filter)} order by dead_at, id limit {most} for update)) and discarded_at is null
        """;

    public static Sql RestoreMany(DeadLetterFilter filter, TimeSpan within, int most) => $"""
        update mainstay.jobs_dead set discarded_at = null
        where id = any(array(select id from mainstay.jobs_dead where {Matching(filter)} and discarded_at >= mainstay.now() - {within} order by dead_at, id limit {most} for update)) and discarded_at is not null
        """;

    /// <summary>Who did what to which dead letters, beside the entries of the application's own rows.</summary>
    public static Sql Audit(Origin origin, string action, string resource, Guid id, string? before, string after) => $"""
        insert into mainstay.audit (id, at, operation, actor, request_id, trace_parent, action, resource, row_id, before, after)
        values ({Guid.CreateVersion7()}, mainstay.now(), {origin.Operation}, {origin.Actor}, {origin.RequestId}, {origin.TraceParent}, {action}, {resource}, {id}, {before}::jsonb, {after}::jsonb)
        """;

    public static Sql StartRedrive(Guid id, DeadLetterFilter filter, int perSecond, int countMost, Origin origin, string origins, string why) => $"""
        insert into mainstay.redrives (id, handler, reason, died_from, died_before, error, per_second, found, started_by, why, origin)
        select {id}, {filter.Handler}, {filter.Reason}, {filter.From}, least({filter.Before}, mainstay.now()), {filter.Error}, {perSecond},
            (select count(*) from (select from mainstay.jobs_dead where {Matching(filter)} limit {countMost}) found), {origin.Actor}, {why}, {origins}::json
        returning {Shown}
        """;

    public static Sql FindRedrive(Guid id) => $"select {Shown} from mainstay.redrives where id = {id}";

    public static Sql ListRedrives(int most) => $"select {Shown} from mainstay.redrives order by started_at desc, id desc limit {most}";

    public static Sql StopRedrive(Guid id) => $"update mainstay.redrives set status = 'stopped', ended_at = mainstay.now() where id = {id} and status = 'running' returning {Shown}";

    /// <summary>How many seconds it is to the next few letters of any redrive; null when none runs.</summary>
    public const string NextStep = "select (extract(epoch from min(next_at) - mainstay.now()))::double precision from mainstay.redrives where status = 'running'";

    /// <summary>A redrive whose time has come, for the node that is first to ask.</summary>
    public static Sql TakeRedrive() => $"""
        select id, handler, reason, died_from, died_before, error, per_second, last_at, last_id, origin::text as origin
        from mainstay.redrives where status = 'running' and next_at <= mainstay.now() order by next_at limit 1 for update skip locked
        """;

    /// <summary>
    /// The next few letters of a redrive, and where it is then, in one statement. Going on behind the last letter that was looked at, it ends even when letters
    /// that it is about keep dying.
    /// </summary>
    public static Sql Step(Guid id, DeadLetterFilter filter, DateTimeOffset? lastAt, Guid? lastId, int most, int perSecond) => $"""
        with chosen as materialized (
            select id, dead_at from mainstay.jobs_dead
            where {Matching(filter)} and {(lastAt is null ? (Sql)$"true" : $"(dead_at, id) > ({lastAt}, {lastId})")}
            order by dead_at, id
            limit {most}
        ), letters as (
            delete from mainstay.jobs_dead where id = any(array(select id from chosen)) and discarded_at is null returning *
        ), opened as (
            delete from mainstay.jobs_stopped where job = any(array(select id from letters where lane is not null))
        ), enqueued as (
            {Enqueue(null)}
        ), last as (
            select dead_at, id from chosen order by dead_at desc, id desc limit 1
        )
        update mainstay.redrives
        set redriven = redriven + (select count(*) from letters), last_at = coalesce((select dead_at from last), last_at), last_id = coalesce((select id from last), last_id),
            next_at = mainstay.now() + make_interval(secs => (select count(*) from chosen)::double precision / {perSecond}),
            status = case when (select count(*) from chosen) < {most} then 'done' else 'running' end,
            ended_at = case when (select count(*) from chosen) < {most} then mainstay.now() end
        where id = {id}
        returning {Shown}
        """;

    private static Sql Shown => $"id, status, handler, reason, died_from, died_before, error, per_second, found, redriven, started_by, why, started_at, ended_at";
}
