using System.Globalization;

namespace Mainstay.Tests;

/// <summary>
/// Kills nodes again and again, at statements and between them, and now and then a process of the server, or all of it. What is killed when follows from the seed; MAINSTAY_CRASH_SEED repeats it, and
/// MAINSTAY_CRASH_KILLS asks for more.
/// </summary>
internal sealed class Disorder(FaultServer server, ITestOutputHelper output, string?[] statements, int killsOfShortForm)
{
    /// <summary>Most statements come at once where there is work; rare ones may not come at all.</summary>
    private static readonly TimeSpan mostUntilStatement = TimeSpan.FromSeconds(6);

    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, int> _kills = [];
    private readonly int _wanted = LongForm.Kills ?? killsOfShortForm;
    private int _left;
    private int _made;

    public int Seed { get; } = LongForm.Seed ?? Random.Shared.Next(1, 1_000_000);

    /// <summary>The longest pause before a node is killed that is not waited for at a statement.</summary>
    public TimeSpan PauseMost { get; init; } = TimeSpan.FromMilliseconds(300);

    /// <summary>How many starts came to nothing, because of a server that stayed away for too long.</summary>
    public int GaveUp { get; private set; }

    private static CancellationToken Stop => Scene.Stop;

    /// <summary>Kills as often as is wanted, while what is fed in is worked on.</summary>
    /// <param name="workers">The nodes.</param>
    /// <param name="feed">Makes work until it is told that the killing has ended.</param>
    /// <returns>What the feeding came to.</returns>
    public async Task<int> RunAsync(IReadOnlyList<WorkerProcess> workers, Func<Random, CancellationToken, Task<int>> feed)
    {
        output.WriteLine($"Seed {Seed}, {_wanted} kills. Repeat with MAINSTAY_CRASH_SEED={Seed} MAINSTAY_CRASH_KILLS={_wanted}");
        _left = _wanted;
        using var killed = new CancellationTokenSource();
        var feeding = TakePartAsync(() => feed(new Random(Seed), killed.Token));
        var killing = Task.WhenAll(workers.Select((worker, i) => TakePartAsync(() => KillAsync(worker, new Random(Seed * 100 + i)))));
        await KillServerAsync(new Random(Seed * 100 + workers.Count), killing);
        await killing;
        await killed.CancelAsync();
        return await feeding;
    }

    /// <summary>Says how many were killed, and where.</summary>
    public void Report(FormattableString what)
    {
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{_kills.Values.Sum()} kills {what.ToString(CultureInfo.InvariantCulture)}"));
        foreach (var (where, count) in _kills)
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{count,6}  {where}"));
    }

    /// <summary>When one of those who take part has failed, the others need not go on for long.</summary>
    private async Task<int> TakePartAsync(Func<Task<int>> part)
    {
        try
        {
            return await part();
        }
        catch
        {
            Volatile.Write(ref _left, 0);
            throw;
        }
    }

    /// <summary>Keeps a node running, and kills it as soon as it is at a statement, or wherever it is when it does not come there.</summary>
    private async Task<int> KillAsync(WorkerProcess worker, Random random)
    {
        var kills = 0;
        while (Take())
        {
            worker.Start();
            if (random.Next(10) == 0)
                await Task.Delay(random.Next(600), Stop);       // before it is ready
            else if (!await worker.IsReadyAsync(Stop))
            {
                // Whoever watches starts it again.
                lock (_lock)
                    GaveUp++;
                Interlocked.Increment(ref _left);
                continue;
            }
            var (statement, moment) = (statements[random.Next(statements.Length)], random.Next(2) == 0 ? Moment.Before : Moment.After);
            var (arrives, pause) = (random.Next(2) == 0, random.Next(30, (int)PauseMost.TotalMilliseconds));
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
            kills++;
        }
        return kills;
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

    private bool Take()
    {
        if (Interlocked.Decrement(ref _left) >= 0)
            return true;
        Interlocked.Increment(ref _left);
        return false;
    }

    private void Count(string what)
    {
        Interlocked.Increment(ref _made);
        lock (_lock)
            _kills[what] = _kills.GetValueOrDefault(what) + 1;
    }
}
