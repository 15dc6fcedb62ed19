using System.Globalization;

namespace Mainstay.Tests;

/// <summary>What is done to the shop and its server.</summary>
internal enum Disturbance { KillShop, KillPostmaster, KillServerProcess, TerminateShop, PauseShop }

/// <summary>
/// Disturbs a running shop at random moments: often in quiet, often in the middle of the recovery from the last time. Somebody who watches (an
/// orchestrator, in production) starts a shop that has ended; here that is the same task.
/// </summary>
internal sealed class Disturbances(ShopProcess shop, OrderBook book, Random random, Action<string> say)
{
    private readonly long _began = TimeProvider.System.GetTimestamp();
    private readonly Queue<Disturbance> _deck = new();

    public Dictionary<Disturbance, int> Done { get; } = Enum.GetValues<Disturbance>().ToDictionary(kind => kind, _ => 0);

    /// <summary>How often the shop ended by itself and was started again.</summary>
    public int GaveUp { get; private set; }

    public async Task RunAsync(CancellationToken until, CancellationToken cancellation)
    {
        while (await QuietAsync(until))
        {
            await WatchAsync(cancellation);
            var kind = Next();
            if (await DisturbAsync(kind, cancellation)) Done[kind]++;
        }
    }

    /// <summary>Starts a shop that has ended although nobody told it to.</summary>
    public async Task WatchAsync(CancellationToken cancellation)
    {
        if (!shop.HasExited) return;
        GaveUp++;
        var code = await shop.ExitAsync(TimeSpan.FromSeconds(30), cancellation);
        Say($"the shop ended by itself with exit code {code}");
        if (code != 1) book.Violations.Enqueue($"The shop ended by itself with exit code {code}, expected 1 after a refused start. It said last:\n{shop.LastWords}");
        shop.Start();
    }

    /// <returns>False when the time is over.</returns>
    private async Task<bool> QuietAsync(CancellationToken until)
    {
        // One in five comes at the heels of the one before.
        var pause = random.Next(5) == 0 ? random.Next(20, 400) : random.Next(1_500, 5_000);
        await Task.Delay(pause, until).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return !until.IsCancellationRequested;
    }

    /// <summary>From a shuffled deck, so that a short run has some of each.</summary>
    private Disturbance Next()
    {
        if (_deck.Count == 0)
        {
            var kinds = Enum.GetValues<Disturbance>();
            random.Shuffle(kinds);
            foreach (var kind in kinds) _deck.Enqueue(kind);
        }
        return _deck.Dequeue();
    }

    /// <returns>False when there was nothing to disturb.</returns>
    private async Task<bool> DisturbAsync(Disturbance kind, CancellationToken cancellation)
    {
        switch (kind)
        {
            case Disturbance.KillShop:
                Say($"kill -9 of the shop, process {shop.Id}");
                await shop.KillAsync(cancellation);
                shop.Start();
                return true;

            case Disturbance.KillPostmaster:
                var postmaster = shop.Server.Postmaster;
                Say($"kill -9 of the postmaster, process {postmaster}");
                return Signals.Send(postmaster, Signals.Kill);

            case Disturbance.KillServerProcess:
                var children = shop.Server.Children;
                if (children.Count == 0) return false;
                var victim = children[random.Next(children.Count)];
                Say($"kill -9 of '{CommandLine(victim)}', process {victim}");
                return Signals.Send(victim, Signals.Kill);

            case Disturbance.TerminateShop:
                await UntilReadyAsync(cancellation);
                Say($"SIGTERM to the shop, process {shop.Id}");
                if (await shop.TerminateAsync(cancellation) is not 0 and var code)
                    book.Violations.Enqueue($"SIGTERM ended the shop with exit code {code}, expected 0. It said last:\n{shop.LastWords}");
                shop.Start();
                return true;

            default:
                var pause = random.Next(1_000, 2_000);
                Say($"SIGSTOP of the shop, process {shop.Id}, for {pause} ms");
                shop.Signal(Signals.Stop);
                await Task.Delay(pause, CancellationToken.None);
                return shop.Signal(Signals.Continue);
        }
    }

    /// <summary>Before it is ready, the shop has nothing to end in order.</summary>
    private async Task UntilReadyAsync(CancellationToken cancellation)
    {
        for (var attempt = 1; ; attempt++)
            try
            {
                await WatchAsync(cancellation);
                await shop.UntilReadyAsync(TimeSpan.FromSeconds(60), cancellation);
                return;
            }
            catch (InvalidOperationException) when (attempt < 5)
            {
                // It ended while it was starting; watching starts it again.
            }
    }

    private void Say(string what) => say(string.Create(CultureInfo.InvariantCulture, $"{TimeProvider.System.GetElapsedTime(_began).TotalSeconds,7:0.00} s  {what}"));

    private static string CommandLine(int process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/cmdline").Replace('\0', ' ').Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "gone";
        }
    }
}
