using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>
/// Sagas whose nodes, and whose server, are killed at every boundary of their steps, forward and back. Six kills; MAINSTAY_CRASH_KILLS asks for more, MAINSTAY_CRASH_SEED repeats the order of events.
/// </summary>
[Collection(nameof(Alone))]
public sealed class JourneyTests(DisturbedServer server, ITestOutputHelper output) : IClassFixture<DisturbedServer>
{
    private const int Nodes = 3;
    private const int OpenMost = 150;

    private static readonly string?[] statements = ["commit", "complete", "enqueue", "claim", "promote", "retry", "saga begin", "saga lock", "saga save", "saga end", "saga withdraw", null];

    private static CancellationToken Stop => Scene.Stop;

    [Fact]
    public async Task Every_journey_is_made_to_its_end_or_taken_back_each_step_once()
    {
        var disorder = new Disorder(server, output, statements, killsOfShortForm: 6) { PauseMost = TimeSpan.FromSeconds(1.5) };
        await using var scene = await Scene.CreateAsync(server);
        await scene.ExecuteAsync(Journeys.Tables);
        var workers = Enumerable.Range(0, Nodes).Select(_ => scene.Worker(settings => settings with { MakesJourneys = true, Workers = 8 })).ToArray();
        var clock = Stopwatch.StartNew();

        var begun = await disorder.RunAsync(workers, (random, until) => FeedAsync(scene, random, until));
        var killing = clock.Elapsed;
        var survivor = await scene.SurviveAsync(settings => settings with { MakesJourneys = true, Workers = 8, Lease = TimeSpan.FromSeconds(3) });
        await EndAsync(scene, survivor.Services.GetRequiredService<DeadLetters>());

        disorder.Report(
            $"in {killing.TotalSeconds:0} s, everything ended {(clock.Elapsed - killing).TotalSeconds:0.0} s after the last: {begun} journeys, {await scene.ScalarAsync<string>("select coalesce(string_agg(outcome || ' ' || count, ', '), 'none') from (select outcome, count(*) from mainstay.sagas_ended group by outcome) ended")}");
        await JudgeAsync(scene);
        var report = await survivor.Services.GetRequiredService<QueueChecker>().VerifyAsync(within: Scene.Patience, cancellation: Stop);
        report.Findings.SelectMany(finding => finding.Rows.Select(row => $"{finding.Check}: {row.Row} {row.Detail}")).Concat(report.Unfinished).ShouldBeEmpty();
    }

