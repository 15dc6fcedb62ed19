using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>
/// The way of one saga: from where it stands, and something that has happened, to where it stands then and what is to be done next. It only computes; whoever calls it holds the row,
/// and commits the outcome together with what has happened.
/// </summary>
/// <remarks>
/// Forward it goes from item to item. Once it has turned, nothing new is begun; when what was on its way has ended, the steps that were done are undone one by one, the last first.
/// </remarks>
internal sealed class SagaWalk
{
    private readonly SagaDefinition _definition;
    private readonly List<SagaPending> _pending;
    private readonly List<SagaEntry> _log;
    private readonly DateTimeOffset _now;
    private readonly object?[] _facts;
    private int _place;
    private string? _turned;

    /// <param name="definition">The definition that it goes by.</param>
    /// <param name="state">Where it stands.</param>
    /// <param name="input">What began it.</param>
    /// <param name="now">The time that is written beside what happens.</param>
    public SagaWalk(SagaDefinition definition, SagaState state, object input, DateTimeOffset now)
    {
        _definition = definition;
        _now = now;
        (_place, _pending, _turned, _log) = (state.Place, [.. state.Pending], state.Turned, [.. state.Log]);
        _facts = new object?[definition.Facts.Count];
        _facts[0] = input;
        foreach (var entry in _log)
            Learn(entry);
    }

    /// <summary>What began it and what its steps have given, in the order of <see cref="SagaDefinition.Facts"/>; null for what is not known.</summary>
    public object?[] Facts => _facts;

    public SagaState State => new(_place, _pending, _turned, _log);

    public bool HasTurned => _turned is not null;

    /// <summary>Whether something was given or received since this object was made.</summary>
    public bool HasLearned { get; private set; }

    /// <summary>What it has to do next, since this object was made.</summary>
    public List<SagaStart> Starts { get; } = [];

    /// <summary>How it has ended; null while it is open.</summary>
    public SagaStatus? Outcome { get; private set; }

    public SagaStatus Status => Outcome ?? (HasTurned ? SagaStatus.Compensating : _pending.Exists(owed => _definition.Find(owed.Item) is SagaWait) ? SagaStatus.Waiting : SagaStatus.Running);

    /// <summary>Whether this job is still one of its own.</summary>
    public bool Expects(Guid job) => _pending.Exists(owed => owed.Job == job);

    /// <summary>The other jobs that it has.</summary>
    public Guid[] Others(Guid job) => [.. _pending.Where(owed => owed.Job != job).Select(owed => owed.Job)];

    /// <summary>Begins it.</summary>
    public void Begin() => Forward();

    /// <summary>A step was done.</summary>
    public void Done(SagaStep step, Guid job, JsonElement? result)
    {
        Settle(job);
        Write(new SagaEntry(step.Name, SagaEvent.Done, _now, result));
        GoOn();
    }

    /// <summary>A step was undone.</summary>
    public void Undone(SagaStep step, Guid job)
    {
        Settle(job);
        Write(new SagaEntry(step.Name, SagaEvent.Undone, _now));
        GoOn();
    }

    /// <summary>A step was given up. The saga has to turn then.</summary>
    /// <param name="step">The step.</param>
    /// <param name="job">Its job.</param>
    /// <param name="error">Why.</param>
    /// <param name="isRefusal">Whether it is known that nothing has happened.</param>
    public void Failed(SagaStep step, Guid job, string error, bool isRefusal)
    {
        Settle(job);
        Write(new SagaEntry(step.Name, isRefusal ? SagaEvent.Refused : SagaEvent.Failed, _now, Note: error));
    }

    /// <summary>An event has come, perhaps before it is waited for.</summary>
    /// <returns>Whether it is the first of its kind.</returns>
    public bool Received(SagaWait wait, JsonElement payload, DateTimeOffset? at = null)
    {
        if (HasTurned || _log.Exists(entry => entry.Item == wait.Name && entry.Event is SagaEvent.Received or SagaEvent.TimedOut or SagaEvent.Skipped))
            return false;
        Write(new SagaEntry(wait.Name, SagaEvent.Received, at ?? _now, payload));
        return true;
    }

    /// <summary>Goes on behind a wait that it stands at.</summary>
    public void EndWait(Guid timer)
    {
        Settle(timer);
        GoOn();
    }

    /// <summary>An event has not come in time, and the saga goes on without it.</summary>
    public void TimedOut(SagaWait wait, Guid timer)
    {
        Settle(timer);
        Write(new SagaEntry(wait.Name, SagaEvent.TimedOut, _now));
        GoOn();
    }

    /// <summary>Somebody has decided that it goes on without this.</summary>
    public void Skipped(SagaItem item, Guid job, JsonElement? result, string why, string by)
    {
        Settle(job);
        Write(new SagaEntry(item.Name, SagaEvent.Skipped, _now, result, why, by));
        GoOn();
    }

