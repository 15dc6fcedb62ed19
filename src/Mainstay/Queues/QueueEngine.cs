
namespace Mainstay.Internal;

/// <summary>
/// Runs jobs on this node. A loop turns: each turn ends what was done and claims what there is room for, for all queues in one statement. It turns when there is
/// something to end, when there is room and a hint or a full last claim says that there may be more, and when something becomes due. Now and then it asks whether it has missed something.
/// When a turn leaves much to do that has come meanwhile, a second loop turns beside it.
/// </summary>
internal sealed class QueueEngine
{
    /// <summary>How long to leave another node that admits work, or a job that is just ending; and how long to claim before more of a mass is admitted.</summary>
    private static readonly TimeSpan admitPause = TimeSpan.FromMilliseconds(10);

    /// <summary>How long handlers may take to notice that they are cancelled, when the node stops.</summary>
    private static readonly TimeSpan obeyTime = TimeSpan.FromSeconds(3);

    private readonly JobRunServices _services;
    private readonly NodeLease _lease;
    private readonly QueueOptions _options;
    private readonly QueueState _state;
    private readonly QueueSlots _slots;

    public QueueEngine(JobRunServices services, NodeLease lease, QueueModel model, QueueOptions options)
    {
        (_services, _lease, _options) = (services, lease, options);
        _state = new QueueState(model, options, lease, services);
        _slots = new QueueSlots(_state, lease, services);
        Arriving = new ArrivingJobs(_state, _slots, lease, services.Clock);
    }

    /// <summary>Where this process hands in what it commits.</summary>
    public ArrivingJobs Arriving { get; }

    public string[] Handlers => [.. _state.Rooms.Entries.Select(entry => entry.Handler.Name)];

    public string[] PacedQueues => _state.Rooms.PacedQueues;

    /// <summary>Whether the answer of a claim or a commit was lost a short while ago: this node may hold what it does not run.</summary>
    public bool IsInDoubt
    {
        get
        {
            lock (_state.Lock)
                return _state.IsInDoubt_NeedsLock;
        }
    }

    /// <summary>Whether handlers still ran when the node had stopped, so that the lease must not be ended.</summary>
    public bool HasAbandoned { get; private set; }

    private TimeProvider Clock => _services.Clock;

