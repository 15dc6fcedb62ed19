using System.Collections.Frozen;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>
/// Runs jobs on this node. One loop turns: each turn ends what was done and claims what there is room for, for all queues in one statement. It turns when there is
/// something to end, when there is room and a hint or a full last claim says that there may be more, when something becomes due, and now and then in any case.
/// </summary>
internal sealed class QueueEngine : IJobRunner
{
    private static readonly TimeSpan pollLeast = TimeSpan.FromMilliseconds(50);

    /// <summary>How long to leave another node that admits work, or a job that is just ending; and how long to claim before more of a mass is admitted.</summary>
    private static readonly TimeSpan admitPause = TimeSpan.FromMilliseconds(10);

    /// <summary>How long ends may wait for the claim that they can go with, while enough has been claimed ahead.</summary>
    private static readonly TimeSpan endPause = TimeSpan.FromMilliseconds(10);

    /// <summary>How long handlers may take to notice that they are cancelled, when the node stops.</summary>
    private static readonly TimeSpan obeyTime = TimeSpan.FromSeconds(1);

    /// <summary>How long a job is put off of which a run from before the loss of the lease still goes on.</summary>
    private static readonly TimeSpan besideTime = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly JobRunServices _services;
    private readonly NodeLease _lease;
    private readonly QueueOptions _options;
    private readonly FrozenDictionary<string, Entry> _handlers;
    private readonly QueueRoom[] _rooms;
    private readonly Entry[] _admitted;
    private readonly bool _asksForTurns;
    private readonly Dictionary<(Guid Id, int Fence), JobRun> _runs = [];
    private readonly HashSet<Guid> _outlived = [];
    private readonly Hint _hint = new();
    private readonly TaskCompletionSource _empty = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private List<(Guid Id, int Fence)> _finished = [];
    private List<(Guid Id, int Fence)> _finishedFirst = [];
    private long _endAt = long.MaxValue;
    private long _lookAt = long.MaxValue;
    private bool _mayAdmit;
    private TimeSpan _pause = pollLeast;
    private long _pollAt;
    private long _dueAt = long.MaxValue;
    private int _wakes;
    private int _turns;
    private bool _stops;
    private bool _cancels;
    private bool _holdsSuspect;

    public QueueEngine(JobRunServices services, NodeLease lease, QueueModel model, QueueOptions options)
    {
        (_services, _lease, _options) = (services, lease, options);
        // In the order of their names, which is that in which claims of all nodes wait for each other.
        var rooms = model.Handlers.Select(handler => handler.Queue).Distinct().Order(StringComparer.Ordinal)
            .Select((name, i) => (name, Room: new QueueRoom(i, model.SlotsOf(name, options.Workers), model.LimitOf(name)))).ToDictionary(pair => pair.name, pair => pair.Room);
        _rooms = [.. rooms.Values];
        _handlers = model.Handlers.ToFrozenDictionary(handler => handler.Name, handler => new Entry(handler, rooms[handler.Queue], handler.Priorities.ToDictionary(priority => priority, _ => new ClaimFloor(services.Clock))));
        _admitted = [.. _handlers.Values.Where(entry => entry.Handler.Placement.IsAdmitted)];
        _asksForTurns = _admitted.Any(entry => entry.Handler.Placement.AsksForTurns);
    }

    /// <summary>A handler with its room. Each priority is an order of its own, with a floor of its own.</summary>
    private sealed record Entry(QueueHandler Handler, QueueRoom Room, IReadOnlyDictionary<JobPriority, ClaimFloor> Floors)
    {
        /// <summary>Whether others may have to wait for the end of its work, so that it has to be recorded before the next claim.</summary>
        public bool IsAwaited => Handler.Placement.Lane is not null || Room.Limit is not null;
    }

    public string[] Handlers => [.. _handlers.Keys];

    /// <summary>Under whose lease it runs jobs.</summary>
    public Guid Node => _lease.Id;

