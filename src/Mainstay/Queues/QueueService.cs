using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>
/// The queues of this process: takes the lease of the node before anything is claimed under it, keeps it while the engine runs and until that has come to an end,
/// and does what any node may do for all: take back the work of the dead, keep the partitions of the history.
/// </summary>
internal sealed class QueueService(QueueEngine engine, Scheduler scheduler, Redriver redriver, QueueWatch watch, QueueStore store, NodeLease lease, JobDesk desk, QueueOptions options, QueueModel model, TimeProvider clock, ILogger<QueueService> log) : BackgroundService, IAsyncDisposable
{
    private static readonly TimeSpan partitionPace = TimeSpan.FromHours(1);

    /// <summary>How long what went wrong unnoticed may stay so.</summary>
    private static readonly TimeSpan lookPause = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan retryPause = TimeSpan.FromSeconds(1);

    private Deadline _looksAgainAt;

    /// <summary>Whoever disposes of a host without stopping it first gets what runs back all the same.</summary>
    public async ValueTask DisposeAsync()
    {
        await StopAsync(CancellationToken.None);
        Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if ((engine.Handlers.Length == 0 && model.Sources.Count == 0) || !await RegisterAsync(stoppingToken))
            return;
        var hints = new NodeHints(store.Database, lease);
        desk.Others = hints;
        desk.Scheduler = scheduler.Wake;
        desk.Redrives = redriver.Wake;
        lease.Lost = engine.LeaseLost;
        using var hasStopped = new CancellationTokenSource();
        List<Task> keeping =
        [
            GoOnAsync(KeepAsync, hasStopped.Token), GoOnAsync(lease.WatchAsync, hasStopped.Token), GoOnAsync(hints.SendAsync, hasStopped.Token),
            GoOnAsync(scheduler.RunAsync, stoppingToken), GoOnAsync(redriver.RunAsync, stoppingToken), GoOnAsync(watch.RunAsync, stoppingToken),
        ];
        if (model.HasRequests)
            keeping.Add(GoOnAsync(stopping => desk.Replies.RunAsync(store.Database, stopping), hasStopped.Token));
        if (options.KeepsHistory)
            keeping.Add(GoOnAsync(KeepHistoryAsync, stoppingToken));
        if (options.Workers > 0 || model.HasRequests)
            keeping.Add(GoOnAsync(stopping => hints.ReceiveAsync(Hinted, stopping), hasStopped.Token));
        try
        {
            if (options.Workers > 0 && engine.Handlers.Length > 0)
            {
                desk.Runner = engine.Arriving;
                await engine.RunAsync(stoppingToken);
            }
            else
                await Task.Delay(Timeout.InfiniteTimeSpan, clock, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        finally
        {
            // Also after a mistake of ours: a lease that is kept without an engine would keep what was claimed from everybody else.
            await hasStopped.CancelAsync();
        }
        await Task.WhenAll(keeping);
        // What still runs must not begin elsewhere: by the time that the lease is over by itself, the process is gone.
        if (!engine.HasAbandoned)
            await EndAsync();
    }

    /// <returns>False when the node stops before the database answers.</returns>
    private async Task<bool> RegisterAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
            try
            {
                await lease.ExtendAsync(stopping);
                if (options.KeepsHistory)
                    await AddPartitionsAsync(stopping);
                await store.AddRatesAsync(engine.PacedQueues, stopping);
                foreach (var (handler, count) in await store.CountOrphansAsync(engine.Handlers, stopping))
                    QueueLog.Orphans(log, count, handler);
                return true;
            }
            catch (Exception e) when (e is NpgsqlException or OperationCanceledException)
            {
                if (!stopping.IsCancellationRequested)
                    QueueLog.Unavailable(log, e);
                store.Database.Recover(e);
                await Task.Delay(retryPause, clock, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        return false;
    }

    /// <summary>
    /// Begins a loop anew whenever it fails, whatever it fails with: what opens a connection may be code of the application, and a query that is cancelled at a bad moment ends
    /// with a plain <see cref="Exception"/>. A loop that had ended would not be missed until somebody misses what it does.
    /// </summary>
    private async Task GoOnAsync(Func<CancellationToken, Task> loop, CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
            try
            {
                await loop(stopping);
                return;
            }
            catch (Exception e)
            {
                if (!stopping.IsCancellationRequested)
                    Tell(e);
                // By the real time, whatever clock the application has: the database is no part of what a test plays through.
                await Task.Delay(retryPause, TimeProvider.System, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
    }

    private void Tell(Exception error)
    {
        try
        {
            QueueLog.Unavailable(log, error);
        }
        catch (AggregateException)
        {
            // What writes the log fails as well, which is no reason to end here.
        }
    }

    /// <summary>Another node has recorded work, or answered.</summary>
    private void Hinted()
    {
        if (options.Workers > 0)
            engine.Wake();
        desk.Replies.Wake();
    }

    private async Task KeepAsync(CancellationToken hasStopped)
    {
        HashSet<(Guid, int)> strays = [];
        while (!hasStopped.IsCancellationRequested)
        {
            TimeSpan? firstEnd = null;
            var isRenewed = false;
            try
            {
                var wasHeld = lease.IsHeld;
                var news = await ExtendAsync(hasStopped);
                (firstEnd, isRenewed) = (news.FirstEnd, true);
                if (!wasHeld)
                    engine.Wake();
                if (news.HasOrphans)
                    await ReapAsync(hasStopped);
                if (news.HasAstray)
                    await AdoptAsync(hasStopped);
                if (news.HasRedrives)
                    redriver.Wake();
                strays = await ReturnStraysAsync(strays, hasStopped);
            }
            catch (Exception e)
            {
                // Whatever it is: a node that goes on and whose lease nobody renews would take back nothing of the dead, and lose what it claims.
                store.Database.Recover(e);
                if (!hasStopped.IsCancellationRequested)
                    QueueLog.Unavailable(log, e);
            }
            engine.ReportStuck();
            await Task.Delay(isRenewed || lease.Pace < retryPause ? PauseUntil(firstEnd) : retryPause, clock, hasStopped).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Living nodes renew long before the end of their lease. So one that ends within the pace is as good as over, and its work is taken back at that moment, not up to a pace later.</summary>
    private TimeSpan PauseUntil(TimeSpan? firstEnd) =>
        firstEnd < lease.Pace ? firstEnd.Value + TimeSpan.FromMilliseconds(1) + (lease.Pace * Random.Shared.NextDouble() / 20) : lease.Pace;

    /// <summary>Before anything is done, because its history would fall into the partition for the rest. That is better than to wait for whoever holds the tables.</summary>
    private async Task AddPartitionsAsync(CancellationToken stopping)
    {
        try
        {
            await store.AddPartitionsAsync(stopping);
        }
        catch (PostgresException e) when (DatabaseErrors.IsLockTimeout(e))
        {
            QueueLog.PartitionsPostponed(log, e);
        }
    }

    /// <summary>Gives up early, so that a database which does not answer is noticed before the lease is over.</summary>
    private async Task<NodeNews> ExtendAsync(CancellationToken hasStopped)
    {
        using var timeout = new CancellationTokenSource(lease.Pace, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(hasStopped, timeout.Token);
        return await lease.ExtendAsync(either.Token);
    }

    private async Task ReapAsync(CancellationToken cancellation)
    {
        var reaped = await store.ReapAsync(cancellation);
        foreach (var (id, handler, isDead) in reaped)
        {
            QueueMetrics.Crashed(handler, isDead);
            if (isDead)
                QueueLog.Crashed(log, id, handler);
            else
                QueueLog.Reaped(log, id, handler);
        }
        if (reaped.Count > 0)
            engine.Wake();
    }

    /// <summary>Another release may have left work in lanes or with priorities that this one does not declare, and plain SQL may have named some. The engine looks after those that it does.</summary>
    private async Task AdoptAsync(CancellationToken cancellation)
    {
        if (await store.AdoptAsync(model.WithoutLanes, model.WithoutPriorities, cancellation))
            engine.Wake();
    }

    /// <param name="strays">What the node held last time without running it.</param>
    /// <param name="cancellation">Ends the attempt.</param>
    /// <remarks>Twice in a row, because between the question and the look at what runs here a job may begin or end.</remarks>
    private async Task<HashSet<(Guid, int)>> ReturnStraysAsync(HashSet<(Guid, int)> strays, CancellationToken cancellation)
    {
        if (strays.Count == 0 && !engine.IsInDoubt && _looksAgainAt.Left(clock) > TimeSpan.Zero)
            return strays;
        _looksAgainAt = Deadline.After(lookPause, clock);
        var unknown = engine.Unknown(await store.HeldAsync(lease.Id, cancellation));
        var lost = engine.GiveUp(unknown.Where(strays.Contains));
        if (lost.Length > 0)
        {
            await store.ReleaseAsync(lost);
            engine.Wake();
        }
        return unknown;
    }

    /// <summary>Beside the lease, which must not wait for it.</summary>
    private async Task KeepHistoryAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                await store.Database.UpkeepAsync(async cancellation =>
                {
                    await store.AddPartitionsAsync(cancellation);
                    await store.DropPartitionsAsync(options.Retention, cancellation);
                    await lease.DeleteDeadAsync(cancellation);
                    return false;
                }, stopping);
                await store.Database.UpkeepAsync(cancellation => store.ExpireAsync(options.Retention, cancellation), stopping);
            }
            catch (Exception e)
            {
                if (!stopping.IsCancellationRequested)
                    QueueLog.PartitionsPostponed(log, e);
            }
            await Task.Delay(partitionPace, clock, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task EndAsync()
    {
        try
        {
            await lease.EndAsync();
        }
        catch (Exception e)
        {
            QueueLog.Unavailable(log, e);       // it ends by itself
        }
    }
}
