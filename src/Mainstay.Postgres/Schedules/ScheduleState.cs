namespace Mainstay;

/// <summary>A schedule as the database knows it.</summary>
/// <param name="Name">The stored name.</param>
/// <param name="Timing">When it runs, in words.</param>
/// <param name="NextAt">The next planned time; null right after a pause or a change, and before it was planned for the first time.</param>
/// <param name="LastAt">The last planned time that was dealt with; null when there was none.</param>
/// <param name="PausedAt">Since when it is paused; null when it is not.</param>
public sealed record ScheduleState(string Name, string Timing, DateTimeOffset? NextAt, DateTimeOffset? LastAt, DateTimeOffset? PausedAt);
