using System.Diagnostics;
using System.Globalization;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>
/// A node dies at the boundary of a step, on the way forward or back, and another one takes over when its lease is over. Each run is one saga and one death. MAINSTAY_SAGA_RUNS asks for more than the four
/// of an ordinary run, MAINSTAY_CRASH_SEED repeats the order of events.
/// </summary>
public sealed class SagaCrashTests(ITestOutputHelper output)
{
    private const int RunsOfShortForm = 4, RunsOfBackend = 20;

    /// <summary>What a failure is looked at with.</summary>
    private const string Found = """
        select json_build_object(
            'sagas', (select json_agg(row_to_json(one)) from mainstay.sagas one),
            'jobs', (select json_agg(json_build_object('id', id, 'handler', handler, 'state', state, 'node', node, 'attempt', attempt, 'fence', fence, 'crashes', crashes)) from mainstay.jobs),
            'nodes', (select json_agg(json_build_object('id', id, 'name', name, 'left', lease_until - mainstay.now(), 'killed', exists (select from mainstay_testing.killed where node = id))) from mainstay.nodes where lease_until > mainstay.now() - interval '2 minutes'),
            'connections', (select json_agg(json_build_object('of', application_name, 'state', state, 'since', clock_timestamp() - state_change, 'transaction', clock_timestamp() - xact_start, 'waits', wait_event, 'query', left(query, 100))) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid())
        )::text
        """;

    private static readonly TimeSpan lease = TimeSpan.FromSeconds(31);

    private readonly SortedDictionary<string, int> _deaths = [];

    [Fact]
    public async Task A_saga_whose_node_dies_at_any_boundary_is_done_or_undone_each_step_once()
    {
        var seed = Setting("MAINSTAY_CRASH_SEED") ?? Random.Shared.Next(1, 1_000_000);
        var runs = Setting("MAINSTAY_SAGA_RUNS") ?? RunsOfShortForm;
        output.WriteLine($"Repeat with MAINSTAY_CRASH_SEED={seed} MAINSTAY_SAGA_RUNS={runs}");
        var clock = Stopwatch.StartNew();

        for (var first = 0; first < runs; first += RunsOfBackend)
            await RunAsync(seed, first, Math.Min(RunsOfBackend, runs - first));

        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{_deaths.Values.Sum()} runs in {clock.Elapsed.TotalSeconds:0} s."));
        foreach (var (where, count) in _deaths)
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{count,6}  {where}"));
        _deaths.Values.Sum().ShouldBe(runs);
    }

