
namespace Mainstay.Internal;

/// <summary>What has a slot runs, and leaves it to whatever was claimed ahead.</summary>
internal sealed class QueueSlots(QueueState state, NodeLease lease, JobRunServices services)
{
    /// <summary>How many runs may follow each other on one thread before others have a turn with it.</summary>
    private const int InRowMost = 16;

    /// <summary>Begins a job for which a slot has been taken, and for a handler of batches whatever else of it is at hand.</summary>
    public SlotRun Begin_NeedsLock(ClaimedJob job)
    {
        var entry = state.Rooms[job.Handler];
        List<JobRun> runs = [state.Running.Begin(job, entry.Handler)];
        if (entry.Handler.Batch is { } batch && job.Crashes == 0)
            AddAhead_NeedsLock(entry, runs, batch.Most);
        return new SlotRun(entry, runs);
    }

    /// <remarks>Without the context of whoever has committed it, or ended the run before: a run is no part of their trace, nor of anything else that goes along with them.</remarks>
    public void Start(SlotRun run) => ThreadPool.UnsafeQueueUserWorkItem(_ => _ = RunAsync(run), null);

    /// <summary>Gives back what is not to be run here.</summary>
    public async Task GiveBackAsync(IReadOnlyList<ClaimedJob> jobs)
    {
        try
        {
            await services.Store.ReleaseAsync([.. jobs.Select(job => (job.Id, job.Fence))]);
        }
        catch (Exception e)
        {
            QueueLog.Unavailable(services.Log, e);
            state.NoteDoubt();      // the renewal of the lease gives them back, or its end
        }
    }

    private async Task RunAsync(SlotRun run)
    {
        for (var inRow = 1; ; inRow++)
        {
            try
            {
                await HandleAsync(run);
            }
            catch (Exception e)
            {
                // Not the handler, whose failures are recorded: the recording. Nobody runs it now, which the next renewal of the lease finds out.
                QueueLog.NotRecorded(services.Log, run.Entry.Handler.Name, run.Runs[0].Job.Id, e);
                state.NoteDoubt();
            }
            if (End(run) is not { } next)
                return;
            if (inRow == InRowMost)
            {
                Start(next);
                return;
            }
            run = next;
        }
    }

    private async Task HandleAsync(SlotRun run)
    {
        var (entry, runs) = run;
        if (entry.Handler.Batch is not { } batch)
        {
            await runs[0].RunAsync();
            return;
        }
        await GatherAsync(entry, runs, batch);
        await new BatchRun(runs, entry.Handler, services).RunAsync();
    }

    /// <returns>What has the slot then, if there is something.</returns>
    private SlotRun? End(SlotRun run)
    {
        SlotRun? next;
        bool isTurnDue, isHelpDue;
        lock (state.Lock)
        {
            var hadEnds = state.Ended.HasAny;
            foreach (var one in run.Runs)
                End_NeedsLock(one, run.Entry);
            run.Entry.Room.GiveSlot();
            next = lease.IsHeld && run.Entry.Room.Next() is { } job ? Begin_NeedsLock(job) : null;
            isTurnDue = !hadEnds || !state.EndsCanWait_NeedsLock || state.Rooms.WantAny;
            isHelpDue = state.NeedsHelp_NeedsLock;
        }
        foreach (var one in run.Runs)
            if (one.RunsAgainAfter is { } after)
                state.DueIn(after);
        if (isTurnDue)
            state.Turn();
        if (isHelpDue)
            state.Help();
        return next;
    }

    private void End_NeedsLock(JobRun run, QueueEntry entry)
    {
        state.Running.End(run);
        if (run.IsToFinish)
            state.Ended.Add(run.Job, entry.IsAwaited);
        // Of what it kept from running, something may be ready now.
        if (run.Job.Crashes > 0 || entry.IsAwaited)
            state.Rooms.NoteMore();
        entry.Room.Ended(services.Clock);
    }

    /// <summary>
    /// Fills a batch: claims what waits, and once more after its linger. One that may have killed a process stays alone.
    /// </summary>
    private async Task GatherAsync(QueueEntry entry, List<JobRun> runs, BatchRule batch)
    {
        if (runs[0].Job.Crashes > 0)
            return;
        await ClaimMoreAsync(entry, runs, batch.Most);
        if (runs.Count >= batch.Most || batch.Linger == TimeSpan.Zero)
            return;
        await Task.Delay(batch.Linger, services.Clock, runs[0].Ending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await ClaimMoreAsync(entry, runs, batch.Most);
    }

    private async Task ClaimMoreAsync(QueueEntry entry, List<JobRun> runs, int most)
    {
        CyclePlan plan;
        lock (state.Lock)
        {
            AddAhead_NeedsLock(entry, runs, most);
            if (state.Stops || runs.Count >= most || !lease.IsHeld)
                return;
            plan = PlanOf(entry, most - runs.Count);
        }
        try
        {
            var more = (await services.Store.RunAsync(plan)).Claimed;
            List<ClaimedJob> late = [];
            lock (state.Lock)
                foreach (var job in more)
                    if (state.Late.IsOurs(job))
                    {
                        entry.NoteClaimed(job);
                        runs.Add(state.Running.Begin(job, entry.Handler));
                    }
                    else
                        late.Add(job);
            if (late.Count > 0)
                await GiveBackAsync(late);
        }
        catch (Exception e)
        {
            QueueLog.Unavailable(services.Log, e);
            state.NoteDoubt();
        }
    }

    /// <summary>Adds what of the handler was claimed ahead, for which no further slot is needed.</summary>
    private void AddAhead_NeedsLock(QueueEntry entry, List<JobRun> runs, int most) =>
        runs.AddRange(entry.Room.TakeMore(entry.Handler.Name, most - runs.Count).Select(more => state.Running.Begin(more, entry.Handler)));

    /// <summary>A claim for one handler. The others of a limited queue are in it only to be counted: nothing of theirs is above the highest place.</summary>
    private CyclePlan PlanOf(QueueEntry entry, int most) => new()
    {
        Node = lease.Id,
        Term = lease.Term,
        Queues = [(entry.Room.Number, most, entry.Room.Limit)],
        Handlers =
        [
            .. entry.Floors.OrderBy(floor => floor.Key).Select(floor => (entry.Handler.Name, entry.Room.Number, floor.Key, floor.Value.Take())),
            .. entry.Room.Limit is null ? [] : state.Rooms.Entries.Where(other => other != entry && other.Room == entry.Room).Select(other => (other.Handler.Name, other.Room.Number, JobPriority.Normal, long.MaxValue)),
        ],
    };
}

/// <summary>What one slot does: one run, or the runs of a batch, of which there may come more.</summary>
internal readonly record struct SlotRun(QueueEntry Entry, List<JobRun> Runs);
