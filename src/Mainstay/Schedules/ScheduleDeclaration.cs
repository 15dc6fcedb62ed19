using Mainstay.Internal;

namespace Mainstay;

/// <summary>What is declared about a scheduled job. Every method returns the same declaration, so that calls chain.</summary>
public sealed class ScheduleDeclaration : HandlerDeclaration<ScheduleDeclaration>
{
    private readonly ScheduledJob _scheduled;

    internal ScheduleDeclaration(QueueHandler handler) : base(handler) => _scheduled = handler.Scheduled!;

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
}
