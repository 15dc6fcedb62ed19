using Mainstay.Internal;

namespace Mainstay;

/// <summary>What is declared about a step of a saga. When all of its attempts have failed, the saga goes back.</summary>
public sealed class SagaStepDeclaration : HandlerDeclaration<SagaStepDeclaration>
{
    private readonly SagaStep _step;

    internal SagaStepDeclaration(SagaStep step) : base(step.Do.Handler) => _step = step;

    /// <summary>
    /// Undoes the step also when it has failed for good, because it reaches out of the process and may have happened although no answer came. The undo gets null for what the step gave. Not after a refusal
    /// of the application. Default: only what was done is undone.
    /// </summary>
    public SagaStepDeclaration UndoIfUnknown()
    {
        _step.UndoIfUnknown = true;
        return this;
    }

    /// <summary>Retries, timeout and queue of what undoes it. When all of its attempts have failed, the saga stands until somebody decides.</summary>
    /// <exception cref="InvalidOperationException">MST3101: the step has no undo.</exception>
    public SagaStepDeclaration Undo(Action<SagaUndoDeclaration> options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options(new SagaUndoDeclaration((_step.Undo ?? throw new InvalidOperationException($"MST3101: Step '{_step.Name}' has no undo that something could be said about.")).Handler));
        return this;
    }
}

/// <summary>What is declared about what undoes a step of a saga.</summary>
public sealed class SagaUndoDeclaration : HandlerDeclaration<SagaUndoDeclaration>
{
    internal SagaUndoDeclaration(QueueHandler handler) : base(handler)
    {
    }
}
