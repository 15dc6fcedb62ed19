namespace Mainstay.Internal;

/// <summary>How long work is left alone that has met an outage of the database, and how often that is said: once for each pause, because all that runs meets the same one.</summary>
internal sealed class OutageNotice(TimeProvider clock)
{
    private const int SecondsMost = 30;

    private readonly Lock _lock = new();
    private Deadline _quiet = Deadline.After(TimeSpan.Zero, clock);

    /// <summary>
    /// 1 s, 2 s, 4 s … 30 s, with jitter on the upper half. It grows with the claims that did not count, so that work which ends the connection itself each time, and would never be given up, is rare soon.
    /// Work that has put itself off before begins with a longer one.
    /// </summary>
    public static TimeSpan Pause(ClaimedJob job) =>
        TimeSpan.FromSeconds(Math.Min(SecondsMost, 1 << Math.Clamp(job.Fence - job.Attempt, 0, 5)) * (0.5 + Random.Shared.NextDouble() / 2));

    /// <summary>Whether one that pauses for so long is to be told, or was the last one told a short time ago.</summary>
    public bool IsDue(TimeSpan pause)
    {
        lock (_lock)
        {
            if (_quiet.Left(clock) > TimeSpan.Zero)
                return false;
            _quiet = Deadline.After(pause, clock);
            return true;
        }
    }
}
