namespace Mainstay.Internal;

/// <summary>
/// One run of the job that begins a saga. Where its first step is a unit of work, that is done in the same commit, as if its job had been written, claimed and done there: a saga of three steps is three commits and not
/// four. When the step fails, the saga begins without it, and the job of the step begins with that failure as its first attempt; from then on everything is as with any other step.
/// </summary>
internal sealed class SagaStartRun(SagaFamily family, ClaimedJob job, JobRunServices services) : IJobPartRun
{
    /// <summary>How long to try to record that the first attempt has failed.</summary>
    private static readonly TimeSpan patience = TimeSpan.FromSeconds(30);

    /// <summary>A run is ended at its deadline by a timer, which may be a moment early.</summary>
    private static readonly TimeSpan almost = TimeSpan.FromMilliseconds(100);

    private readonly Guid _saga = Guid.CreateVersion7();

    public TimeSpan? Left => null;

    public bool CanGiveUp => false;

    public async Task RunAsync(TransactionRequest request, object? input, CancellationToken ending)
    {
        // One that has taken processes with it may have died of the step, whose own job counts that.
        if (family.FirstStep is not { } part || job.Crashes > 0)
        {
            await CommitAsync(request, input!, request.Origin, null);
            return;
        }
        var first = new SagaFirstStep(part, services);
        try
        {
            await CommitAsync(Of(part, request), input!, request.Origin, first);
            first.Record();
        }
        catch (Exception e) when (first.HasBegun && IsFaultOfStep(e, request))
        {
            var error = e is OperationCanceledException && request.Cancellation.IsCancellationRequested ? new TimeoutException($"The run did not end within {part.Handler.Timeout}.", e) : e;
            await CommitAsync(request with { Deadline = Deadline.After(patience, services.Clock), Cancellation = CancellationToken.None }, input!, request.Origin, new SagaFirstStep(part, services) { Failure = error });
        }
    }

    public Task RetriedAsync() => Task.CompletedTask;

    public bool IsFinal(Exception error) => false;

    public Task<bool> GiveUpAsync(Exception error, string text) => throw new InvalidOperationException("Nothing goes on without the beginning of a saga: its job is a dead letter.");

    private Task<bool> CommitAsync(TransactionRequest request, object input, Origin origin, SagaFirstStep? first) => services.Transactor.RunAsync(
        request with { IsKeyed = true },     // the row of the job is: a commit whose answer was lost has deleted it
        async work =>
        {
            await family.StartAsync(_saga, input, origin, work, first);
            return new Completed<bool>(true) { First = QueueStore.Complete(job, family.Handler.Placement) };
        });

    /// <summary>What the step changes and publishes comes from the step, as if its job had been claimed.</summary>
    private TransactionRequest Of(SagaStepPart part, TransactionRequest request)
    {
        var cause = request.Origin with { Operation = part.Handler.Operation, CausationId = _saga.ToString() };
        return request with { User = User.System(cause.Operation), Origin = cause };
    }

    /// <summary>Not when the database was away, another node has taken over, or this one stops: then all of it is to be run again.</summary>
    private bool IsFaultOfStep(Exception error, TransactionRequest request) =>
        !JobRun.IsOutage(error) && !QueueSql.IsFenced(error) && (!request.Cancellation.IsCancellationRequested || request.Deadline.Left(services.Clock) <= almost);
}

/// <summary>The first step of a saga in the commit that begins it.</summary>
internal sealed class SagaFirstStep(SagaStepPart part, JobRunServices services)
{
    private ClaimedJob? _done;
    private long _began;

    /// <summary>What it has failed with already; null when it is to be done.</summary>
    public Exception? Failure { get; init; }

    /// <summary>Whether its handler was called.</summary>
    public bool HasBegun { get; private set; }

    /// <summary>Does it, and moves the saga on.</summary>
    public async Task DoAsync(Guid saga, UnitOfWork work, SagaWalk walk)
    {
        var start = walk.Starts.Single();
        walk.Starts.Clear();
        var born = ClaimedJob.Born(SagaMoves.JobOf(start, saga, work.Origin));
        (HasBegun, _began) = (true, services.Clock.GetTimestamp());
        using var activity = QueueMetrics.StartRun(born, part.Handler, work.Origin.TraceParent);
        await part.EndAsync(work, walk, born, await part.InvokeAsync(walk.Facts, _ => work, services.Scopes, work.Cancellation));
        _done = born;
    }

    /// <summary>Counts its run like that of any job.</summary>
    public void Record()
    {
        if (_done is { } job)
            QueueMetrics.Ended(job, part.Handler, JobOutcome.Done, services.Clock.GetElapsedTime(_began), null);
    }
}

/// <summary>What the run of a step knows whose first attempt was made, and failed, in the commit that was to begin its saga.</summary>
internal sealed record SagaFirstFailure(Exception Error);
