using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

/// <summary>
/// Looks on every node how the queues are: for the signals that somebody listens to, for what is declared about their age, and for whoever keeps an old view of the
/// data, which makes every claim step over what is gone. Every ten seconds, and sooner only when an age that matters could be reached by then.
/// </summary>
internal sealed class QueueWatch(QueueWatchStore store, QueueModel model, JobDesk desk, QueueOptions options, TimeProvider clock, ILogger log)
{
    private static readonly TimeSpan pace = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan paceLeast = TimeSpan.FromSeconds(1);

    private readonly string[] _handlers = [.. model.Handlers.Select(handler => handler.Name)];
    private readonly string[] _laned = [.. model.Handlers.Where(handler => handler.Placement.Lane is not null).Select(handler => handler.Name)];
    private readonly string[] _blocking = [.. model.Handlers.Where(handler => handler.Placement is { Lane: not null, AfterDeath: DeadHead.Block }).Select(handler => handler.Name)];
    private readonly (AgeGate Gate, string[] Handlers)[] _gates = [.. model.AgeLimits()];
    private readonly HeldSnapshots _held = new(options.HeldSnapshot, clock);
    private Dictionary<string, StoppedLanes> _stopped = [];

    /// <summary>The last look; null before the first.</summary>
    public QueueLook? Last { get; private set; }

    /// <summary>How many lanes are stopped, by handler that has such lanes.</summary>
    public IEnumerable<(string Handler, long Count)> Stopped => _blocking.Select(handler => (handler, _stopped.GetValueOrDefault(handler).Count));

    public IReadOnlyDictionary<string, long> Depths { get; private set; } = new Dictionary<string, long>();

    public async Task RunAsync(CancellationToken stopping)
    {
        using var watched = QueueMetrics.Watch(this);
        while (!stopping.IsCancellationRequested)
        {
            var next = pace;
            try
            {
                next = await LookAsync(stopping);
            }
            catch (Exception e)
            {
                // The loops that do need the database say that it is away. What was behind is judged by what is known.
                if (!stopping.IsCancellationRequested)
                    QueueLog.NotWatched(log, e);
            }
            await Task.Delay(next, clock, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <returns>When to look again.</returns>
    private async Task<TimeSpan> LookAsync(CancellationToken stopping)
    {
        var look = await store.LookAsync(_handlers, _laned, stopping);
        if (QueueMetrics.WantsDepths)
            Depths = await store.DepthsAsync(_handlers, stopping);
        if (_blocking.Length > 0)
            NoteStopped(await store.StoppedAsync(_blocking, stopping));
        Last = look;
        foreach (var (holder, age) in _held.News(look.Holders))
            QueueLog.HeldSnapshot(log, holder.Kind, holder.Pid is { } pid ? $"{holder.Name} (pid {pid})" : holder.Name, age, holder.Application, holder.Query);
        var next = pace;
        foreach (var (gate, handlers) in _gates)
        {
            var oldest = handlers.Max(handler => look.Ages[handler]);
            gate.Look(oldest);
            var needed = gate.NextLook(oldest);
            next = needed < next ? needed : next;
        }
        desk.Pressure.Set(from gate in _gates
                          where gate.Gate.RetryAfter is not null
                          from handler in gate.Handlers
                          group gate.Gate.RetryAfter!.Value by handler into closed
                          select KeyValuePair.Create(closed.Key, closed.Max()));
        return next < paceLeast ? paceLeast : next;
    }

    /// <summary>Says it once of each stop, and at the start of those that there are.</summary>
    private void NoteStopped(Dictionary<string, StoppedLanes> stopped)
    {
        foreach (var (handler, lanes) in stopped)
            if (lanes.LastAt > _stopped.GetValueOrDefault(handler).LastAt)
                QueueLog.LanesStopped(log, lanes.Count, handler);
        _stopped = stopped;
    }
}