    /// <summary>Runs of one definition, one after the other on one database.</summary>
    private async Task RunAsync(int seed, int first, int count)
    {
        var random = new Random(unchecked((seed * 10_007) + first));
        var bank = new Bank();
        var trips = new Trips(random, bank);
        await using var backend = await TestBackend.StartAsync(trips.Declare);
        await using (var tables = backend.Database.CreateCommand(Trips.Tables))
            await tables.ExecuteNonQueryAsync();
        var (inside, outside) = (0L, 0L);
        for (var number = first; number < first + count; number++)
        {
            // A third goes to its end; the others turn at a step.
            var trip = new Trip($"trip-{number}", random.Next(3) == 0 ? trips.Steps.Count : random.Next(trips.Steps.Count), random.Next(1, 100));
            var boundaries = Boundaries(trips, trip).ToArray();
            // Half of the deaths are on the way back, where there is one.
            var back = boundaries.Where(boundary => boundary.IsBack).ToArray();
            var (point, of, isBack) = random.Next(2) == 0 && back.Length > 0 ? back[random.Next(back.Length)] : boundaries[random.Next(boundaries.Length)];
            var what = $"Run {number} of seed {seed} ({trips}): {trip}, dies {point} of '{of}'.";
            try
            {
                await RunAsync(backend, trip, backend.CrashAt(point, of: of), heirIsThere: number % 2 == 0);
                if (trip.Refused >= trips.Steps.Count)
                    for (var at = 0; at < trips.Steps.Count; at++)
                        _ = trips.Steps[at].ReachesOut ? outside += trip.Cents * (at + 1) : inside += trip.Cents * (at + 1);
                await JudgeAsync(backend, trips, trip, bank, inside, outside);
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"{what}\n{await ScalarAsync<string>(backend, Found)}\n{e.Message}", e);
            }
            var where = $"{(isBack ? "back" : of == $"job {Trips.Saga}" ? "begin" : "forward")}, {point}";
            _deaths[where] = _deaths.GetValueOrDefault(where) + 1;
        }
    }

    /// <summary>Every second time the one that takes over is alive already when the lease of the dead one ends.</summary>
    private static async Task RunAsync(TestBackend backend, Trip trip, Crash crash, bool heirIsThere)
    {
        await backend.WorkAsync(work => { work.Enqueue(trip); return Task.CompletedTask; });
        await crash.HappenedAsync();
        if (heirIsThere)
            await backend.StartNodeAsync();
        await backend.Clock.AdvanceAsync(lease);
        if (!heirIsThere)
            await backend.StartNodeAsync();
        await backend.DrainAsync();
    }

    /// <summary>Every place at which a node can die for this trip: before and after each effect and each commit of its way.</summary>
    private static IEnumerable<(string Point, string Of, bool IsBack)> Boundaries(Trips trips, Trip trip)
    {
        // It begins in the commit of its first step, where that is a unit of work and is done.
        if (trips.Steps[0].ReachesOut || trip.Refused == 0)
        {
            yield return (CrashPoint.BeforeCommit, $"job {Trips.Saga}", false);
            yield return (CrashPoint.AfterCommit, $"job {Trips.Saga}", false);
        }
        for (var at = 0; at <= trip.Refused && at < trips.Steps.Count; at++)
            foreach (var point in PointsOf(trips.Steps[at], isRefused: at == trip.Refused))
                yield return (point, $"job {Trips.Saga}: {trips.Steps[at].Name}", false);
        if (trip.Refused >= trips.Steps.Count)
            yield break;
        for (var at = trip.Refused - 1; at >= 0; at--)
            foreach (var point in PointsOf(trips.Steps[at], isRefused: false))
                yield return (point, $"job {Trips.Saga}: {trips.Steps[at].Undo}", true);
    }

    private static string[] PointsOf(TripStep step, bool isRefused) => (step.ReachesOut, isRefused) switch
    {
        (true, false) => [CrashPoint.BeforeSideEffect, CrashPoint.AfterSideEffect, CrashPoint.BeforeCompletion, CrashPoint.BeforeCommit, CrashPoint.AfterCommit],
        (true, true) => [CrashPoint.BeforeSideEffect, CrashPoint.BeforeCommit, CrashPoint.AfterCommit],
        _ => [CrashPoint.BeforeCommit, CrashPoint.AfterCommit],
    };

    private static async Task JudgeAsync(TestBackend backend, Trips trips, Trip trip, Bank bank, long inside, long outside)
    {
        var isDone = trip.Refused >= trips.Steps.Count;
        var done = trips.Steps.Take(trip.Refused).ToArray();
        var undone = isDone ? [] : done.Reverse().ToArray();

        (await backend.Service<Sagas>().ListAsync()).ShouldBeEmpty();
        SagaSummary[] ended = [.. await EndedAsync(SagaStatus.Completed), .. await EndedAsync(SagaStatus.Compensated)];
        ended.ShouldHaveSingleItem().Status.ShouldBe(isDone ? SagaStatus.Completed : SagaStatus.Compensated);
        var timeline = (await backend.Service<Sagas>().FindAsync(ended[0].Id))!.Timeline;
        timeline.Where(entry => entry.Event == SagaEvent.Done).Select(entry => entry.Item).ShouldBe(done.Select(step => step.Name));
        timeline.Where(entry => entry.Event == SagaEvent.Undone).Select(entry => entry.Item).ShouldBe(undone.Select(step => step.Name));
        timeline.Count.ShouldBe(done.Length + undone.Length + (isDone ? 0 : 2));

        (await DeedsAsync(backend, trip)).ShouldBe([.. done.Where(step => !step.ReachesOut).Select(step => step.Name), .. undone.Where(step => !step.ReachesOut).Select(step => step.Undo)]);
        bank.Of(trip.Key).ShouldBe([.. done.Where(step => step.ReachesOut).Select(step => step.Name), .. undone.Where(step => step.ReachesOut).Select(step => step.Undo)]);
        bank.Shop.ShouldBe(outside);
        (await ScalarAsync<long>(backend, "select cents from money where owner = 'shop'")).ShouldBe(inside);
        (await ScalarAsync<decimal>(backend, "select sum(cents) from money")).ShouldBe(0);
        (await ScalarAsync<long>(backend, "select (select count(*) from mainstay.jobs) + (select count(*) from mainstay.jobs_dead)")).ShouldBe(0);
        var report = await backend.Service<QueueChecker>().VerifyAsync(within: TimeSpan.FromSeconds(30));
        report.Findings.SelectMany(finding => finding.Rows.Select(row => $"{finding.Check}: {row.Row} {row.Detail}")).Concat(report.Unfinished).ShouldBeEmpty();

        // Which of them is of this trip, its input says; a key has only every second definition.
        async Task<IEnumerable<SagaSummary>> EndedAsync(SagaStatus status)
        {
            var all = await backend.Service<Sagas>().ListAsync(new SagaFilter { Saga = Trips.Saga, Status = status }, size: RunsOfBackend);
            List<SagaSummary> own = [];
            foreach (var summary in all)
                if ((await backend.Service<Sagas>().FindAsync(summary.Id))!.Input.GetProperty("key").GetString() == trip.Key)
                    own.Add(summary);
            return own;
        }
    }

    private static async Task<List<string>> DeedsAsync(TestBackend backend, Trip trip)
    {
        await using var command = backend.Database.CreateCommand("select what from deeds where trip = $1 order by id");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = trip.Key });
        await using var reader = await command.ExecuteReaderAsync();
        List<string> deeds = [];
        while (await reader.ReadAsync())
            deeds.Add(reader.GetString(0));
        return deeds;
    }

    private static async Task<T> ScalarAsync<T>(TestBackend backend, string sql)
    {
        await using var command = backend.Database.CreateCommand(sql);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    private static int? Setting(string name) => int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out var value) ? value : null;
}
