using Mainstay.Internal;

namespace Mainstay;

/// <summary>
/// What is declared about a saga: steps, in the order in which they are done, and what undoes each. Every method returns the same declaration, so that calls chain.
/// </summary>
/// <remarks>
/// Handlers ask for what they need by its type: the record that began the saga, and the records that steps before them gave. A step has happened once that is recorded, and its record is kept with
/// the saga; the step itself is at least once, or exactly once with a <see cref="UnitOfWork"/>.
/// </remarks>
/// <typeparam name="T">The record that begins it.</typeparam>
public sealed class SagaDeclaration<T> where T : class
{
    private readonly SagaModel _model;
    private readonly SagaDefinition _definition;
    private IReadOnlyList<(SagaBranch, bool)> _branches = [];
    private int? _group;
    private int _groups;

    internal SagaDeclaration(SagaModel model, SagaDefinition definition) => (_model, _definition) = (model, definition);

    /// <summary>What events find an instance by. While one is open, no other begins with the same key.</summary>
    /// <param name="key">The key, from the record that begins it, for example an id. 1 to 400 characters as text. Default: one that nobody knows, so that any number is open at once.</param>
    public SagaDeclaration<T> By(Func<T, object?> key)
    {
        ArgumentNullException.ThrowIfNull(key);
        _definition.Key = input => key((T)input);
        return this;
    }

    /// <summary>Something to be done.</summary>
    /// <param name="name">The stored name, unique within the saga, for example <c>charge card</c>.</param>
    /// <param name="step">
    /// A lambda or method that takes, in any order, what began the saga, what steps before it gave, a <see cref="UnitOfWork"/> or an <see cref="Outbound"/>, and services. It may give a record for those
    /// behind it. A refusal of the application, thrown by <see cref="ProblemType.Because(string)"/>, says that it cannot be done and that nothing has happened: the saga goes back at once.
    /// </param>
    /// <param name="undo">The same for what undoes it; it may also take what the step gave. Default: there is nothing to be undone.</param>
    /// <param name="options">Retries, timeout and queue of the step.</param>
    public SagaDeclaration<T> Step(string name, Delegate step, Delegate? undo = null, Action<SagaStepDeclaration>? options = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(step);
        var done = new SagaStepPart(_definition, step, isUndo: false);
        var undone = undo is null ? null : new SagaStepPart(_definition, undo, isUndo: true);
        var item = new SagaStep(name) { Within = _branches, Do = done, Undo = undone, Group = _group };
        Add(item, done, name);
        if (undone is not null)
            Add(item, undone, $"undo {name}");
        _definition.Items.Add(item);
        options?.Invoke(new SagaStepDeclaration(item));
        return this;
    }

    /// <summary>Steps that are done at the same time. When one cannot be done, the others are waited for, or not begun, and those that were done are undone one after the other.</summary>
    /// <param name="steps">Declares the steps, and nothing else.</param>
    public SagaDeclaration<T> Together(Action<SagaDeclaration<T>> steps)
    {
        ArgumentNullException.ThrowIfNull(steps);
        if (_group is not null)
            _model.Refuse("MST3101", $"Saga '{_definition.Prefix}' has steps together within others that are done together. Say Together once.");
        _group = ++_groups;
        steps(this);
        _group = null;
        return this;
    }

    /// <summary>What is only done in some instances.</summary>
    /// <param name="name">The stored name of the branch, unique within the saga. Which side was taken is recorded, so that it does not change later.</param>
    /// <param name="condition">A lambda of what began the saga and what steps before gave, which looks at nothing else.</param>
    /// <param name="then">Declares what is done when it holds.</param>
    /// <param name="otherwise">Declares what is done when it does not. Default: nothing.</param>
    public SagaDeclaration<T> When(string name, Delegate condition, Action<SagaDeclaration<T>> then, Action<SagaDeclaration<T>>? otherwise = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(condition);
        ArgumentNullException.ThrowIfNull(then);
        Alone(name);
        var branch = new SagaBranch(name, condition) { Within = _branches };
        _definition.Items.Add(branch);
        var before = _branches;
        _branches = [.. before, (branch, true)];
        then(this);
        _branches = [.. before, (branch, false)];
        otherwise?.Invoke(this);
        _branches = before;
        return this;
    }

    /// <summary>Waits for an event. One that comes before the saga has come so far, or before it has begun, is kept for it.</summary>
    /// <typeparam name="TEvent">An event. Handlers behind it may ask for it.</typeparam>
    /// <param name="name">The stored name, unique within the saga, for example <c>delivered</c>.</param>
    /// <param name="key">The key of the instance that it is for, from the event.</param>
    /// <param name="within">How long to wait at most; 1 ms to 366 days.</param>
    /// <param name="late">What becomes of the saga when it has not come by then. Default: it goes back.</param>
    public SagaDeclaration<T> Wait<TEvent>(string name, Func<TEvent, object?> key, TimeSpan within, SagaLate late = SagaLate.Compensate) where TEvent : class
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(key);
        CheckTime(within, nameof(within));
        Alone(name);
        var timer = new SagaTimerPart(_definition);
        var item = new SagaWait(name, typeof(TEvent), @event => key((TEvent)@event), within, late) { Within = _branches, Timer = timer };
        Add(item, timer, $"end of {name}");
        _definition.Items.Add(item);
        _model.Listen<TEvent>(_definition.Saga, name);
        return this;
    }

    /// <summary>How long it may take. Then no further step is begun, and it goes back. Default: as long as it takes.</summary>
    /// <param name="time">1 ms to 366 days, from when it begins. A step that runs just then is waited for.</param>
    public SagaDeclaration<T> Within(TimeSpan time)
    {
        CheckTime(time, nameof(time));
        _definition.Within = time;
        return this;
    }

    private static void CheckTime(TimeSpan time, string name)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(time, TimeSpan.FromMilliseconds(1), name);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(time, TimeSpan.FromDays(366), name);
    }

    private void Alone(string name)
    {
        if (_group is not null)
            _model.Refuse("MST3101", $"Saga '{_definition.Prefix}' has '{name}' among steps that are done together, which only steps are. Put it before or behind them.");
    }

    private void Add(SagaItem item, SagaPart part, string what)
    {
        part.Item = item;
        part.Handler = _model.Queues.Add(new QueueHandler($"{_definition.Prefix}: {what}", static () => { }) { Part = part });
        _definition.Add(part);
    }
}
