using System.Diagnostics;
using System.Globalization;

namespace Mainstay.Tests;

/// <summary>
/// Nodes that are killed again and again, at statements and between them, while jobs of all kinds come in; now and then a process of the server, or all of it. Eight
/// kills; MAINSTAY_CRASH_KILLS asks for more, MAINSTAY_CRASH_SEED repeats the order of events.
/// </summary>
[Collection(nameof(Alone))]
public sealed class NodesInDisorderTests(DisturbedServer server, ITestOutputHelper output) : IClassFixture<DisturbedServer>
{
    private const int Nodes = 6;
    private const int OpenMost = 1_000;

    private static readonly string?[] points = ["claim", "complete", "complete all", "commit", "enqueue", "step", "retry", "renew", "reap", "promote", "fire", "admit", "complete in lane", "application's commit", null, null];

    private static CancellationToken Stop => Scene.Stop;

    [Fact]
    public async Task Whatever_is_killed_nothing_is_lost_and_no_effect_is_applied_twice()
    {
        var disorder = new Disorder(server, output, points, killsOfShortForm: 8);
        await using var scene = await Scene.CreateAsync(server);
        // Two of them know nothing of limits, so that both kinds of claims go on beside each other.
        var workers = Enumerable.Range(0, Nodes).Select(i => scene.Worker(settings => Everything(settings) with { HasLimits = i % 3 > 0 })).ToArray();
        var clock = Stopwatch.StartNew();

        var handedIn = await disorder.RunAsync(workers, (random, until) => FeedAsync(scene, workers, random, until));
        var killing = clock.Elapsed;
        await scene.SurviveAsync(settings => Everything(settings) with { Lease = TimeSpan.FromSeconds(3) });
        await scene.UntilAsync("nothing is open that was handed in, and the dead are known to be", """
            select not exists (select from mainstay.jobs where id in (select id from sent)) and (select count(*) from mainstay.nodes where lease_until > mainstay.now()) = 1
            """);

        await ReportAsync(scene, disorder, handedIn, killing, clock.Elapsed - killing);
        await scene.VerifyAsync();
    }

    private static NodeSettings Everything(NodeSettings settings) => settings with { TicksEvery = TimeSpan.FromSeconds(1), HasLimits = true, DeadHead = DeadHead.Skip };

    /// <returns>How many jobs were handed in here; nodes and jobs hand in more.</returns>
    private static async Task<int> FeedAsync(Scene scene, WorkerProcess[] workers, Random random, CancellationToken until)
    {
        var number = 0;
        while (!until.IsCancellationRequested)
        {
            if (await scene.ScalarAsync<long>("select count(*) from mainstay.jobs") < OpenMost)
                for (var i = 0; i < 50; i++)
                    await FeedOneAsync(scene, workers, random, number++);
            await Task.Delay(50, until).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        return number;
    }

    private static async Task FeedOneAsync(Scene scene, WorkerProcess[] workers, Random random, int number)
    {
        var (handler, does, after) = random.Next(18) switch
        {
            0 => ("write", "then", 0),
            1 => ("write", "stumble", 0),
            2 => ("write", "sleep:0.1", 0),
            3 => ("write", "", 300),
            4 => ("call", "", 0),
            5 => ("call", "late:0.2", 0),
            6 => ("brittle", "throw", 0),
            7 => ("order", "then", 0),
            8 => ("stepped", "", 0),
            9 => ("batched", "", 0),
            10 => ("narrow", "late:0.02", 0),
            11 => ("shared", "late:0.02", 0),
            12 => ("paced", "", 0),
            13 => ("ordered", random.Next(8) switch { 0 => "stumble", 1 => "throw", _ => "" }, 0),
            _ => ("write", "", 0),
        };
        try
        {
            if (handler == "order")
                workers[random.Next(workers.Length)].Tell($"order order-{number} {does}");
            else
                await scene.SendAsync(handler, $"job-{number}", does, after > 0 ? TimeSpan.FromMilliseconds(after) : null,
                    lane: handler is "shared" or "ordered" ? $"lane-{number % 5}" : null, number: handler == "ordered" ? number : null);
        }
        catch (Exception e) when (e is Npgsql.NpgsqlException or IOException or InvalidOperationException)
        {
            // The server, or the node that was to take the order, is just away. Whether it is there all the same, the ledger finds out.
        }
    }

    private async Task ReportAsync(Scene scene, Disorder disorder, int handedIn, TimeSpan killing, TimeSpan recovery)
    {
        void Say(FormattableString line) => output.WriteLine(line.ToString(CultureInfo.InvariantCulture));
        disorder.Report(
            $"in {killing.TotalSeconds:0} s, everything done {recovery.TotalSeconds:0.0} s after the last; {handedIn} jobs offered, {await scene.ScalarAsync<long>("select count(*) from sent")} taken");
        Say($"done {await scene.ScalarAsync<long>("select count(*) from mainstay.jobs_done")}, dead {await scene.ScalarAsync<string>("select coalesce(string_agg(number || ' ' || reason, ', '), 'none') from (select count(*) as number, reason from mainstay.jobs_dead group by reason) dead")}");
        Say($"effects {await scene.ScalarAsync<long>("select count(*) from effects")}, applied twice {await scene.ScalarAsync<long>("select count(*) - count(distinct key) from effects")}");
        Say($"calls {await scene.ScalarAsync<long>("select count(*) from calls")} for {await scene.ScalarAsync<long>("select count(distinct key) from calls")} keys; planned times {await scene.ScalarAsync<long>("select count(*) from ticks")}");
        Say($"runs with limits or in order {await scene.ScalarAsync<long>("select count(*) from runs")}, of which {await scene.ScalarAsync<long>("select count(*) from runs where ended is null")} were killed; leases that lapsed and were taken up again {await scene.ScalarAsync<long>("select count(*) from lapses")}; beginnings with a rate {await scene.ScalarAsync<long>("select count(*) from starts")}");
        Say($"starts that were given up {disorder.GaveUp}; most attempts of a job {await scene.ScalarAsync<int>("select coalesce(max(attempt), 0) from mainstay.jobs_done")}");
    }
}