    /// <summary>Turns until the node stops; gives back what was claimed ahead, and lets the handlers that run come to an end.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        using (var either = CancellationTokenSource.CreateLinkedTokenSource(stopping))
        {
            Task[] loops = [LoopAsync(helps: false, either.Token), LoopAsync(helps: true, either.Token)];
            await Task.WhenAny(loops);
            await either.CancelAsync();     // a loop that failed takes the other with it
            await Task.WhenAll(loops);
        }
        await StopAsync();
    }

    /// <summary>There may be more to claim.</summary>
    public void Wake() => _state.Wake();

    /// <summary>What of this the node does not know that it holds.</summary>
    public HashSet<(Guid Id, int Fence)> Unknown(IEnumerable<(Guid Id, int Fence)> held)
    {
        lock (_state.Lock)
            return [.. held.Where(job => !_state.Holds_NeedsLock(job))];
    }

    /// <summary>Decides that these are given back, although the node may still hear of a claim of its own. Then it will not run them.</summary>
    public (Guid Id, int Fence)[] GiveUp(IEnumerable<(Guid Id, int Fence)> unknown)
    {
        lock (_state.Lock)
        {
            (Guid, int)[] lost = [.. unknown.Where(job => !_state.Holds_NeedsLock(job))];
            foreach (var job in lost)
                _state.Late.GiveUp(job);
            return lost;
        }
    }

    /// <summary>Says which handlers go on although their time is over.</summary>
    public void ReportStuck()
    {
        foreach (var run in Running())
            run.ReportIfStuck();
    }

    /// <summary>Others may begin what runs here. Their commits would be refused; handlers that reach out can only be told to stop.</summary>
    public void LeaseLost()
    {
        JobRun[] runs;
        lock (_state.Lock)
        {
            runs = _state.Running.Outlive();
            var ahead = _state.Rooms.Clear();
            _state.Running.HasSuspect &= !ahead.Any(job => job.Crashes > 0);
            _state.NoteDoubt_NeedsLock();
        }
        if (runs.Length > 0)
            QueueLog.LeaseLost(_services.Log, runs.Length);
        foreach (var run in runs)
            run.Cancel(JobEnd.Lost);
    }

    private async Task LoopAsync(bool helps, CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
            try
            {
                if (!await TurnAsync(helps, stopping))
                    await _state.WaitAsync(helps, stopping);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
    }

    /// <returns>False when there was nothing to do.</returns>
    private async Task<bool> TurnAsync(bool helps, CancellationToken stopping)
    {
        var (plan, wakes, isPollDue) = helps ? PlanHelp() : Plan();
        CycleResult? result = null;
        try
        {
            if (plan is not null)
                result = await ClaimAsync(plan);
            else if (isPollDue)
                await PollAsync();
        }
        catch (Exception e)
        {
            // Refused for whatever reason, a full disk for example, or by whatever opens connections: the loop is there when it goes again.
            QueueLog.Unavailable(_services.Log, e);
            _services.Transactor.Database.Apart.Recover(e);
            lock (_state.Lock)
            {
                if (plan is not null)
                    Fail_NeedsLock(plan);
                _state.NoteDoubt_NeedsLock();
                _state.Rooms.NoteMore();
            }
            await Task.Delay(TimeSpan.FromSeconds(1), Clock, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return true;
        }
        if (plan is null || result is null)
            return isPollDue;
        if (_services.Transactor.Database.Faults is { } faults)
            foreach (var job in plan.FinishedFirst.Concat(plan.Finished))
                await faults.ReachAsync(FaultPoint.AfterCompletion, _state.Rooms[job.Handler].Handler.Operation);
        Apply(plan, result, wakes);
        return true;
    }

    private async Task<CycleResult> ClaimAsync(CyclePlan plan)
    {
        var asked = Clock.GetTimestamp();
        var result = await _services.Store.RunAsync(plan);
        if (plan.Queues.Count > 0)
            QueueMetrics.Claimed(Clock.GetElapsedTime(asked));
        return result;
    }

    /// <summary>Asks whether a turn would find something. A node that waits asks nothing else, and that is one statement.</summary>
    private async Task PollAsync()
    {
        List<(string Name, JobPriority Priority, long Floor)> places;
        string[] admitted;
        lock (_state.Lock)
            (places, admitted) = _state.Rooms.Places();
        var found = await _services.Store.LookForWorkAsync(places, admitted);
        lock (_state.Lock)
        {
            if (found.NextDue is { } nextDue)
                _state.Times.DueIn(nextDue);
            if (found.HasWork)
                _state.Rooms.NoteFound(places);
            _state.Times.PollLater();
        }
    }

    /// <returns>The plan of a turn, or null when there is nothing to do, but for a poll perhaps.</returns>
    private (CyclePlan? Plan, int Wakes, bool IsPollDue) Plan()
    {
        lock (_state.Lock)
        {
            var rooms = _state.Rooms;
            var (polls, promotes, looks) = _state.Times.Take();
            var endsAreDue = _state.Ended.HasAny && !_state.EndsCanWait_NeedsLock;
            if (promotes || looks || (polls && (endsAreDue || rooms.WantAny || rooms.MayAdmit)))
                rooms.NoteMore();
            var wanted = _state.Stops || !_lease.IsHeld ? [] : rooms.Wanted();
            var admits = rooms.TakeAdmits();
            if (wanted.Count == 0 && admits is null && !promotes && !endsAreDue)
                return (null, rooms.Wakes, polls);
            return (Begin_NeedsLock(wanted) with
            {
                Admits = admits,
                SuspectsMost = wanted.Count > 0 && !_state.Running.HasSuspect ? 1 : 0,
                Promotes = promotes,
                AsksForNextDue = polls || promotes || (admits is not null && rooms.AsksForTurns),
            }, rooms.Wakes, false);
        }
    }

    /// <remarks>It takes no suspect, of which a node has one at most, and nothing from queues in which claims come one after the other.</remarks>
    /// <returns>The plan of a second turn, or null when it is not worth one.</returns>
    private (CyclePlan? Plan, int Wakes, bool IsPollDue) PlanHelp()
    {
        lock (_state.Lock)
            return _state.NeedsHelp_NeedsLock
                ? (Begin_NeedsLock(_lease.IsHeld ? [.. _state.Rooms.Wanted().Where(room => room.Limit is null)] : []), _state.Rooms.Wakes, false)
                : (null, 0, false);
    }

    private CyclePlan Begin_NeedsLock(List<(int Number, int Most, QueueLimit? Limit)> wanted)
    {
        var (finished, first) = _state.Ended.Take();
        var plan = new CyclePlan
        {
            Node = _lease.Id,
            Term = _lease.Term,
            Finished = finished,
            FinishedFirst = first,
            AsksForTurns = _state.Rooms.AsksForTurns,
            Queues = wanted,
            Handlers = _state.Rooms.InOrder(wanted),
        };
        _state.Begin_NeedsLock(plan);
        return plan;
    }

    private void Fail_NeedsLock(CyclePlan plan)
    {
        _state.End_NeedsLock(plan);
        _state.Ended.PutBack(plan);
    }

    private void Apply(CyclePlan plan, CycleResult result, int wakes)
    {
        List<SlotRun> begins = [];
        List<ClaimedJob> late = [];
        lock (_state.Lock)
        {
            _state.End_NeedsLock(plan);
            NoteTimes_NeedsLock(plan, result);
            if (result.Admission.LetIn)
                _state.Rooms.NoteReady();
            foreach (var job in result.Claimed)
                if (_state.Late.IsOurs(job))
                    Keep_NeedsLock(job);
                else
                    late.Add(job);
            while (_lease.IsHeld && _state.Rooms.Next() is { } next)
                begins.Add(_slots.Begin_NeedsLock(next));
            foreach (var (number, most, _) in plan.Queues)
                _state.Rooms.NoteAnswer(number, result.Claimed.Count(job => job.Crashes == 0 && _state.Rooms[job.Handler].Room.Number == number) >= most, wakes);
        }
        foreach (var run in begins)
            _slots.Start(run);
        if (late.Count > 0)
            _ = Task.Run(() => _slots.GiveBackAsync(late));
    }

    private void NoteTimes_NeedsLock(CyclePlan plan, CycleResult result)
    {
        var times = _state.Times;
        if (result.NextDue is { } nextDue)
            times.DueIn(nextDue);
        if (result.Admission.IsUnfinished)
            times.LookIn(admitPause);
        if (result.NextStart is { } nextStart)
            times.LookIn(nextStart);
        if (result.Claimed.Count > 0)
            times.PollSoon();
        else if (plan.AsksForNextDue)
            times.PollLater();
    }

    private void Keep_NeedsLock(ClaimedJob job)
    {
        var entry = _state.Rooms[job.Handler];
        if (job.Crashes > 0)
            _state.Running.HasSuspect = true;
        else
            entry.NoteClaimed(job);
        entry.Room.Put(job);
    }

    private async Task StopAsync()
    {
        ClaimedJob[] ahead;
        Task drained;
        lock (_state.Lock)
        {
            _state.Stops = true;
            ahead = _state.Rooms.Clear();
            drained = _state.Running.DrainAsync();
        }
        if (ahead.Length > 0)
            await _slots.GiveBackAsync(ahead);
        using (var patience = new CancellationTokenSource(_options.Drain, Clock))
        await using (patience.Token.Register(CancelAll))
            await Task.WhenAny(drained, Task.Delay(_options.Drain + obeyTime, Clock, CancellationToken.None));
        if (Running() is { Length: > 0 } abandoned)
        {
            HasAbandoned = true;
            QueueLog.Abandoned(_services.Log, abandoned.Length, string.Join(", ", abandoned.Select(run => run.Job.Handler).Distinct()));
        }
        await RecordEndsAsync();
    }

    private async Task RecordEndsAsync()
    {
        while (Plan().Plan is { } plan && plan.Finished.Count + plan.FinishedFirst.Count > 0)
            try
            {
                await _services.Store.RunAsync(plan);
                lock (_state.Lock)
                    _state.End_NeedsLock(plan);
            }
            catch (Exception e)
            {
                QueueLog.Unavailable(_services.Log, e);     // they run again: at least once
                return;
            }
    }

    private void CancelAll()
    {
        JobRun[] runs;
        lock (_state.Lock)
            runs = _state.Running.CancelFromNow();
        foreach (var run in runs)
            run.Cancel(JobEnd.Stopping);
    }

    private JobRun[] Running()
    {
        lock (_state.Lock)
            return _state.Running.All;
    }
}
