using System.Runtime.ExceptionServices;

namespace Mainstay.Internal;

/// <summary>
/// One run of a job of a saga. A unit of work holds the row of the saga from its beginning, or finds out in its commit that nobody else has moved it, so that all that happens to one instance happens one after the
/// other; what reaches out of the process takes the row when it has come back.
/// </summary>
internal sealed class SagaPartRun(SagaPart part, ClaimedJob job, JobRunServices services) : IJobPartRun
{
    /// <summary>How long to wait for a node that has the definition which the saga goes by.</summary>
    private static readonly TimeSpan elsewhere = TimeSpan.FromSeconds(30);

    /// <summary>How long to leave a saga to the step that holds it.</summary>
    private static readonly TimeSpan busy = TimeSpan.FromSeconds(1);

    /// <summary>How long to try to record what has happened outside.</summary>
    private static readonly TimeSpan patience = TimeSpan.FromSeconds(30);

    /// <summary>Whether the handler of a step that reaches out of the process has come back: its effect is there.</summary>
    private bool _isDone;

    public TimeSpan? Left { get; private set; }

    public bool CanGiveUp => part is SagaStepPart { IsUndo: false };

    private Guid Saga => job.Message ?? throw new StepException(DeadReason.Unreadable, $"MST3103: The job {job.Id} of '{job.Handler}' belongs to no saga. Only sagas enqueue it; discard it.");

    public async Task RunAsync(TransactionRequest request, object? input, CancellationToken ending)
    {
        if (job.Known is SagaFirstFailure { Error: var error })
            ExceptionDispatchInfo.Throw(error);
        if (part.IsTransactional)
            await CommitAsync(request);
        else
            await ReachOutAsync(request, ending);
    }

    private async Task CommitAsync(TransactionRequest request)
    {
        var hasBegun = false;
        try
        {
            await MoveAsync(request, async (work, walk, row) =>
            {
                hasBegun = true;
                if (IsTooLate(row) || IsInVain(walk))
                    await TurnAsync(work, walk);
                else
                    await part.EndAsync(work, walk, job, await part.InvokeAsync(walk.Facts, _ => work, services.Scopes, work.Cancellation));
            });
        }
        catch (ProblemException e) when (!hasBegun && e.Type == ProblemCatalogue.ConcurrentUpdate)
        {
            // Another step of the saga holds it for long. That is no attempt at this one.
            throw new SnoozeException(busy);
        }
    }

    /// <summary>
    /// A saga that has turned while this ran could not withdraw it then. Now it can: nobody runs it until its pause is over. Whoever turns it just now is waited for: without the lock, one would look before
    /// the other's commit, and the other before this one's.
    /// </summary>
    public async Task RetriedAsync()
    {
        if (!IsForward)
            return;
        await services.Transactor.RunAsync(Request(), async work =>
        {
            if (await SagaStore.LockAsync(work, Saga) is { } row && SagaMoves.Walk(part.Definition, row) is { HasTurned: true } walk && walk.Expects(job.Id))
            {
                await SagaMoves.TurnAsync(work, walk, "It has turned already.");
                SagaMoves.Save(work, row, walk);
            }
            return new Completed<bool>(true);
        });
    }

    public bool IsFinal(Exception error) => CanGiveUp && error is ProblemException { Type: var type } && !ProblemCatalogue.All.Contains(type);

    public async Task<bool> GiveUpAsync(Exception error, string text)
    {
        if (_isDone)
            throw Unrecorded(error);
        try
        {
            var step = (SagaStep)part.Item;
            await MoveAsync(Request(), async (work, walk, _) =>
            {
                walk.Failed(step, job.Id, text, IsFinal(error));
                await SagaMoves.TurnAsync(work, walk, $"'{step.Name}' {(IsFinal(error) ? "was refused" : "failed")}: {text}", job.Id);
            });
            return true;
        }
        catch (Exception e) when (QueueSql.IsFenced(e))
        {
            return false;
        }
    }

    private async Task ReachOutAsync(TransactionRequest request, CancellationToken ending)
    {
        object? result = null;
        if ((Known(isRepeated: false, services.Clock.GetUtcNow()) ?? await SagaStore.ReadAsync(services.Transactor.Database, Saga, request.Cancellation)) is { } before)
        {
            Check(before);
            var walk = SagaMoves.Walk(part.Definition, before);
            if (walk.Expects(job.Id) && !IsTooLate(before) && !IsInVain(walk))
            {
                var key = StableKey.Of(Saga, job.Handler);
                await ReachAsync(FaultPoint.BeforeSideEffect, request);
                result = await part.InvokeAsync(walk.Facts, scope => new Outbound(job, new JobSteps(job, services, () => request, key, request.Cancellation), key, scope), services.Scopes, request.Cancellation);
                _isDone = true;
                await ReachAsync(FaultPoint.AfterSideEffect, request);
            }
        }
        await ReachAsync(FaultPoint.BeforeCompletion, request);
        if (_isDone)
            await RecordAsync(request, result, ending);
        else
            await MoveAsync(Patient(request), (work, walk, _) => TurnAsync(work, walk));
    }

