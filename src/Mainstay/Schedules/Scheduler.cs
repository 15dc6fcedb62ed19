using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

/// <summary>
/// Sees on this node that planned times have come. Every node does, and none leads: which of them deals with a time is decided by the row that it moves. A node that
/// sleeps, lags or has the wrong time is late for it, and nothing else.
/// </summary>
internal sealed class Scheduler(ScheduleStore store, NodeLease lease, IReadOnlyList<ScheduledJob> declared, JobDesk desk, TimeProvider clock, ILogger log)
{
    /// <summary>How often to look when nothing is due: other nodes come, go, and change what is planned.</summary>
    private static readonly TimeSpan pace = TimeSpan.FromSeconds(10);

    /// <summary>How soon to look again at a time that waits for the end of a run: that may be a moment away or an hour, so each time twice as late, up to the second.</summary>
    private static readonly TimeSpan waitLeast = TimeSpan.FromMilliseconds(10), waitMost = TimeSpan.FromSeconds(1);

    private readonly Dictionary<string, ScheduledJob> _declared = declared.ToDictionary(scheduled => scheduled.Definition.Name);
    private readonly ScheduleDefinition[] _definitions = [.. declared.Select(scheduled => scheduled.Definition)];
    private readonly Dictionary<string, Wait> _waiting = [];
    private readonly Hint _hint = new();
    private bool _hasDeclared;

    /// <summary>Looks now: something was paused, or goes on.</summary>
    public void Wake() => _hint.Raise();

    public async Task RunAsync(CancellationToken stopping)
    {
        if (declared.Count == 0)
            return;
        while (!stopping.IsCancellationRequested)
            if (await _hint.WaitAsync(await TurnAsync(stopping), clock, stopping))
                _waiting.Clear();
    }

    /// <returns>How long there is nothing to do.</returns>
    private async Task<TimeSpan> TurnAsync(CancellationToken stopping)
    {
        var asked = clock.GetTimestamp();
        var found = _hasDeclared ? await store.ReadAsync(_definitions, stopping) : [];
        if (!_hasDeclared || found.Any(progress => progress.IsOurs is null))
        {
            // Also when it had declared before: that may be gone, with a lease that was over for a day.
            await store.DeclareAsync(lease.Id, _definitions, stopping);
            _hasDeclared = true;
            found = await store.ReadAsync(_definitions, stopping);
        }
        var pause = pace;
        foreach (var progress in found.Where(progress => progress is { IsOurs: true, IsPaused: false }))
        {
            var left = await LookAsync(_declared[progress.Name], progress, stopping) - progress.Now - clock.GetElapsedTime(asked);
            pause = left < pause ? left : pause;
        }
        return pause < TimeSpan.FromMilliseconds(1) ? TimeSpan.FromMilliseconds(1) : pause;
    }

    /// <returns>When to look again.</returns>
    private async Task<DateTimeOffset> LookAsync(ScheduledJob scheduled, ScheduleProgress progress, CancellationToken stopping)
    {
        if (progress.NextAt is not { } planned || progress.Timing != scheduled.Definition.Timing)
        {
            var next = scheduled.Schedule.NextAfter(progress.Now);
            await store.PlanAsync(scheduled.Definition, next, stopping);
            return next;
        }
        if (planned > progress.Now)
            return planned;
        // Unless the database's clock was set back.
        if (_waiting.TryGetValue(progress.Name, out var wait) && wait.Planned == planned && wait.Until > progress.Now && wait.Until <= progress.Now + wait.Pause)
            return wait.Until;

        var due = DueTimes.Of(scheduled.Schedule, planned, progress.Now, scheduled.Missed, scheduled.Overlap == Overlap.Waits);
        var fired = await store.FireAsync(scheduled.Definition, planned, due, scheduled.Overlap, stopping);
        if (fired.Runs > 0)
            desk.Wake();
        if (fired.IsDealtWith)
            Tell(scheduled, due, fired);
        // A time that waits for the end of a run comes again, and whoever was second to another node looks at what that has left.
        if (due.Next > progress.Now && (fired.IsDealtWith || due.Next < progress.Now + waitMost))
            return due.Next;
        var pause = fired.IsDealtWith || wait.Planned != planned ? waitLeast : 2 * wait.Pause < waitMost ? 2 * wait.Pause : waitMost;
        _waiting[progress.Name] = new Wait(fired.IsDealtWith ? due.Next : planned, pause, progress.Now + pause);
        return progress.Now + pause;
    }

    private void Tell(ScheduledJob scheduled, DueTimes due, FiredTimes fired)
    {
        var name = scheduled.Definition.Name;
        QueueMetrics.Fired(name, fired);
        if (due.MissedSince is { } since)
            ScheduleLog.Missed(log, name, since, fired.Runs);
        if (fired.Skipped > 0)
            ScheduleLog.Skipped(log, name, due.Runs[^1]);
    }

    /// <summary>A planned time that waits, and until when it is left alone.</summary>
    private readonly record struct Wait(DateTimeOffset Planned, TimeSpan Pause, DateTimeOffset Until);
}
