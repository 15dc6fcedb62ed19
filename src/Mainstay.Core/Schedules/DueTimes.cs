namespace Mainstay.Internal;

/// <summary>Which planned times run now. Follows from the last planned time, the present and the rules alone, so that all nodes come to the same answer.</summary>
/// <param name="Runs">The planned times that have a run now, oldest first.</param>
/// <param name="Next">The planned time after those that are dealt with; in the past when they go one at a time and more are due.</param>
/// <param name="MissedSince">The first planned time that was missed, whatever becomes of it; null when the only one is on time.</param>
internal sealed record DueTimes(IReadOnlyList<DateTimeOffset> Runs, DateTimeOffset Next, DateTimeOffset? MissedSince)
{
    /// <summary>How many missed times get runs of their own.</summary>
    public const int Most = 100;

    /// <summary>A restart takes less.</summary>
    private static readonly TimeSpan lateMost = TimeSpan.FromMinutes(1);

    /// <param name="schedule">What plans.</param>
    /// <param name="planned">The planned time that has come.</param>
    /// <param name="now">The present.</param>
    /// <param name="missed">What becomes of those that were missed.</param>
    /// <param name="isOneAtATime">Whether the second waits for the end of the first.</param>
    public static DueTimes Of(Schedule schedule, DateTimeOffset planned, DateTimeOffset now, Missed missed, bool isOneAtATime)
    {
        var due = Newest(schedule, planned, now);
        var last = due[^1];
        var isLate = now - last > lateMost;
        DateTimeOffset? missedSince = isLate || planned != last ? planned : null;
        if (missed == Missed.All && isOneAtATime)
            return new DueTimes([due[0]], schedule.NextAfter(due[0]), missedSince);
        return new DueTimes(missed == Missed.All ? due : missed == Missed.Skip && isLate ? [] : [last], schedule.NextAfter(now), missedSince);
    }

    /// <summary>Looks back further and further, because a second's schedule that slept for a year has more times than anybody wants to count.</summary>
    private static List<DateTimeOffset> Newest(Schedule schedule, DateTimeOffset planned, DateTimeOffset now)
    {
        for (var window = TimeSpan.FromHours(1); ; window *= 8)
        {
            var isWhole = now - planned <= window;
            List<DateTimeOffset> due = isWhole ? [planned] : [];
            for (var next = schedule.NextAfter(isWhole ? planned : now - window); next <= now; next = schedule.NextAfter(next))
                due.Add(next);
            if (isWhole || due.Count >= Most)
                return due.Count > Most ? due[^Most..] : due;
        }
    }
}
