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

    /// <summary>Most statements come at once where there is work; rare ones may not come at all.</summary>
    private static readonly TimeSpan mostUntilStatement = TimeSpan.FromSeconds(6);

    private static readonly string?[] points = ["claim", "complete", "complete all", "commit", "enqueue", "step", "retry", "renew", "reap", "promote", "fire", "admit", "complete in lane", "application's commit", null, null];

    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, int> _kills = [];
    private int _left;
    private int _made;
    private int _gaveUp;

    private static CancellationToken Stop => Scene.Stop;

    [Fact]
    public async Task Whatever_is_killed_nothing_is_lost_and_no_effect_is_applied_twice()
    {
        _left = LongForm.Kills ?? 8;
        var seed = LongForm.Seed ?? Random.Shared.Next(1, 1_000_000);
        output.WriteLine($"Seed {seed}, {_left} kills. Repeat with MAINSTAY_CRASH_SEED={seed} MAINSTAY_CRASH_KILLS={_left}");
        await using var scene = await Scene.CreateAsync(server);
        // Two of them know nothing of limits, so that both kinds of claims go on beside each other.
        var workers = Enumerable.Range(0, Nodes).Select(i => scene.Worker(settings => Everything(settings) with { HasLimits = i % 3 > 0 })).ToArray();
        var clock = Stopwatch.StartNew();

        using var killed = new CancellationTokenSource();
        var feeding = FeedAsync(scene, workers, new Random(seed), killed.Token);
        var killing = Task.WhenAll(workers.Select((worker, i) => KeepKillingAsync(worker, new Random(seed * 100 + i))));
        await KillServerAsync(new Random(seed * 100 + Nodes), killing);
        await killing;
        await killed.CancelAsync();
        var handedIn = await feeding;
        var disorder = clock.Elapsed;
        await scene.SurviveAsync(settings => Everything(settings) with { Lease = TimeSpan.FromSeconds(3) });
        await scene.UntilAsync("nothing is open that was handed in, and the dead are known to be", """
            select not exists (select from mainstay.jobs where id in (select id from sent)) and (select count(*) from mainstay.nodes where lease_until > mainstay.now()) = 1
            """);

        await ReportAsync(scene, handedIn, disorder, clock.Elapsed - disorder);
        await scene.VerifyAsync();
    }

    private static NodeSettings Everything(NodeSettings settings) => settings with { TicksEvery = TimeSpan.FromSeconds(1), HasLimits = true, DeadHead = DeadHead.Skip };

    private async Task KeepKillingAsync(WorkerProcess worker, Random random)
    {
        try
        {
            await KillAsync(worker, random);
        }
        catch
        {
            EndKilling();
            throw;
        }
    }

    /// <summary>Keeps a node running, and kills it as soon as it is at a statement, or wherever it is when it does not come there.</summary>
    private async Task KillAsync(WorkerProcess worker, Random random)
    {
        while (Take())
        {
            worker.Start();
            if (random.Next(10) == 0)
                await Task.Delay(random.Next(600), Stop);       // before it is ready
            else if (!await worker.IsReadyAsync(Stop))
            {
                // Refused to start, because of a server that stayed away for too long. Whoever watches starts it again.
                Interlocked.Increment(ref _gaveUp);
                Interlocked.Increment(ref _left);
                continue;
            }
            var (statement, moment) = (points[random.Next(points.Length)], random.Next(2) == 0 ? Moment.Before : Moment.After);
            var (arrives, pause) = (random.Next(2) == 0, random.Next(30, 300));
            var point = statement is null ? null : worker.Wire.Hold(Statements.Of(statement), moment);
            HeldWire? held = null;
            if (point is null)
                await Task.Delay(pause, Stop);
            else
                held = await point.ReachedAsync(mostUntilStatement, Stop);
            await worker.KillAsync(Stop);
            if (held is null && point is not null)
                await point.AbandonAsync();
            else if (arrives)
                held?.Continue();
            else
                held?.Cut();
            Count(held is null ? "node, anywhere" : $"node, {moment.ToString().ToLowerInvariant()} {statement}");
        }
    }

    /// <summary>One kill in twenty or so is of the server; it is back within about a second. Counted in kills, because on a slow machine nodes would else come to nothing in between.</summary>
    private async Task KillServerAsync(Random random, Task killing)
    {
        for (var next = random.Next(4, 30); ; next += random.Next(10, 30))
        {
            while (!killing.IsCompleted && Volatile.Read(ref _made) < next)
                await Task.WhenAny(killing, Task.Delay(50, Stop));
            if (killing.IsCompleted || !Take())
                return;
            var processes = server.Processes;
            var (what, process) = random.Next(4) == 0 || processes.Children.Count == 0 ? ("postmaster", processes.Postmaster) : ("process of the server", processes.Children[random.Next(processes.Children.Count)]);
            if (Signals.Send(process, Signals.Kill))
                Count(what);
            else
                Interlocked.Increment(ref _left);
        }
    }

    /// <returns>How many jobs were handed in here; nodes and jobs hand in more.</returns>
    private async Task<int> FeedAsync(Scene scene, WorkerProcess[] workers, Random random, CancellationToken until)
    {
        var number = 0;
        try
        {
            while (!until.IsCancellationRequested)
            {
                if (await scene.ScalarAsync<long>("select count(*) from mainstay.jobs") < OpenMost)
                    for (var i = 0; i < 50; i++)
                        await FeedOneAsync(scene, workers, random, number++);
                await Task.Delay(50, until).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            return number;
        }
        finally
        {
            EndKilling();
        }
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

    private async Task ReportAsync(Scene scene, int handedIn, TimeSpan disorder, TimeSpan recovery)
    {
        void Say(FormattableString line) => output.WriteLine(line.ToString(CultureInfo.InvariantCulture));
        Say($"{_kills.Values.Sum()} kills in {disorder.TotalSeconds:0} s, everything done {recovery.TotalSeconds:0.0} s after the last; {handedIn} jobs offered, {await scene.ScalarAsync<long>("select count(*) from sent")} taken");
        foreach (var (what, count) in _kills)
            Say($"{count,6}  {what}");
        Say($"done {await scene.ScalarAsync<long>("select count(*) from mainstay.jobs_done")}, dead {await scene.ScalarAsync<string>("select coalesce(string_agg(number || ' ' || reason, ', '), 'none') from (select count(*) as number, reason from mainstay.jobs_dead group by reason) dead")}");
        Say($"effects {await scene.ScalarAsync<long>("select count(*) from effects")}, applied twice {await scene.ScalarAsync<long>("select count(*) - count(distinct key) from effects")}");
        Say($"calls {await scene.ScalarAsync<long>("select count(*) from calls")} for {await scene.ScalarAsync<long>("select count(distinct key) from calls")} keys; planned times {await scene.ScalarAsync<long>("select count(*) from ticks")}");
        Say($"runs with limits or in order {await scene.ScalarAsync<long>("select count(*) from runs")}, of which {await scene.ScalarAsync<long>("select count(*) from runs where ended is null")} were killed; beginnings with a rate {await scene.ScalarAsync<long>("select count(*) from starts")}");
        Say($"starts that were given up {_gaveUp}; most attempts of a job {await scene.ScalarAsync<int>("select coalesce(max(attempt), 0) from mainstay.jobs_done")}");
    }

    private bool Take()
    {
        if (Interlocked.Decrement(ref _left) >= 0)
            return true;
        Interlocked.Increment(ref _left);
        return false;
    }

    /// <summary>When one of those who take part has failed, the others need not go on for long.</summary>
    private void EndKilling() => Volatile.Write(ref _left, 0);

    private void Count(string what)
    {
        Interlocked.Increment(ref _made);
        lock (_lock)
            _kills[what] = _kills.GetValueOrDefault(what) + 1;
    }
}