    public void Retried(SagaItem item, string why, string by) => Write(new SagaEntry(item.Name, SagaEvent.Retried, _now, Note: why, By: by));

    /// <summary>A job that was lost is to be replaced by another one.</summary>
    public void Replace(Guid job)
    {
        var owed = _pending.Find(owed => owed.Job == job)!;
        Settle(job);
        Start(_definition.PartOf(owed.Part), null);
    }

    /// <summary>Goes back from here. Once is enough: the first reason counts.</summary>
    /// <param name="why">Why, for those who look at it.</param>
    /// <param name="withdrawn">Which of its jobs have been taken away. It waits for the end of the others.</param>
    /// <param name="by">Who decided it, if somebody did.</param>
    public void Turn(string why, IReadOnlyCollection<Withdrawn> withdrawn, string? by = null)
    {
        if (!HasTurned)
        {
            _turned = why;
            Write(new SagaEntry(null, SagaEvent.Turned, _now, Note: why, By: by));
        }
        foreach (var job in withdrawn)
            if (_pending.Find(owed => owed.Job == job.Id) is { } owed)
            {
                Settle(job.Id);
                // One that has been claimed may have had its effect where nobody here can see it, and then it is as if it had failed.
                Write(new SagaEntry(owed.Item, job.Fence > 0 && _definition.Find(owed.Item) is SagaStep ? SagaEvent.Failed : SagaEvent.Withdrawn, _now));
            }
        GoOn();
    }

    private void GoOn()
    {
        if (HasTurned)
            Back();
        else if (_pending.Count == 0)
            Forward();
    }

    private void Forward()
    {
        while (_place < _definition.Items.Count)
        {
            var item = _definition.Items[_place];
            if (!IsOnTheWay(item) || IsBehind(item))
                _place++;
            else if (item is SagaBranch branch)
            {
                Write(new SagaEntry(branch.Name, SagaDefinition.Holds(branch, _facts) ? SagaEvent.Then : SagaEvent.Otherwise, _now));
                _place++;
            }
            else if (item is SagaWait wait)
            {
                Start(wait.Timer, wait.Time);
                return;
            }
            else
            {
                foreach (var step in _definition.Together((SagaStep)item))
                    if (!IsBehind(step))
                        Start(step.Do, null);
                return;
            }
        }
        Outcome = SagaStatus.Completed;
    }

    private void Back()
    {
        if (_pending.Count > 0)
            return;
        for (var i = _log.Count - 1; i >= 0; i--)
            if (IsToBeUndone(_log[i]) is { } step)
            {
                Start(step.Undo!, null);
                return;
            }
        Outcome = SagaStatus.Compensated;
    }

    /// <summary>The step, if it was done and is not undone.</summary>
    private SagaStep? IsToBeUndone(SagaEntry entry) =>
        _definition.Find(entry.Item) is SagaStep { Undo: not null } step
        && (entry.Event == SagaEvent.Done || (entry.Event == SagaEvent.Failed && step.UndoIfUnknown))
        && _log.FindLastIndex(later => later.Item == step.Name && later.Event is SagaEvent.Undone or SagaEvent.Skipped) < _log.FindIndex(turn => turn.Event == SagaEvent.Turned)
            ? step : null;

    private bool IsOnTheWay(SagaItem item) => item.Within.All(branch => _log.Exists(entry => entry.Item == branch.Branch.Name && entry.Event == (branch.Side ? SagaEvent.Then : SagaEvent.Otherwise)));

    /// <summary>Whether it has been dealt with.</summary>
    private bool IsBehind(SagaItem item) => _log.Exists(entry => entry.Item == item.Name && entry.Event is SagaEvent.Done or SagaEvent.Received or SagaEvent.TimedOut or SagaEvent.Skipped);

    private void Start(SagaPart part, TimeSpan? after)
    {
        var start = new SagaStart(Guid.CreateVersion7(), part, after);
        Starts.Add(start);
        _pending.Add(new SagaPending(part.Handler.Name, part.Item.Name, start.Job));
    }

    private void Settle(Guid job) => _pending.RemoveAll(owed => owed.Job == job);

    private void Write(SagaEntry entry)
    {
        _log.Add(entry);
        HasLearned |= entry.Result is not null;
        Learn(entry);
    }

    private void Learn(SagaEntry entry)
    {
        if (entry.Result is { } result && _definition.Find(entry.Item)?.Gives is { } type)
            _facts[_definition.SlotOf(type)] = StoredJson.Read(type, result.GetRawText());
    }
}

/// <summary>A job that a saga has to have next.</summary>
/// <param name="Job">Its id.</param>
/// <param name="Part">What it does.</param>
/// <param name="After">When it is due; null for at once.</param>
internal sealed record SagaStart(Guid Job, SagaPart Part, TimeSpan? After);
