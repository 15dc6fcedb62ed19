namespace Mainstay.Internal;

/// <summary>Closed when what waits has waited longer than that, until it has waited less than half of that: so it does not open and close with every job.</summary>
internal sealed class AgeGate(TimeSpan most)
{
    private static readonly TimeSpan retryLeast = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan retryMost = TimeSpan.FromMinutes(1);

    public TimeSpan Most => most;

    /// <summary>When to come back; null while it is open.</summary>
    public TimeSpan? RetryAfter { get; private set; }

    /// <param name="oldest">How old the oldest is that waits; null when none does.</param>
    public void Look(TimeSpan? oldest)
    {
        var age = oldest ?? TimeSpan.Zero;
        var isClosed = age > most || (RetryAfter is not null && age >= most / 2);
        // The backlog that is too old has at least this span of time in it.
        RetryAfter = isClosed ? TimeSpan.FromTicks(Math.Clamp((age - most / 2).Ticks, retryLeast.Ticks, retryMost.Ticks)) : null;
    }

    /// <summary>The earliest time at which another look could find it otherwise.</summary>
    public TimeSpan NextLook(TimeSpan? oldest) => RetryAfter is not null ? retryLeast : most - (oldest ?? TimeSpan.Zero);
}
