namespace Mainstay.Internal;

/// <summary>What this process commits, on its way to the engine: a row that is born leased has its slot before the commit, and runs as soon as that has succeeded.</summary>
internal sealed class ArrivingJobs(QueueState state, QueueSlots slots, NodeLease lease, TimeProvider clock) : IJobRunner
{
    public Guid Node => lease.Id;

    /// <remarks>What follows a job of the same queue takes a slot also when there is none: the one whose run is about to end.</remarks>
    public void Reserve(JobRow row)
    {
        if (state.Rooms.Find(row.Handler) is not { } entry)
            return;
        var term = lease.Term;
        lock (state.Lock)
        {
            if (state.Stops || !lease.IsHeldIn(term) || !(entry.Room.IsIdle || (row.Follows is { } before && state.Rooms.Find(before)?.Room == entry.Room && entry.Room.Limit is null)))
                return;
            entry.Room.TakeSlot();
            (row.Node, row.Term) = (Node, term);
        }
    }

    public bool Committed(IReadOnlyList<JobRow> rows)
    {
        bool isWaiting = false, othersMayHelp = false;
        foreach (var row in rows)
            if (row.Node is not null)
                Start(ClaimedJob.Born(row));
            else if (row.IsDelayed)
                state.DueIn(row.At is { } at ? at - clock.GetUtcNow() : row.After!.Value);
            else if (state.Rooms.Find(row.Handler) is { } entry)
            {
                isWaiting = true;
                othersMayHelp |= entry.Room.Free <= 0;
            }
            else
                othersMayHelp = true;
        if (isWaiting)
            Wake();
        return othersMayHelp;
    }

    public void Dropped(IReadOnlyList<JobRow> rows, bool isInDoubt)
    {
        foreach (var row in rows)
            if (row.Node is not null)
                lock (state.Lock)
                {
                    row.Node = null;
                    state.Rooms[row.Handler].Room.GiveSlot();
                    if (isInDoubt)
                        state.NoteDoubt_NeedsLock();
                }
        state.Turn();
    }

    public void Wake() => state.Wake();

    private void Start(ClaimedJob job)
    {
        SlotRun? begun;
        lock (state.Lock)
        {
            begun = state.Stops || !state.Late.IsOurs(job) ? null : slots.Begin_NeedsLock(job);
            if (begun is null)
                state.Rooms[job.Handler].Room.GiveSlot();
        }
        if (begun is { } run)
        {
            slots.Start(run);
            return;
        }
        _ = Task.Run(() => slots.GiveBackAsync([job]));
        state.Turn();
    }
}
