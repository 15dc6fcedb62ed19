using Mainstay.Internal;

namespace Mainstay;

/// <summary>
/// The context of a handler that reaches out of the process, after the commit that caused it. It runs at least once: after a failure, and after the death of
/// its process, it runs again, with the same <see cref="Key"/>. What it does in steps is not done again once it has been recorded.
/// </summary>
public sealed class Outbound
{
    private readonly ClaimedJob _job;
    private readonly JobSteps _steps;

    private readonly Guid _key;

    internal Outbound(ClaimedJob job, JobSteps steps, Guid key, IServiceProvider services) => (_job, _steps, _key, Services) = (job, steps, key, services);

    /// <summary>Those of the scope of this run.</summary>
    internal IServiceProvider Services { get; }

    /// <summary>The same at every attempt and for nothing else: the idempotency key to hand to the other side.</summary>
    public string Key => field ??= _key.ToString();

    /// <summary>The number of this run, from 1. Runs that were given back or put off are not counted.</summary>
    public int Attempt => _job.Attempt;

    /// <summary>Ends at the timeout of the handler, when its node stops, and when the node has lost its lease. Pass it to whatever the handler awaits.</summary>
    public CancellationToken Cancellation => _steps.Cancellation;

    /// <summary>
    /// Does something once it has not been done in an earlier attempt, and records what it came to; later attempts are given that. It is done at least once: a
    /// process that dies between the two does it again, with the same key.
    /// </summary>
    /// <param name="name">What the step is found again by: one of its own for each step of the handler, at most 100 characters.</param>
    /// <param name="step">Takes an idempotency key for the other side, which is the same at every attempt and for no other step.</param>
    /// <typeparam name="T">A record, a value, or a list of these. All results of a job have 256 KiB of JSON together.</typeparam>
    /// <exception cref="ConfigurationException">MST1003: the result cannot be stored. Nothing was done.</exception>
    public Task<T> StepAsync<T>(string name, Func<string, Task<T>> step)
    {
        ArgumentNullException.ThrowIfNull(step);
        return _steps.RunAsync(name, step);
    }

    /// <summary>The same for a step that comes to nothing that is needed later.</summary>
    /// <param name="name">What the step is found again by.</param>
    /// <param name="step">Takes an idempotency key for the other side.</param>
    public Task StepAsync(string name, Func<string, Task> step)
    {
        ArgumentNullException.ThrowIfNull(step);
        return _steps.RunAsync(name, async key =>
        {
            await step(key);
            return NoResult.Value;
        });
    }

    /// <summary>
    /// Changes the database between two calls to others: one transaction with its own record, so it has happened once, however often the handler runs. Refused when
    /// another node has taken the job over.
    /// </summary>
    /// <param name="name">What the step is found again by, as for <see cref="StepAsync{T}"/>.</param>
    /// <param name="step">Like a handler with a <see cref="UnitOfWork"/>: returning commits, throwing rolls back, and it may run again for that.</param>
    public Task<T> CommitAsync<T>(string name, Func<UnitOfWork, Task<T>> step)
    {
        ArgumentNullException.ThrowIfNull(step);
        return _steps.CommitAsync(name, step);
    }

    /// <summary>The same for a transaction that comes to nothing that is needed later.</summary>
    /// <param name="name">What the step is found again by.</param>
    /// <param name="step">Like a handler with a <see cref="UnitOfWork"/>.</param>
    public Task CommitAsync(string name, Func<UnitOfWork, Task> step)
    {
        ArgumentNullException.ThrowIfNull(step);
        return _steps.CommitAsync(name, async work =>
        {
            await step(work);
            return NoResult.Value;
        });
    }
}
