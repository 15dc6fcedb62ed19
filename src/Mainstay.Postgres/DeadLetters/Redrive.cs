namespace Mainstay;

/// <summary>Dead letters that are being tried again, a few at a time. It goes on over restarts, on whichever node.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Status">How it stands.</param>
/// <param name="Handler">Which letters: see <see cref="DeadLetterFilter"/>.</param>
/// <param name="Reason">Which letters.</param>
/// <param name="DiedFrom">Which letters.</param>
/// <param name="DiedBefore">Which letters: at most those that had died when it began, so that none is tried in a circle.</param>
/// <param name="Error">Which letters.</param>
/// <param name="PerSecond">How many are enqueued again in a second, at most.</param>
/// <param name="Found">How many there were when it began, counted up to a million.</param>
/// <param name="Redriven">How many have been enqueued again. Others may have been redriven or discarded one by one meanwhile.</param>
/// <param name="StartedBy">Who began it.</param>
/// <param name="Why">What for.</param>
/// <param name="StartedAt">When.</param>
/// <param name="EndedAt">When it was done or stopped; null while it runs.</param>
public sealed record Redrive(
    Guid Id, RedriveStatus Status, string? Handler, string? Reason, DateTimeOffset? DiedFrom, DateTimeOffset DiedBefore, string? Error, int PerSecond,
    int Found, int Redriven, string StartedBy, string Why, DateTimeOffset StartedAt, DateTimeOffset? EndedAt);

/// <summary>How a redrive stands.</summary>
public enum RedriveStatus
{
    /// <summary>There may be more to do.</summary>
    Running,

    /// <summary>All that it was about have been enqueued again.</summary>
    Done,

    /// <summary>Somebody has stopped it. What was enqueued again stays so.</summary>
    Stopped,
}
