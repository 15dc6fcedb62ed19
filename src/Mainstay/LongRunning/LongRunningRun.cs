using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

/// <summary>Why a run is ended from outside.</summary>
internal enum RunEnd { None, Cancelled, Lost, Stopping }

/// <summary>How a run ended. Retried and released operations run again; of a lost one, another node decides.</summary>
internal enum RunOutcome { Succeeded, Failed, Cancelled, Retried, Released, Lost }

/// <summary>
/// One run of an operation that this node has claimed: the handler in one unit of work, whose commit also ends the operation. A process that dies anywhere
/// in here leaves it running under a lease that nobody renews, and the next node begins it again.
/// </summary>
internal sealed class LongRunningRun(ClaimedOperation claimed, LongRunningCommand command, BackendServices backend, IServiceScopeFactory scopes, ILogger log) : IDisposable
{
    private readonly CancellationTokenSource _ending = new();
    private int _end;

    public ClaimedOperation Claimed => claimed;

    private string PublicId => TypeId.Format(StoredOperation.IdPrefix, claimed.Id);

    private OperationStore Store => backend.LongRunning.Store;

    /// <summary>Cancels the handler. The first reason counts.</summary>
    public void End(RunEnd why)
    {
        if (Interlocked.CompareExchange(ref _end, (int)why, (int)RunEnd.None) == (int)RunEnd.None)
            _ = _ending.CancelAsync();
    }

    /// <summary>Left to the collector when it is being ended at the same moment.</summary>
    public void Dispose()
    {
        if (Interlocked.CompareExchange(ref _end, (int)RunEnd.Lost, (int)RunEnd.None) == (int)RunEnd.None)
            _ending.Dispose();
    }

    public async Task RunAsync(CancellationToken stopping)
    {
        await using var stop = stopping.Register(() => End(RunEnd.Stopping));
        using var activity = LongRunningMetrics.StartRun(claimed);
        var started = backend.Clock.GetTimestamp();
        var outcome = await OutcomeAsync(stopping);
        var elapsed = backend.Clock.GetElapsedTime(started);
        LongRunningMetrics.Ended(claimed.Name, outcome, elapsed, activity);
        LongRunningLog.Ended(log, claimed.Name, PublicId, LongRunningMetrics.Name(outcome), elapsed.TotalMilliseconds, claimed.Attempt, claimed.Call.RequestId);
    }