    /// <summary>The handlers whose work is ready when it arrives.</summary>
    public LaneRule[] WithoutLanes => [.. _handlers.Values.Where(entry => !entry.Handler.Placement.IsAdmitted).Select(entry => entry.Handler.Lanes)];

    public string[] PacedQueues => [.. _rooms.Select(room => room.Limit).OfType<QueueLimit>().Where(limit => limit.Spacing is not null).Select(limit => limit.Queue)];

    public string[] WithoutPriorities => [.. _handlers.Values.Where(entry => entry.Handler.Placement.Priority is null).Select(entry => entry.Handler.Name)];

    /// <summary>Set when the answer of a claim or a commit was lost: this node may hold what it does not run.</summary>
    public bool MayHoldStrays { get; set; }

    /// <summary>Whether handlers still ran when the node had stopped, so that the lease must not be ended.</summary>
    public bool HasAbandoned { get; private set; }

    private TimeProvider Clock => _services.Clock;

    private long Now => Clock.GetTimestamp();

    public Guid? Reserve(string handler)
    {
        if (!_handlers.TryGetValue(handler, out var entry))
            return null;
        lock (_lock)
        {
            if (_stops || !entry.Room.IsIdle || !_lease.IsHeld)
                return null;
            entry.Room.TakeSlot();
            return _lease.Id;
        }
    }

    public bool Committed(IReadOnlyList<JobRow> rows)
    {
        bool isWaiting = false, othersMayHelp = false;
        foreach (var row in rows)
            if (row.Node is not null)
                StartBorn(ClaimedJob.Born(row));
            else if (row.IsDelayed)
                DueIn(row.At is { } at ? at - Clock.GetUtcNow() : row.After!.Value);
            else if (_handlers.TryGetValue(row.Handler, out var entry))
            {
                isWaiting = true;
                othersMayHelp |= entry.Room.Free == 0;
            }
            else
                othersMayHelp = true;
        if (isWaiting)
            Wake();
        return othersMayHelp;
    }

    private void StartBorn(ClaimedJob job)
    {
        (Entry Entry, List<JobRun> Runs)? begun;
        lock (_lock)
            begun = _stops ? null : Begin_NeedsLock(job);
        if (begun is (var entry, var runs))
            Start(entry, runs);
        else
            _ = Task.Run(() => GiveBackAsync([job]));
    }

    public void Dropped(IReadOnlyList<JobRow> rows, bool isInDoubt)
    {
        foreach (var row in rows)
            if (row.Node is not null)
                lock (_lock)
                {
                    row.Node = null;
                    _handlers[row.Handler].Room.GiveSlot();
                    MayHoldStrays |= isInDoubt;
                }
        _hint.Raise();
    }

    public void Wake()
    {
        lock (_lock)
            NoteMore_NeedsLock();
        _hint.Raise();
    }

