namespace Mainstay.Internal;

/// <summary>A handler with its room. Each priority is an order of its own, with a floor of its own.</summary>
internal sealed class QueueEntry(QueueHandler handler, QueueRoom room, TimeProvider clock)
{
    public QueueHandler Handler => handler;

    public QueueRoom Room => room;

    public IReadOnlyDictionary<JobPriority, ClaimFloor> Floors { get; } = handler.Priorities.ToDictionary(priority => priority, _ => new ClaimFloor(clock));

    /// <summary>Whether others may have to wait for the end of its work, so that it has to be recorded before the next claim.</summary>
    public bool IsAwaited => handler.Placement.Lane is not null || room.Limit is not null;

    /// <summary>What it says about its lanes, and from where on its ready rows are to be found.</summary>
    public LaneRule Lanes => handler.Lanes with { Floor = Floors.Values.Min(floor => floor.Tight) };

    /// <summary>Moves its floor. Of several tenants, more than one may have the same place.</summary>
    public void NoteClaimed(ClaimedJob job) => Floors[job.Priority].Claimed(handler.Placement.Tenant is null ? job.Seq : job.Seq - 1);

    public void NoteBacklog(bool hasBacklog)
    {
        foreach (var floor in Floors.Values)
            floor.HasBacklog = hasBacklog;
    }
}
