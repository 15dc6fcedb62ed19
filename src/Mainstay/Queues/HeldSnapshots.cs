namespace Mainstay.Internal;

/// <summary>Who keeps an old view of the data for longer than is good, each told once.</summary>
internal sealed class HeldSnapshots(TimeSpan most, TimeProvider clock)
{
    /// <summary>When each was seen first, looking back to the same transaction, and whether it was told.</summary>
    private Dictionary<(string Kind, string Name), (string Horizon, long SeenAt, bool IsTold)> _known = [];

    /// <returns>Those that have become too old since the last time.</returns>
    public List<(SnapshotHolder Holder, TimeSpan Age)> News(IReadOnlyList<SnapshotHolder> holders)
    {
        var now = clock.GetTimestamp();
        var known = new Dictionary<(string, string), (string, long, bool)>();
        var news = new List<(SnapshotHolder, TimeSpan)>();
        foreach (var holder in holders)
        {
            var key = (holder.Kind, holder.Name);
            var (horizon, seenAt, isTold) = _known.GetValueOrDefault(key, (holder.Horizon, now, false));
            // A slot or a standby that moves on holds nothing up; only one that stays where it is gets older. It was told of, though, for as long as it is there.
            if (horizon != holder.Horizon)
                (horizon, seenAt) = (holder.Horizon, now);
            var age = holder.Age ?? clock.GetElapsedTime(seenAt, now);
            if (!isTold && age >= most)
            {
                news.Add((holder, age));
                isTold = true;
            }
            known[key] = (horizon, seenAt, isTold);
        }
        _known = known;
        return news;
    }
}
