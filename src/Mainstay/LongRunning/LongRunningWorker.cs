using System.Collections.Frozen;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

/// <summary>
/// Runs accepted operations on this node: one loop claims as many as there is room for, one renews the lease of the node while anything runs, one removes
/// what is over. An idle node asks once in each polling interval and writes nothing.
/// </summary>
internal sealed class LongRunningWorker(BackendServices backend, IReadOnlyList<LongRunningCommand> commands, IServiceScopeFactory scopes, ILogger<LongRunningWorker> log) : BackgroundService
{
    private static readonly TimeSpan sweepInterval = TimeSpan.FromMinutes(5);

    private readonly FrozenDictionary<string, LongRunningCommand> _byName = commands.ToFrozenDictionary(command => command.Name);
    private readonly string[] _names = [.. commands.Select(command => command.Name)];
    private readonly List<Task> _running = [];

    private LongRunning Engine => backend.LongRunning;

    private LongRunningOptions Options => Engine.Options;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var sweeping = SweepAsync(stoppingToken);
        if (Options.Workers > 0)
        {
            await ReportOrphansAsync(stoppingToken);
            using var hasStopped = new CancellationTokenSource();
            var extending = ExtendAsync(hasStopped.Token);
            await ClaimAsync(stoppingToken);
            await Task.WhenAll(_running);       // each gives its operation back
            await hasStopped.CancelAsync();
            await extending;
        }
        await sweeping;
    }

    private async Task ClaimAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
            try
            {
                _running.RemoveAll(run => run.IsCompleted);
                if (_running.Count == Options.Workers)
                {
                    await Task.WhenAny(_running);
                    continue;
                }
                var claimed = await Engine.Store.ClaimAsync(_names, Options.Workers - _running.Count);
                foreach (var operation in claimed)
                    _running.Add(RunAsync(operation, stopping));
                if (claimed.Count == 0)
                    await Engine.Signal.WaitAsync(Options.PollInterval, backend.Clock, stopping);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)     // whatever it is: the host would stop for it
            {
                if (!stopping.IsCancellationRequested)
                    LongRunningLog.Unavailable(log, e);
                await Task.Delay(Options.PollInterval, backend.Clock, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
    }

    private async Task RunAsync(ClaimedOperation claimed, CancellationToken stopping)
    {
        using var run = new LongRunningRun(claimed, _byName[claimed.Name], backend, scopes, log);
        Engine.Began(run);
        await Task.Yield();     // a handler that computes before it first waits must not hold up the others
        try
        {
            await run.RunAsync(stopping);
        }
        catch (Exception e)
        {
            // Not the handler, whose failures are recorded: the recording. Nobody runs it now, which the next renewals of the lease find out.
            LongRunningLog.NotRecorded(log, claimed.Name, TypeId.Format(StoredOperation.IdPrefix, claimed.Id), e);
        }
        finally
        {
            Engine.Ended(run);
        }
    }

    /// <summary>Renews the lease, and ends the runs that it turns out not to be for any more.</summary>
    private async Task ExtendAsync(CancellationToken hasStopped)
    {
        HashSet<(Guid, int)> strays = [];
        while (!hasStopped.IsCancellationRequested)
        {
            await Task.Delay(Options.Lease / 3, backend.Clock, hasStopped).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            var runs = Engine.Runs.Values.ToArray();
            if (runs.Length == 0 || hasStopped.IsCancellationRequested)
                continue;
            try
            {
                strays = await ExtendAsync(runs, strays, hasStopped);
            }
            catch (Exception e)     // whatever it is: the lease must be renewed
            {
                if (!hasStopped.IsCancellationRequested)
                    LongRunningLog.Unavailable(log, e);
            }
        }
    }

    /// <param name="runs">What ran here before the question.</param>
    /// <param name="strays">What the node held last time without running it.</param>
    /// <param name="cancellation">Ends the attempt.</param>
    private async Task<HashSet<(Guid, int)>> ExtendAsync(LongRunningRun[] runs, HashSet<(Guid, int)> strays, CancellationToken cancellation)
    {
        var held = await Engine.Store.ExtendAsync(cancellation);
        foreach (var run in runs)
            if (!held.TryGetValue(run.Claimed.Id, out var own) || own.Fence != run.Claimed.Fence)
                run.End(RunEnd.Lost);
            else if (own.IsCancelRequested)
                run.End(RunEnd.Cancelled);
        // The answer to a claim can be lost on its way. Nobody runs what it claimed, and the lease does not end while this node runs anything else.
        var unknown = held.Where(pair => !Engine.Runs.ContainsKey(pair.Key)).Select(pair => (pair.Key, pair.Value.Fence)).ToHashSet();
        foreach (var (id, fence) in unknown.Where(strays.Contains))
            await Engine.Store.ReleaseAsync(id, fence, TimeSpan.Zero, isCounted: false);
        return unknown;
    }

    private async Task SweepAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                await backend.Database.UpkeepAsync(Engine.Store.DeleteExpiredAsync, stopping);
            }
            catch (Exception e)
            {
                if (!stopping.IsCancellationRequested)
                    LongRunningLog.Unavailable(log, e);
            }
            await Task.Delay(sweepInterval, backend.Clock, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Operations of a command that was renamed or removed would wait for ever in silence.</summary>
    private async Task ReportOrphansAsync(CancellationToken stopping)
    {
        try
        {
            foreach (var (name, count) in await Engine.Store.CountOrphansAsync(_names, stopping))
                LongRunningLog.Orphans(log, count, name);
        }
        catch (Exception e)
        {
            if (!stopping.IsCancellationRequested)
                LongRunningLog.Unavailable(log, e);
        }
    }
}