    /// <summary>Records what a step came to outside. While another step holds the saga, again and again: run anew it could fail, or find that the saga has turned, and its effect would be undone by nobody.</summary>
    private async Task RecordAsync(TransactionRequest request, object? result, CancellationToken ending)
    {
        while (true)
            try
            {
                await MoveAsync(Patient(request), (work, walk, _) => part.EndAsync(work, walk, job, result));
                return;
            }
            catch (Exception e) when (JobRun.IsBusy(e))
            {
                QueueLog.NotRecorded(services.Log, job.Handler, job.Id, e);
                if (ending.IsCancellationRequested)
                    throw new SnoozeException(busy);     // another node runs it again, with the same key
                await Task.Delay(busy, services.Clock, ending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (Exception e) when (!SagaMoves.MayPass(e))
            {
                throw Unrecorded(e);
            }
    }

    private StepException Unrecorded(Exception error) => new(DeadReason.Failed,
        $"MST3108: '{job.Handler}' was done for saga {Saga}, and that cannot be recorded: {error.Message} Mend that, and have the saga retried; the key of its call is the same.", error);

    /// <summary>Moves the saga on and ends the job, in one transaction. A job that the saga does not have any more only ends.</summary>
    private Task<bool> MoveAsync(TransactionRequest request, Func<UnitOfWork, SagaWalk, SagaRow, Task> move) => services.Transactor.RunAsync(
        request with { IsKeyed = true },     // the row of the job is: a commit whose answer was lost has deleted it
        async work =>
        {
            if ((Known(work.IsRepeated, work.Now) ?? await SagaStore.LockAsync(work, Saga)) is { } row)
            {
                Check(row);
                var walk = SagaMoves.Walk(part.Definition, row);
                if (walk.Expects(job.Id))
                {
                    await move(work, walk, row);
                    SagaMoves.Save(work, row, walk, ends: job.Handler);
                }
            }
            return new Completed<bool>(true) { First = QueueStore.Complete(job, part.Handler.Placement) };
        });

    /// <summary>
    /// The saga as this process has just committed it, when this run goes on from there: nothing is read or held then, and the commit finds out whether somebody else has moved it since. If so, the unit of work is
    /// run again, and looks. So does one that seems to be late: that is for the clock of the database to say.
    /// </summary>
    private SagaRow? Known(bool isRepeated, DateTimeOffset now) => !isRepeated && (job.Known as SagaRow)?.At(now) is { IsLate: false } row ? row : null;

    /// <summary>The deadline is over, or the saga has turned before this step was begun.</summary>
    private Task TurnAsync(UnitOfWork work, SagaWalk walk) =>
        SagaMoves.TurnAsync(work, walk, $"It has not come to its end within {part.Definition.Within}.", job.Id, claims: job.Fence - 1);

    private async ValueTask ReachAsync(string point, TransactionRequest request)
    {
        if (services.Transactor.Database.Faults is { } faults)
            await faults.ReachAsync(point, request.Origin.Operation);
    }

    private bool IsForward => part is not SagaStepPart { IsUndo: true };

    private bool IsTooLate(SagaRow row) => IsForward && row.IsLate;

    /// <summary>Nothing new is begun once it has turned.</summary>
    private bool IsInVain(SagaWalk walk) => IsForward && walk.HasTurned;

    /// <exception cref="SnoozeException">Another node has to do it.</exception>
    private void Check(SagaRow row)
    {
        Left = IsForward ? row.Left : null;
        if (row.Shape == part.Definition.Shape)
            return;
        SagaLog.OtherShape(services.Log, part.Definition.Prefix, row.Id, elsewhere);
        throw new SnoozeException(elsewhere);
    }

    private TransactionRequest Request()
    {
        var cause = job.Cause(OriginJson.Read(job.Origin), part.Handler.Operation);
        return new TransactionRequest(User.System(cause.Operation), cause, Deadline.After(patience, services.Clock), CancellationToken.None);
    }

    private TransactionRequest Patient(TransactionRequest request) => request with { Deadline = Deadline.After(patience, services.Clock), Cancellation = CancellationToken.None };
}
