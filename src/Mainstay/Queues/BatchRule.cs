namespace Mainstay.Internal;

/// <summary>How much of its work a handler is given at once.</summary>
internal sealed record BatchRule
{
    public const int MostDefault = 100;

    public BatchRule(int most, TimeSpan linger)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(most, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(most, 1000);
        ArgumentOutOfRangeException.ThrowIfLessThan(linger, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(linger, TimeSpan.FromMinutes(1));
        (Most, Linger) = (most, linger);
    }

    public int Most { get; }

    public TimeSpan Linger { get; }
}
