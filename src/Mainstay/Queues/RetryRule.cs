namespace Mainstay;

/// <summary>What becomes of a run that has failed: how often it is tried, and how long after.</summary>
public sealed record RetryRule
{
    private static readonly TimeSpan fromDefault = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan toDefault = TimeSpan.FromHours(1);

    private RetryRule(int attempts, TimeSpan from, TimeSpan to, bool isJittered)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(attempts, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(attempts, 100);
        ArgumentOutOfRangeException.ThrowIfLessThan(from, TimeSpan.FromMilliseconds(1));
        ArgumentOutOfRangeException.ThrowIfLessThan(to, from);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(to, TimeSpan.FromDays(30));
        (Attempts, From, To, IsJittered) = (attempts, from, to, isJittered);
    }

    /// <summary>It is a dead letter at once: no second attempt could end better.</summary>
    public static RetryRule Never { get; } = new(1, fromDefault, fromDefault, isJittered: false);

    internal int Attempts { get; }

    internal TimeSpan From { get; }

    internal TimeSpan To { get; }

    internal bool IsJittered { get; }

    /// <summary>The same pause before every attempt.</summary>
    /// <param name="pause">How long; at most 30 days.</param>
    /// <param name="attempts">How often it is tried in all, failures of other kinds included. Default: 10.</param>
    public static RetryRule After(TimeSpan pause, int attempts = 10) => new(attempts, pause, pause, isJittered: false);

    /// <summary>
    /// Pauses that grow, drawn anew each time between nothing and <c>min(to, from · 2^(attempt − 1))</c>, so that what failed together does not come back together.
    /// </summary>
    /// <param name="attempts">How often it is tried in all, failures of other kinds included. Default: 10.</param>
    /// <param name="from">The longest pause after the first attempt; it doubles with each. Default: 1 s.</param>
    /// <param name="to">The longest pause of all; at most 30 days. Default: 1 h, or <paramref name="from"/> if that is longer.</param>
    public static RetryRule Backoff(int attempts = 10, TimeSpan? from = null, TimeSpan? to = null)
    {
        var first = from ?? fromDefault;
        return new(attempts, first, to ?? (first > toDefault ? first : toDefault), isJittered: true);
    }

    /// <summary>How long to wait after a failed attempt, whose number counts from 1.</summary>
    internal TimeSpan Pause(int attempt)
    {
        if (!IsJittered)
            return From;
        var longest = Math.Min(To.TotalSeconds, From.TotalSeconds * Math.Pow(2, attempt - 1));
        return TimeSpan.FromSeconds(Random.Shared.NextDouble() * longest);
    }
}
