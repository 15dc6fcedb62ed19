namespace Mainstay.Internal;

/// <summary>The instant by which a call must have ended, on the process's monotonic clock. Timeouts of locks, statements and waits are what is left of it.</summary>
internal readonly record struct Deadline(long Timestamp)
{
    public static readonly Deadline Never = new(long.MaxValue);

    public static Deadline After(TimeSpan timeout, TimeProvider clock) =>
        new(clock.GetTimestamp() + (long)(timeout.TotalSeconds * clock.TimestampFrequency));

    /// <summary>What is left; zero or less once it has passed.</summary>
    public TimeSpan Left(TimeProvider clock) =>
        Timestamp == long.MaxValue ? TimeSpan.MaxValue : TimeSpan.FromSeconds((Timestamp - clock.GetTimestamp()) / (double)clock.TimestampFrequency);

    public Deadline Earlier(Deadline other) => Timestamp <= other.Timestamp ? this : other;
}