    /// <summary>Turns until the node stops; gives back what was claimed ahead, and lets the handlers that run come to an end.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
            try
            {
                if (!await TurnAsync(stopping))
                    await _hint.WaitAsync(UntilNext(), Clock, stopping);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                break;
            }
        await StopAsync();
    }

    /// <summary>Whether this node knows that it holds the job; what it does not know of is to be given back.</summary>
    public bool Holds(Guid id, int fence)
    {
        lock (_lock)
            return _runs.ContainsKey((id, fence)) || _finished.Contains((id, fence)) || _finishedFirst.Contains((id, fence)) || _rooms.Any(room => room.Has(id));
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
        lock (_lock)
        {
            runs = [.. _runs.Values];
            _outlived.UnionWith(_runs.Keys.Select(run => run.Id));
            var ahead = _rooms.SelectMany(room => room.Clear()).ToArray();
            _holdsSuspect &= !ahead.Any(job => job.Crashes > 0);
            MayHoldStrays = true;
        }
        if (runs.Length > 0)
            QueueLog.LeaseLost(_services.Log, runs.Length);
        foreach (var run in runs)
            run.Cancel(JobEnd.Lost);
    }

    /// <returns>False when there was nothing to do.</returns>
    private async Task<bool> TurnAsync(CancellationToken stopping)
    {
        var (plan, wakes) = Plan();
        if (plan is null)
            return false;
        try
        {
            var asked = Now;
            var result = await _services.Store.RunAsync(plan);
            if (plan.Queues.Count > 0)
                QueueMetrics.Claimed(Clock.GetElapsedTime(asked));
            if (_services.Transactor.Database.Faults is { } faults && plan.Finished.Count + plan.FinishedFirst.Count > 0)
                await faults.ReachAsync(FaultPoint.AfterCompletion, "");
            Apply(plan, result, wakes);
            return true;
        }
        catch (Exception e) when (e is NpgsqlException || DatabaseErrors.IsUnavailable(e))
        {
            // Refused for whatever reason, a full disk for example: the loop is there when there is room again.
            QueueLog.Unavailable(_services.Log, e);
            lock (_lock)
            {
                _finished.AddRange(plan.Finished);      // ending twice ends once
                _finishedFirst.AddRange(plan.FinishedFirst);
                MayHoldStrays = true;
                NoteMore_NeedsLock();
            }
            await Task.Delay(TimeSpan.FromSeconds(1), Clock, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return true;
        }
    }

    private (CyclePlan? Plan, int Wakes) Plan()
    {
        lock (_lock)
        {
            var now = Now;
            var promotes = _dueAt <= now;
            var polls = _pollAt <= now;
            var looks = _lookAt <= now;
            _lookAt = looks ? long.MaxValue : _lookAt;
            if (polls || promotes || looks)
                NoteMore_NeedsLock();
            var wanted = _stops || !_lease.IsHeld ? [] : _rooms.Select(room => (room.Number, Most: room.Wanted, room.Limit)).Where(room => room.Most > 0).ToList();
            var admits = _mayAdmit;
            if ((_finished.Count == 0 || EndsCanWait_NeedsLock(now)) && _finishedFirst.Count == 0 && wanted.Count == 0 && !promotes && !polls && !admits)
                return (null, _wakes);
            _mayAdmit = false;
            if (polls || promotes)
            {
                _pollAt = now + Ticks(_pause * (0.75 + Random.Shared.NextDouble() / 4));
                _dueAt = long.MaxValue;
            }
            var (finished, first) = (_finished, _finishedFirst);
            (_finished, _finishedFirst) = ([], []);
            return (new CyclePlan
            {
                Node = _lease.Id,
                Finished = finished,
                FinishedFirst = first,
                AsksForTurns = _asksForTurns,
                Admits = admits ? [.. _admitted.Select(entry => entry.Handler.Lanes with { Floor = entry.Floors.Values.Min(floor => floor.Tight) })] : null,
                Queues = wanted,
                Handlers = InOrder_NeedsLock(wanted),
                SuspectsMost = wanted.Count > 0 && !_holdsSuspect ? 1 : 0,
                Promotes = promotes,
                AsksForNextDue = polls || promotes || (admits && _asksForTurns),
            }, _wakes);
        }
    }

    /// <summary>
    /// Whoever comes first in the statement gets the room of its queue. So priorities come in the order that the room says, and within one every handler begins once.
    /// </summary>
    private List<(string, int, JobPriority, long)> InOrder_NeedsLock(List<(int Number, int Most, QueueLimit? Limit)> wanted)
    {
        var entries = wanted.Count == 0 ? [] : _handlers.Values.Where(entry => wanted.Any(room => room.Number == entry.Room.Number)).ToArray();
        var turn = entries.Length == 0 ? 0 : _turns++ % entries.Length;
        var order = new List<(string, int, JobPriority, long)>(entries.Length);
        foreach (var (number, _, _) in wanted)
            foreach (var priority in _rooms[number].NextOrder())
                foreach (var entry in entries[turn..].Concat(entries[..turn]))
                    if (entry.Room.Number == number && entry.Floors.TryGetValue(priority, out var floor))
                        order.Add((entry.Handler.Name, number, priority, floor.Take()));
        return order;
    }

    private void Apply(CyclePlan plan, CycleResult result, int wakes)
    {
        if (result.NextDue is { } nextDue)
            DueIn(nextDue);
        List<(Entry, List<JobRun>)> begins = [];
        lock (_lock)
        {
            if (result.Admission.LetIn)
                NoteReady_NeedsLock();
            if (result.Admission.IsUnfinished)
                LookIn_NeedsLock(admitPause);
            if (result.NextStart is { } nextStart)
                LookIn_NeedsLock(nextStart);
            foreach (var job in result.Claimed)
            {
                var entry = _handlers[job.Handler];
                if (job.Crashes > 0)
                    _holdsSuspect = true;
                else
                    NoteClaimed_NeedsLock(entry, job);
                entry.Room.Put(job);
            }
            foreach (var room in _rooms)
                while (room.Next() is { } next)
                    begins.Add(Begin_NeedsLock(next));
            foreach (var (number, most, _) in plan.Queues)
            {
                var hasAll = result.Claimed.Count(job => job.Crashes == 0 && _handlers[job.Handler].Room.Number == number) >= most;
                foreach (var entry in _handlers.Values.Where(entry => entry.Room.Number == number))
                    foreach (var floor in entry.Floors.Values)
                        floor.HasBacklog = hasAll;
                if (!hasAll && wakes == _wakes)
                    _rooms[number].MayHaveMore = false;
            }
            if (result.Claimed.Count > 0)
                _pause = pollLeast;
            else if (plan.AsksForNextDue)
                _pause = Least(_pause * 2, _options.PollInterval);
        }
        foreach (var (entry, runs) in begins)
            Start(entry, runs);
    }

    /// <summary>Begins a job for which a slot has been taken, and for a handler of batches whatever else of it is at hand.</summary>
    private (Entry Entry, List<JobRun> Runs) Begin_NeedsLock(ClaimedJob job)
    {
        var entry = _handlers[job.Handler];
        List<JobRun> runs = [Register_NeedsLock(job, entry)];
        if (entry.Handler.Batch is { } batch && job.Crashes == 0)
            runs.AddRange(entry.Room.TakeMore(job.Handler, batch.Most - 1).Select(more => Register_NeedsLock(more, entry)));
        return (entry, runs);
    }

    private JobRun Register_NeedsLock(ClaimedJob job, Entry entry)
    {
        var run = new JobRun(job, entry.Handler, _services) { PutOff = _outlived.Contains(job.Id) ? besideTime : null };
        if (_cancels)
            run.Cancel(JobEnd.Stopping);
        return _runs[(job.Id, job.Fence)] = run;
    }

    /// <remarks>Without the context of whoever has committed it, or ended the run before: a run is no part of their trace, nor of anything else that goes along with them.</remarks>
    private void Start(Entry entry, List<JobRun> runs) => ThreadPool.UnsafeQueueUserWorkItem(state => _ = RunAsync(entry, runs), null);

    /// <summary>Runs what has a slot, and whatever was claimed ahead and can have the slot then.</summary>
    private async Task RunAsync(Entry entry, List<JobRun> runs)
    {
        try
        {
            if (entry.Handler.Batch is { } batch)
            {
                await GatherAsync(entry, runs, batch);
                await new BatchRun(runs, entry.Handler, _services).RunAsync();
            }
            else
                await runs[0].RunAsync();
        }
        catch (Exception e)
        {
            // Not the handler, whose failures are recorded: the recording. Nobody runs it now, which the next renewal of the lease finds out.
            QueueLog.NotRecorded(_services.Log, entry.Handler.Name, runs[0].Job.Id, e);
            MayHoldStrays = true;
        }
        (Entry, List<JobRun>)? next;
        bool isTurnDue;
        lock (_lock)
        {
            var wereEnds = _finished.Count > 0;
            foreach (var run in runs)
                End_NeedsLock(run, entry);
            entry.Room.GiveSlot();
            next = entry.Room.Next() is { } job ? Begin_NeedsLock(job) : null;
            isTurnDue = !wereEnds || !EndsCanWait_NeedsLock(Now) || _finishedFirst.Count > 0 || _rooms.Any(room => room.Wanted > 0);
            if (_stops && _runs.Count == 0)
                _empty.TrySetResult();
        }
        foreach (var run in runs)
            if (run.RunsAgainAfter is { } after)
                DueIn(after);
        if (next is (var nextEntry, var nextRuns))
            Start(nextEntry, nextRuns);
        if (isTurnDue)
            _hint.Raise();
    }

    /// <summary>Whether what has been done can be ended together with the next claim, which comes when half of what was claimed ahead has begun. Without it, every few ends would be a commit of their own.</summary>
    private bool EndsCanWait_NeedsLock(long now) => !_stops && now < _endAt && _rooms.Any(room => room.ClaimsSoon);

    private void End_NeedsLock(JobRun run, Entry entry)
    {
        run.Dispose();
        _runs.Remove((run.Job.Id, run.Job.Fence));
        if (run.PutOff is null)
            _outlived.Remove(run.Job.Id);
        if (run.IsToFinish)
        {
            if (_finished.Count == 0)
                _endAt = Now + Ticks(endPause);
            (entry.IsAwaited ? _finishedFirst : _finished).Add((run.Job.Id, run.Job.Fence));
        }
        if (run.Job.Crashes > 0)
            _holdsSuspect = false;
        // Of what it kept from running, something may be ready now.
        if (run.Job.Crashes > 0 || entry.IsAwaited)
            NoteMore_NeedsLock();
        entry.Room.Ended(Clock);
    }

    /// <summary>Of several tenants, more than one may have the same place.</summary>
    private static void NoteClaimed_NeedsLock(Entry entry, ClaimedJob job) =>
        entry.Floors[job.Priority].Claimed(entry.Handler.Placement.Tenant is null ? job.Seq : job.Seq - 1);

    /// <summary>
    /// Fills a batch: claims what waits, and once more after its linger. One that may have killed a process stays alone.
    /// </summary>
    private async Task GatherAsync(Entry entry, List<JobRun> runs, BatchRule batch)
    {
        if (runs[0].Job.Crashes > 0)
            return;
        await ClaimMoreAsync(entry, runs, batch.Most);
        if (runs.Count >= batch.Most || batch.Linger == TimeSpan.Zero)
            return;
        await Task.Delay(batch.Linger, Clock, runs[0].Ending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await ClaimMoreAsync(entry, runs, batch.Most);
    }

    private async Task ClaimMoreAsync(Entry entry, List<JobRun> runs, int most)
    {
        CyclePlan plan;
        lock (_lock)
        {
            runs.AddRange(entry.Room.TakeMore(entry.Handler.Name, most - runs.Count).Select(more => Register_NeedsLock(more, entry)));
            if (_stops || runs.Count >= most || !_lease.IsHeld)
                return;
            plan = new CyclePlan
            {
                Node = _lease.Id,
                Queues = [(entry.Room.Number, most - runs.Count, entry.Room.Limit)],
                // The others of a limited queue only to be counted: nothing of theirs is above the highest place.
                Handlers =
                [
                    .. entry.Floors.OrderBy(floor => floor.Key).Select(floor => (entry.Handler.Name, entry.Room.Number, floor.Key, floor.Value.Take())),
                    .. entry.Room.Limit is null ? [] : _handlers.Values.Where(other => other != entry && other.Room == entry.Room).Select(other => (other.Handler.Name, other.Room.Number, JobPriority.Normal, long.MaxValue)),
                ],
            };
        }
        try
        {
            var more = (await _services.Store.RunAsync(plan)).Claimed;
            lock (_lock)
                foreach (var job in more)
                {
                    NoteClaimed_NeedsLock(entry, job);
                    runs.Add(Register_NeedsLock(job, entry));
                }
        }
        catch (Exception e) when (e is NpgsqlException || DatabaseErrors.IsUnavailable(e))
        {
            QueueLog.Unavailable(_services.Log, e);
            MayHoldStrays = true;
        }
    }

    private async Task StopAsync()
    {
        List<ClaimedJob> ahead;
        lock (_lock)
        {
            _stops = true;
            ahead = [.. _rooms.SelectMany(room => room.Clear())];
            if (_runs.Count == 0)
                _empty.TrySetResult();
        }
        if (ahead.Count > 0)
            await GiveBackAsync(ahead);
        using (var drained = new CancellationTokenSource(_options.Drain, Clock))
        await using (drained.Token.Register(CancelAll))
            await Task.WhenAny(_empty.Task, Task.Delay(_options.Drain + obeyTime, Clock, CancellationToken.None));
        if (Running() is { Length: > 0 } abandoned)
        {
            HasAbandoned = true;
            QueueLog.Abandoned(_services.Log, abandoned.Length, string.Join(", ", abandoned.Select(run => run.Job.Handler).Distinct()));
        }
        while (Plan().Plan is { } plan && plan.Finished.Count + plan.FinishedFirst.Count > 0)
            try
            {
                await _services.Store.RunAsync(plan);
            }
            catch (NpgsqlException e)
            {
                QueueLog.Unavailable(_services.Log, e);     // they run again: at least once
                break;
            }
    }

    private void CancelAll()
    {
        lock (_lock)
            _cancels = true;
        foreach (var run in Running())
            run.Cancel(JobEnd.Stopping);
    }

    private async Task GiveBackAsync(IReadOnlyList<ClaimedJob> jobs)
    {
        try
        {
            await _services.Store.ReleaseAsync([.. jobs.Select(job => (job.Id, job.Fence))]);
        }
        catch (NpgsqlException e)
        {
            QueueLog.Unavailable(_services.Log, e);     // the end of the lease gives them back
        }
    }

    private JobRun[] Running()
    {
        lock (_lock)
            return [.. _runs.Values];
    }

    private void LookIn_NeedsLock(TimeSpan time) => _lookAt = Math.Min(_lookAt, Now + Ticks(time));

    private void DueIn(TimeSpan time)
    {
        lock (_lock)
            _dueAt = Math.Min(_dueAt, Now + Ticks(time < TimeSpan.Zero ? TimeSpan.Zero : time));
        _hint.Raise();
    }

    private TimeSpan UntilNext()
    {
        lock (_lock)
        {
            var endAt = _finished.Count > 0 ? _endAt : long.MaxValue;
            var left = Clock.GetElapsedTime(Now, Math.Min(Math.Min(_lookAt, endAt), Math.Min(_pollAt, _dueAt)));
            return left < TimeSpan.FromMilliseconds(1) ? TimeSpan.FromMilliseconds(1) : left;
        }
    }

    private void NoteMore_NeedsLock()
    {
        _mayAdmit = _admitted.Length > 0;
        NoteReady_NeedsLock();
    }

    private void NoteReady_NeedsLock()
    {
        _wakes++;
        foreach (var room in _rooms)
            room.MayHaveMore = true;
    }

    private long Ticks(TimeSpan time) => (long)(time.TotalSeconds * Clock.TimestampFrequency);

    private static TimeSpan Least(TimeSpan one, TimeSpan other) => one < other ? one : other;
}
