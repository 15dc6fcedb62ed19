namespace Mainstay.Internal;

/// <summary>When a job runs by itself, and what becomes of times that did not go as planned.</summary>
internal sealed class ScheduledJob(string name, Schedule schedule)
{
    public Schedule Schedule => schedule;

    public Missed Missed { get; set; }

    public bool MayOverlap { get; set; }

    /// <summary>Nothing that was missed gets lost by a run that takes long: then it waits.</summary>
    public Overlap Overlap => MayOverlap ? Overlap.Allowed : Missed == Missed.All ? Overlap.Waits : Overlap.Skips;

    public ScheduleDefinition Definition => field ??= new ScheduleDefinition(name, schedule.ToString(), $"missed {Missed}, overlap {Overlap}");
}