    private async Task<RunOutcome> OutcomeAsync(CancellationToken stopping)
    {
        if (claimed.IsCancelRequested)
            return await RecordAsync(() => Store.EndCancelledAsync(claimed), RunOutcome.Cancelled, stopping);
        if (claimed.Attempt > LongRunningOptions.AttemptsMost || claimed.Fence > LongRunningOptions.ClaimsMost)
        {
            LongRunningLog.GivenUp(log, claimed.Name, PublicId, claimed.Fence - 1, claimed.Call.RequestId);
            return await FailAsync(Unexpected(), stopping);
        }
        using var timeout = new CancellationTokenSource(command.Within, backend.Clock);
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, _ending.Token);
        try
        {
            await RunHandlerAsync(cancellation.Token);
            return RunOutcome.Succeeded;
        }
        catch (Exception e)
        {
            return await AfterAsync(e, timeout.IsCancellationRequested, stopping);
        }
    }

    private async Task RunHandlerAsync(CancellationToken cancellation)
    {
        await using var scope = scopes.CreateAsyncScope();
        var call = new Call(command, new StoredIncoming(claimed.Call, scope.ServiceProvider), backend, claimed.Call.RequestId, CancellationToken.None)
        {
            User = claimed.Call.Caller,
            Body = claimed.Call.Body,
            Deadline = Deadline.After(command.Within, backend.Clock),
            Cancellation = cancellation,
            HasBegun = true,
        };
        var input = command.ReadInput(call);
        // Not keyed: when the connection breaks during the commit, the next claim finds out whether there was one, without running everything again first.
        await backend.Transactor.RunAsync(call.Transaction with { Isolation = command.Isolation, IsHeldBack = false }, async work =>
        {
            var answer = await command.FinishAsync(call, input, work);
            return new Completed<bool>(true) { First = Store.Complete(claimed, answer) };
        });
    }

    /// <summary>What a run that has not been committed means for the operation.</summary>
    private Task<RunOutcome> AfterAsync(Exception error, bool isLate, CancellationToken stopping)
    {
        var why = (RunEnd)Volatile.Read(ref _end);
        if (why is RunEnd.Cancelled or RunEnd.Lost || OperationSql.IsFenced(error))
            return RecordAsync(() => Store.EndCancelledAsync(claimed), RunOutcome.Cancelled, stopping);
        if (DatabaseErrors.IsOutage(error))
            return ReleaseAsync(why == RunEnd.Stopping ? TimeSpan.Zero : Backoff(claimed.Fence), isCounted: false, stopping);
        if (why == RunEnd.Stopping && error is not ProblemException)
            return ReleaseAsync(TimeSpan.Zero, isCounted: false, stopping);
        if (error is OperationCanceledException && isLate)
            return FailAsync(DatabaseErrors.DeadlineExceeded(error), stopping);
        if (error is ProblemException refused && refused.Type != ProblemCatalogue.ConcurrentUpdate)
            return FailAsync(refused, stopping);
        LongRunningLog.Failed(log, claimed.Name, PublicId, claimed.Attempt, LongRunningOptions.AttemptsMost, claimed.Call.RequestId, error);
        return claimed.Attempt < LongRunningOptions.AttemptsMost
            ? ReleaseAsync(Backoff(claimed.Attempt), isCounted: true, stopping)
            : FailAsync(error as ProblemException ?? Unexpected(), stopping);
    }

    private Task<RunOutcome> FailAsync(ProblemException problem, CancellationToken stopping)
    {
        var answer = backend.Format.Problem(problem, claimed.Call.RequestId);
        return RecordAsync(() => Store.FailAsync(claimed, answer), RunOutcome.Failed, stopping);
    }

    private Task<RunOutcome> ReleaseAsync(TimeSpan after, bool isCounted, CancellationToken stopping) =>
        RecordAsync(() => Store.ReleaseAsync(claimed.Id, claimed.Fence, after, isCounted), isCounted ? RunOutcome.Retried : RunOutcome.Released, stopping);

    /// <summary>
    /// Records how it ended, again and again while the database is away: otherwise the operation would wait for the end of the lease, which other runs of this
    /// node keep renewing.
    /// </summary>
    private async Task<RunOutcome> RecordAsync(Func<Task<bool>> record, RunOutcome outcome, CancellationToken stopping)
    {
        while (true)
            try
            {
                return await record() ? outcome : RunOutcome.Lost;
            }
            catch (Exception e) when (DatabaseErrors.IsUnanswered(e) && !stopping.IsCancellationRequested)
            {
                LongRunningLog.NotRecorded(log, claimed.Name, PublicId, e);
                await Task.Delay(TimeSpan.FromSeconds(1), backend.Clock, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (Exception e) when (DatabaseErrors.IsUnanswered(e))
            {
                LongRunningLog.NotRecorded(log, claimed.Name, PublicId, e);
                return RunOutcome.Lost;     // the process ends, and with it the lease
            }
    }

    /// <summary>1 s, 2 s, 4 s … 1 min, each with full jitter on its upper half.</summary>
    private static TimeSpan Backoff(int attempt) => TimeSpan.FromSeconds(Math.Min(60, 1 << Math.Min(attempt - 1, 6)) * (0.5 + Random.Shared.NextDouble() / 2));

    private ProblemException Unexpected() =>
        ProblemCatalogue.InternalError.Because($"Something went wrong on our side. Nothing was changed. Quote request {claimed.Call.RequestId} when you report it.");
}

/// <summary>A call that is made again from what was stored of it.</summary>
internal sealed class StoredIncoming(StoredCall call, IServiceProvider services) : IIncoming
{
    public IServiceProvider Services => services;

    public QueryParameters Query => field ??= QueryParameters.Parse(call.Query);

    public string Path => "";

    public System.Net.IPAddress? RemoteAddress => null;

    public ValueTask<User> AuthenticateAsync(CancellationToken cancellation) => ValueTask.FromResult(call.Caller);

    public ValueTask<ReadOnlyMemory<byte>> ReadBodyAsync(Operation operation, CancellationToken cancellation) => ValueTask.FromResult(call.Body);

    public ReceiptKey? Key(User user, ReadOnlyMemory<byte> body) => null;

    public string? Route(string name) => call.Route.Chunk(2).FirstOrDefault(pair => pair[0] == name)?[1];

    public string? Header(string name) => null;
}
