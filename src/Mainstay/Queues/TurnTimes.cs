namespace Mainstay.Internal;

/// <summary>When the loop of a node turns although nobody has told it that there is something. Every member is to be used under the engine's lock.</summary>
internal sealed class TurnTimes(TimeSpan pollInterval, TimeProvider clock)
{
    private static readonly TimeSpan pollLeast = TimeSpan.FromMilliseconds(50);

    private TimeSpan _pause = pollLeast;
    private Deadline _poll = Deadline.After(TimeSpan.Zero, clock);
    private Deadline _due = Deadline.Never;
    private Deadline _look = Deadline.Never;

    /// <summary>The first of these times.</summary>
    public Deadline Next => _look.Earlier(_poll).Earlier(_due);

    /// <summary>Which of these times have come. They are set anew: the poll to its pause with some jitter, the others to never.</summary>
    public (bool Polls, bool Promotes, bool Looks) Take()
    {
        var (polls, promotes, looks) = (HasCome(_poll), HasCome(_due), HasCome(_look));
        if (looks)
            _look = Deadline.Never;
        if (polls || promotes)
            (_poll, _due) = (Deadline.After(_pause * (0.75 + Random.Shared.NextDouble() / 4), clock), Deadline.Never);
        return (polls, promotes, looks);
    }

    /// <summary>Something becomes due then.</summary>
    public void DueIn(TimeSpan time) => _due = _due.Earlier(Deadline.After(time < TimeSpan.Zero ? TimeSpan.Zero : time, clock));

    /// <summary>Something may be there to claim or to admit then.</summary>
    public void LookIn(TimeSpan time) => _look = _look.Earlier(Deadline.After(time, clock));

    /// <summary>There is work, so there may soon be more.</summary>
    public void PollSoon() => _pause = pollLeast;

    /// <summary>A poll has found nothing.</summary>
    public void PollLater() => _pause = _pause * 2 < pollInterval ? _pause * 2 : pollInterval;

    private bool HasCome(Deadline time) => time.Left(clock) <= TimeSpan.Zero;
}
