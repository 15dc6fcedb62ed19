using System.Text.Json;
using Mainstay.Internal;

namespace Mainstay;

/// <summary>
/// The sagas of an application: to look at, and to decide about where one cannot go on by itself. Every decision has an entry in the audit trail and in the timeline of the saga, that says who and why. A
/// saga is begun by publishing its event, or by enqueueing its record when that is no event.
/// </summary>
public sealed class Sagas
{
    private static readonly TimeSpan patience = TimeSpan.FromSeconds(30);

    private readonly Transactor _transactor;
    private readonly SagaModel _model;
    private readonly JobDesk _desk;

    internal Sagas(Transactor transactor, SagaModel model, JobDesk desk)
    {
        _transactor = transactor;
        _model = model;
        _desk = desk;
    }

    internal SagaModel Model => _model;

    /// <summary>A saga with its timeline, open or ended; null when there is none of this id, or it ended too long ago.</summary>
    public Task<SagaInstance?> FindAsync(Guid id, CancellationToken cancellation = default) => ReadAsync(snapshot => SagaStore.FindAsync(snapshot, id), cancellation);

    /// <summary>Sagas, those that began last first.</summary>
    /// <param name="filter">Which. Default: all that are open.</param>
    /// <param name="before">The last one of the page before. Default: from the beginning.</param>
    /// <param name="size">How many, 1 to 1000. Default: 100.</param>
    /// <param name="cancellation">Ends the query.</param>
    public Task<IReadOnlyList<SagaSummary>> ListAsync(SagaFilter? filter = null, Guid? before = null, int size = 100, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, 1000);
        return ReadAsync(snapshot => SagaStore.ListAsync(snapshot, filter ?? new SagaFilter(), before, size), cancellation);
    }

    /// <summary>Makes a saga go back: what was done is undone, the last first. What runs just now is waited for, and undone too.</summary>
    /// <param name="id">The saga.</param>
    /// <param name="why">What for; for the audit trail and the timeline.</param>
    /// <param name="by">Who does it. Default: the application.</param>
    /// <param name="cancellation">Ends the statement.</param>
    /// <returns>False when there is none that is open, or it goes back already.</returns>
    public Task<bool> CompensateAsync(Guid id, string why, User? by = null, CancellationToken cancellation = default) => ChangeAsync(work => SagaDecisions.CompensateAsync(_model, work, id, why), by, cancellation);

    /// <summary>Has the step that a saga is stuck at tried again, with all its attempts before it.</summary>
    /// <inheritdoc cref="CompensateAsync"/>
    /// <returns>False when there is none that is open, or it is not stuck.</returns>
    public Task<bool> RetryAsync(Guid id, string why, User? by = null, CancellationToken cancellation = default) => ChangeAsync(work => SagaDecisions.RetryAsync(_model, work, id, why), by, cancellation);

    /// <summary>Lets a saga go on as if what it stands at had been done, undone or waited for: because somebody has done it by hand, or nobody needs it.</summary>
    /// <param name="id">The saga.</param>
    /// <param name="item">The step or wait.</param>
    /// <param name="why">What for; for the audit trail and the timeline.</param>
    /// <param name="result">What the step would have given, as JSON. Needed where steps behind it ask for it.</param>
    /// <param name="by">Who does it. Default: the application.</param>
    /// <param name="cancellation">Ends the statement.</param>
    /// <returns>False when there is none that is open, or it does not stand there.</returns>
    /// <exception cref="ProblemException"><c>validation-failed</c> or <c>malformed-json</c>: the result is missing or cannot be read. <c>concurrent-update</c>: the step runs just now.</exception>
    public Task<bool> SkipAsync(Guid id, string item, string why, string? result = null, User? by = null, CancellationToken cancellation = default) =>
        ChangeAsync(work => SagaDecisions.SkipAsync(_model, work, id, item, why, result), by, cancellation);

    private Task<T> ReadAsync<T>(Func<Snapshot, Task<T>> read, CancellationToken cancellation) =>
        _transactor.ReadAsync(new TransactionRequest(User.System("sagas"), Origin.OfRead, Deadline.After(patience, _transactor.Database.Clock), cancellation), read);

    private async Task<bool> ChangeAsync(Func<UnitOfWork, Task<bool>> change, User? by, CancellationToken cancellation)
    {
        var here = ApplicationOrigin.Here();
        var request = new TransactionRequest(by ?? User.System(here.Operation), by is null ? here : here with { Actor = by.Id }, Deadline.After(patience, _transactor.Database.Clock), cancellation);
        var isChanged = await _transactor.RunAsync(request, async work => new Completed<bool>(await change(work)));
        if (isChanged)
            _desk.Wake();
        return isChanged;
    }
}
