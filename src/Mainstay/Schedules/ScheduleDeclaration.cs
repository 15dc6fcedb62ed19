using Mainstay.Internal;

namespace Mainstay;

/// <summary>What is declared about a scheduled job. Every method returns the same declaration, so that calls chain.</summary>
public sealed class ScheduleDeclaration
{
    private readonly QueueHandler _handler;
    private readonly ScheduledJob _scheduled;

    internal ScheduleDeclaration(QueueHandler handler) => (_handler, _scheduled) = (handler, handler.Scheduled!);

    /// <summary>What becomes of planned times at which no node was there. Default: one run for all of them.</summary>
    public ScheduleDeclaration Missed(Missed missed)
    {
        if (!Enum.IsDefined(missed))
            throw new ArgumentOutOfRangeException(nameof(missed), missed, "Expected Once, Skip or All.");
        _scheduled.Missed = missed;
        return this;
    }

    /// <summary>Lets a run begin while the one before has not ended. Default: that planned time is left out; with <see cref="Mainstay.Missed.All"/> it waits.</summary>
    public ScheduleDeclaration AllowOverlap()
    {
        _scheduled.MayOverlap = true;
        return this;
    }

    /// <summary>How often a run is tried before it becomes a dead letter. Default: 10, with growing pauses from 1 s on.</summary>
    public ScheduleDeclaration Retry(int attempts)
    {
        _handler.Retry(attempts);
        return this;
    }

    /// <summary>How long one attempt may take. Default: 30 s.</summary>
    public ScheduleDeclaration Timeout(TimeSpan timeout)
    {
        _handler.Limit(timeout);
        return this;
    }

    /// <summary>The queue that it runs in. Default: one that all share who say nothing.</summary>
    public ScheduleDeclaration Queue(string name)
    {
        _handler.In(name);
        return this;
    }
}