    /// <summary>Innocent jobs that were with three nodes which died are dead letters then, and their sagas are stuck. An operator has them tried again.</summary>
    private static async Task EndAsync(Scene scene, DeadLetters letters)
    {
        try
        {
            await Wait.UntilAsync("every journey has ended", Scene.Patience, async () =>
            {
                foreach (var letter in await letters.ListAsync(new DeadLetterFilter { Reason = "crashed" }, cancellation: Stop))
                    await letters.RedriveAsync(letter.Id, "it was in bad company", cancellation: Stop);
                return await scene.ScalarAsync<bool>("select not exists (select from mainstay.sagas) and not exists (select from mainstay.jobs) and not exists (select from mainstay.jobs_dead)");
            }, Stop);
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"{e.Message}\n{await scene.ScalarAsync<string>("select json_build_object('sagas', (select json_agg(row_to_json(open)) from (select * from mainstay.sagas limit 5) open), 'jobs', (select json_agg(job) from (select * from mainstay.jobs limit 10) job), 'counts', (select json_agg(row) from (select handler, state, count(*) from mainstay.jobs group by handler, state) row))::text")}");
        }
    }

    private static async Task JudgeAsync(Scene scene)
    {
        const string Wrong = """
            with journey as (select id, key, outcome, state from mainstay.sagas_ended),
            step as (
                select journey.id, journey.key, journey.outcome, entry ->> 'item' as item, entry ->> 'event' as event, number
                from journey cross join lateral json_array_elements(state -> 'log') with ordinality as log (entry, number)
            )
            select 'ended ' || (select count(*) from journey where journey.key = begun.key) || ' times: ' || key || coalesce(', open as ' || (select string_agg(status, ' ') from mainstay.sagas where sagas.key = begun.key), '') || ', done ' || (select string_agg(what, ', ' order by id) from travels where travels.key = begun.key)
            from begun where (select count(*) from journey where journey.key = begun.key) <> 1
            union all
            select 'a journey that nobody began: ' || key from journey where key not in (select key from begun)
            union all
            select 'in a transaction and more than once: ' || key || ' ' || what from travels where idempotency_key is null group by key, what having count(*) > 1
            union all
            select 'outside under two keys: ' || key || ' ' || what from travels where idempotency_key is not null group by key, what having count(distinct idempotency_key) > 1
            union all
            select 'completed and not whole: ' || key from journey where outcome = 'completed'
                and (select count(distinct what) from travels where travels.key = journey.key and what in ('reserve', 'pay', 'seat', 'meal', 'fly', 'land')) <> 6
            union all
            select 'completed and undone: ' || key from journey where outcome = 'completed' and exists (select from travels where travels.key = journey.key and what like 'undo %')
            union all
            select 'taken back, and not: ' || step.key || ' ' || item from step where outcome = 'compensated' and event = 'done' and item in ('reserve', 'pay', 'seat', 'meal', 'fly')
                and not exists (select from travels where travels.key = step.key and what = 'undo ' || step.item)
            union all
            select 'taken back without having been done: ' || key || ' ' || what from travels undone where what like 'undo %' and idempotency_key is null
                and not exists (select from travels where travels.key = undone.key and 'undo ' || travels.what = undone.what)
            union all
            select 'not in reverse: ' || key from (
                select key, array_agg(item order by number) filter (where event = 'undone') as undone, array_agg(item order by number desc) filter (where event = 'done' and item in ('reserve', 'pay', 'seat', 'meal', 'fly') or event = 'failed' and item = 'pay') as done
                from step where outcome = 'compensated' group by id, key
            ) way where undone is distinct from done
            union all
            select 'refused and completed: ' || begun.key from begun join journey using (key) where does in ('refuse', 'fail', 'nobody boards') and outcome = 'completed'
            """;
        (await scene.ScalarAsync<string>($"select coalesce(string_agg(wrong, '; '), '') from (select * from ({Wrong}) all_wrong (wrong) limit 20) found")).ShouldBe("");
        (await scene.ScalarAsync<long>("select count(*) from mainstay.jobs_dead")).ShouldBe(0);
    }

    /// <summary>Begins journeys and lets passengers board: most in time, some before it has begun, twice, at the last moment, or never.</summary>
    private static async Task<int> FeedAsync(Scene scene, Random random, CancellationToken until)
    {
        var number = 0;
        while (!until.IsCancellationRequested)
            try
            {
                if (await scene.ScalarAsync<long>("select (select count(*) from mainstay.sagas) + (select count(*) from mainstay.jobs where state <> 2)") < OpenMost)
                    for (var i = 0; i < 10; i++)
                        await BeginAsync(scene, random, number++);
                await Task.Delay(30, until).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (NpgsqlException)
            {
                // The server is just away. Whether the journey has begun, the table of those that have says.
            }
        return number;
    }

    private static async Task BeginAsync(Scene scene, Random random, int number)
    {
        var key = $"journey-{number}";
        var (does, boards) = random.Next(10) switch
        {
            0 => ("refuse", "array[interval '0.1 s']"),
            1 => ("fail", "array[interval '0.1 s']"),
            2 => ("nobody boards", "array[]::interval[]"),
            3 => ("", "array[interval '0 s', interval '0 s']"),
            4 => ("", "array[interval '1.5 s']"),
            5 => ("", "array[interval '1.6 s', interval '1.7 s']"),
            _ => ("", "array[interval '0.2 s']"),
        };
        var isEarly = random.Next(4) == 0;
        await scene.ExecuteAsync($"""
            insert into begun (key, does) values ('{key}', '{does}');
            select mainstay.enqueue('journey', '{$$"""{"key": "{{key}}", "does": "{{does}}"}"""}', after => {(isEarly ? "interval '0.3 s'" : "null")});
            select mainstay.enqueue('journey: boarding', '{$$"""{"key": "{{key}}"}"""}', after => pause) from unnest({boards}) pause
            """);
    }
}
