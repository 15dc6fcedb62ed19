using System.Globalization;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>
/// What was handed in, what came of it, and what has to be true of both whatever happened in between. Each check is a query that finds rows that should not be. What has to be true of the
/// queues alone is the business of <see cref="QueueChecker"/>.
/// </summary>
internal static class Ledger
{
    public const string Tables = """
        create table sent (id uuid primary key, key text not null unique);
        create table orders (key text not null);
        create table effects (id bigint generated always as identity, key text not null, at timestamptz not null default clock_timestamp());
        create table calls (key text not null, idempotency_key text not null, attempt int not null, at timestamptz not null default clock_timestamp());
        create table ticks (planned_at timestamptz not null);
        create table stumbles (key text primary key);
        create table counters (name text primary key, value int not null);
        create table runs (id uuid primary key, handler text not null, key text not null, lane text, number int not null, node int not null, open_before bigint not null, began timestamptz not null default clock_timestamp(), ended timestamptz);
        create table deaths (node int not null, at timestamptz not null);
        create table starts (key text not null, at timestamptz not null default mainstay.now());
        create index on starts (at);
        create function note_start() returns trigger language plpgsql as $$ begin insert into public.starts (key) values (new.payload ->> 'key'); return null; end $$;
        create trigger note_start after update on mainstay.jobs for each row when (new.handler = 'paced' and new.state = 1 and old.state <> 1) execute function note_start();
        create table lapses (node int not null, from_time timestamptz not null, until timestamptz not null);
        create function note_lapse() returns trigger language plpgsql as $$ begin insert into public.lapses values (split_part(old.name, ':', 2)::int, old.lease_until, clock_timestamp()); return null; end $$;
        create trigger note_lapse after update on mainstay.nodes for each row when (old.lease_until <= mainstay.now()) execute function note_lapse()
        """;

    private const string Ended = "(select id, handler, attempt from mainstay.jobs_done union all select id, handler, attempt from mainstay.jobs_dead)";

    /// <summary>
    /// From when to when each limited handler ran with a place: to its end, to the death of its process, or to the end of the lease of its node, whichever was first. What a process had sent when it was killed may
    /// be written a little after its death, and a process that gets no time may only hear of its end when it gets some; then it has run for no time.
    /// </summary>
    private const string Spans = """
        (select handler, key, node, case handler when 'shared' then lane end as lane, began, least(
            coalesce(ended, (select min(at) from deaths where deaths.node = runs.node and at >= began - interval '5 s'), 'infinity'),
            (select min(greatest(from_time, began)) from (select node, from_time, until from lapses union all select split_part(name, ':', 2)::int, lease_until, 'infinity' from mainstay.nodes) lapse
                where lapse.node = runs.node and lapse.until > began)) as ended
        from runs)
        """;

    private static readonly (string What, string Sql)[] checks =
    [
        ("a job exists that nobody handed in", $"""
            select id::text from (select id, handler from mainstay.jobs union all select id, handler from {Ended} ended) job
            where id not in (select id from sent) and id not in (select job from mainstay.schedule_runs where job is not null)
            """),
        ("an effect was applied twice", "select key || ' ' || count(*) from effects group by key having count(*) > 1"),
        ("a done job has no effect", "select key from sent join mainstay.jobs_done done using (id) where handler in ('write', 'brittle', 'batched', 'paced', 'ordered', 'next') and key not in (select key from effects)"),
        ("a job that is not done has an effect", "select key from sent where id not in (select id from mainstay.jobs_done) and key in (select key from effects)"),
        ("an effect belongs to no job", "select key from effects where key not in (select key from sent)"),
        ("a done call was never made", "select key from sent join mainstay.jobs_done done using (id) where handler = 'call' and key not in (select key from calls)"),
        ("a call was made under another key", "select key from calls join sent using (key) where idempotency_key <> id::text"),
        ("an order has no job, or a job no order", "select coalesce(orders.key, sent.key) from orders full join (select key from sent where key like 'order%' and key not like '%-next') sent using (key) where orders.key is null or sent.key is null"),
        ("an order was placed twice", "select key from orders group by key having count(*) > 1"),
        ("more ran at the same time than may", string.Create(CultureInfo.InvariantCulture, $"""
            with spans as materialized {Spans}
            select one.handler || ' ' || one.key || ' with ' || string_agg(format('%s of %s from %s to %s', other.key, other.node, other.began, other.ended), ', ') from spans one
            join spans other on other.handler = one.handler and other.lane is not distinct from one.lane and other.began <= one.began and other.ended > one.began
            group by one.handler, one.key, one.began having count(*) > {FaultNode.AtMost}
            """)),
        ("more began in a second than may", string.Create(CultureInfo.InvariantCulture, $"""
            select count || ' from ' || at from (select at, count(*) over (order by at range between current row and interval '999999 microseconds' following) as count from starts) second
            where count > {FaultNode.Rate + FaultNode.Burst}
            """)),
        ("something in order of a key began while something before it was open", "select key from runs where handler = 'ordered' and open_before > 0"),
        ("a planned time ran twice", "select planned_at::text from ticks group by planned_at having count(*) > 1"),
        ("a run of a schedule belongs to no planned time", "select planned_at::text from ticks where planned_at not in (select planned_at from mainstay.schedule_runs where job is not null)"),
        ("a planned time is done and did not run", "select planned_at::text from mainstay.schedule_runs where job in (select id from mainstay.jobs_done) and planned_at not in (select planned_at from ticks)"),
    ];

    /// <summary>What is wrong, with a few examples each; empty when all is well.</summary>
    public static async Task<List<string>> FindAsync(NpgsqlDataSource source, CancellationToken cancellation)
    {
        List<string> findings = [];
        // One view of everything, because nodes may still be at work.
        await using var connection = await source.OpenConnectionAsync(cancellation);
        await using var view = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, cancellation);
        foreach (var (what, sql) in checks)
        {
            await using var command = new NpgsqlCommand(sql, connection, view);
            await using var reader = await command.ExecuteReaderAsync(cancellation);
            List<string> rows = [];
            while (await reader.ReadAsync(cancellation))
                rows.Add(reader.GetString(0));
            if (rows.Count > 0)
                findings.Add(string.Create(CultureInfo.InvariantCulture, $"{what}: {rows.Count} times, for example {string.Join(", ", rows.Take(5))}"));
        }
        return findings;
    }
}
