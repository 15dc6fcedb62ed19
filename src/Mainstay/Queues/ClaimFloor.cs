namespace Mainstay.Internal;

/// <summary>
/// The place in the order from which on a claim looks. Below it lie the entries of rows that are gone, which PostgreSQL cannot remove while anybody holds an old
/// snapshot; without a floor every claim would step over all of them.
/// </summary>
/// <remarks>
/// A transaction can commit a row below the highest place that has been claimed. So there are two floors: a tight one for a backlog, where half a second
/// matters to nobody, and one that lags behind by the length of an ordinary transaction. Once a second there is none, for those that are longer.
/// </remarks>
internal sealed class ClaimFloor(TimeProvider clock)
{
    private static readonly TimeSpan lag = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan rest = TimeSpan.FromSeconds(1);

    private long _tight;
    private long _lagging;
    private long _next;
    private long _movedAt = clock.GetTimestamp();
    private long _restedAt = clock.GetTimestamp();
    private long? _found;

    /// <summary>Whether the last claim got all that it asked for.</summary>
    public bool HasBacklog { get; set; }

    public long Take()
    {
        var now = clock.GetTimestamp();
        if (clock.GetElapsedTime(_movedAt, now) >= lag)
            (_lagging, _next, _movedAt) = (_next, _tight, now);
        var found = _found ?? long.MaxValue;
        _found = null;
        if (found == 0 || clock.GetElapsedTime(_restedAt, now) >= rest)
        {
            _restedAt = now;
            return 0;
        }
        return Math.Min(found, HasBacklog ? _tight : _lagging);
    }

    /// <summary>Something was found by a look from this place on, so that the next one begins there, too. At the beginning only if that one did.</summary>
    public void Found(long place) => _found = Math.Min(place, _found ?? place);

    /// <summary>The place behind the highest that has been claimed here.</summary>
    public long Tight => _tight;

    public void Claimed(long seq) => _tight = Math.Max(_tight, seq + 1);
}
