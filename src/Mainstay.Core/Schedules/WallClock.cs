namespace Mainstay.Internal;

/// <summary>
/// What the clock on a wall shows, and when. Made from offsets alone, which are the one thing that is true for every zone and year; a zone changes its offset for daylight
/// saving, but also when a government says so.
/// </summary>
internal static class WallClock
{
    public static DateTime Read(DateTimeOffset instant, TimeZoneInfo zone) => instant.ToOffset(zone.GetUtcOffset(instant)).DateTime;

    /// <summary>
    /// When the clock shows the time: the first time when it does so twice, and where it leaps over the time, the end of the leap. Never decreases with
    /// the time on the wall.
    /// </summary>
    public static DateTimeOffset When(DateTime shown, TimeZoneInfo zone)
    {
        DateTimeOffset At(TimeSpan offset) => new(DateTime.SpecifyKind(shown, DateTimeKind.Unspecified) - offset, TimeSpan.Zero);
        var before = zone.GetUtcOffset(new DateTimeOffset(shown, TimeSpan.Zero).AddDays(-1));
        var after = zone.GetUtcOffset(new DateTimeOffset(shown, TimeSpan.Zero).AddDays(1));
        if (zone.GetUtcOffset(At(before)) == before)
            return At(before);
        if (zone.GetUtcOffset(At(after)) == after)
            return At(after);

        // A leap: it ends where the offset changes, between the two.
        var (low, high) = (At(after), At(before));
        while (high - low > TimeSpan.FromSeconds(1))
        {
            var middle = low.AddSeconds(Math.Floor((high - low).TotalSeconds / 2));
            (low, high) = zone.GetUtcOffset(middle) == before ? (middle, high) : (low, middle);
        }
        return high;
    }
}
