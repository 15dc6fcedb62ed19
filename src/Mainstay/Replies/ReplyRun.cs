using Microsoft.Extensions.DependencyInjection;

namespace Mainstay.Internal;

/// <summary>
/// One run of a job that somebody waits for. The reply is part of the commit that ends the job, so there is one exactly when the job has been done; and when it cannot be done, that is the reply.
/// </summary>
internal sealed class ReplyRun(QueueHandler handler, ClaimedJob job, TimeSpan within, JobRunServices services) : IJobPartRun
{
    /// <summary>How long to try to record that there is no reply.</summary>
    private static readonly TimeSpan patience = TimeSpan.FromSeconds(30);

    private readonly long _began = services.Clock.GetTimestamp();

    /// <summary>The run of a job that was asked for; null for one that was enqueued.</summary>
    public static ReplyRun? Of(QueueHandler handler, ClaimedJob job, JobRunServices services) =>
        handler.Reply is not null && job.Message is not null && OriginJson.Read(job.Origin).Within is { } within ? new ReplyRun(handler, job, within, services) : null;

    public TimeSpan? Left => within - job.Age - services.Clock.GetElapsedTime(_began);

    public bool CanGiveUp => true;

    private Guid Id => job.Message!.Value;

    public async Task RunAsync(TransactionRequest request, object? input)
    {
        if (Left <= TimeSpan.Zero)
        {
            QueueLog.NotAwaited(services.Log, job.Handler, job.Id, within);
            await EndAsync(request, null);
            return;
        }
        using var limit = new CancellationTokenSource(Left!.Value, services.Clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(request.Cancellation, limit.Token);
        request = request with { Cancellation = either.Token };
        if (handler.IsTransactional)
            Arrived(await services.Transactor.RunAsync(request with { IsKeyed = true }, async work =>
            {
                await using var scope = services.Scopes.CreateAsyncScope();
                return Ended(work, Written(await handler.Handler.InvokeAsync(input, work, scope.ServiceProvider, work.Cancellation)));
            }));
        else
            await EndAsync(request with { Cancellation = CancellationToken.None }, Written(await ReachOutAsync(request, input)));
    }

    public Task RetriedAsync() => Task.CompletedTask;

    /// <summary>A refusal is a reply. What passes by itself, such as a row that somebody else holds, is tried again.</summary>
    public bool IsFinal(Exception error) => error is ProblemException { Type: var type }
        && type.Status is < 500 and not 429 && type != ProblemCatalogue.ConcurrentUpdate && type != ProblemCatalogue.RequestInProgress && type != ProblemCatalogue.RequestTimeout;

    public async Task<bool> GiveUpAsync(Exception error, string text)
    {
        var problem = error as ProblemException ?? ProblemCatalogue.InternalError.Because($"'{job.Handler}' could not be done. Its node has logged why, with the id {job.Id}.");
        try
        {
            var cause = job.Cause(OriginJson.Read(job.Origin), handler.Operation);
            await EndAsync(new TransactionRequest(User.System(cause.Operation), cause, Deadline.After(patience, services.Clock), CancellationToken.None), new StoredReply(null, StoredProblem.Write(problem)));
            return true;
        }
        catch (Exception e) when (QueueSql.IsFenced(e))
        {
            return false;
        }
    }

    private async Task<object?> ReachOutAsync(TransactionRequest request, object? input)
    {
        await using var scope = services.Scopes.CreateAsyncScope();
        var steps = new JobSteps(job, services, () => request, job.Id, request.Cancellation);
        var result = await handler.Handler.InvokeAsync(input, new Outbound(job, steps, job.Id, scope.ServiceProvider), scope.ServiceProvider, request.Cancellation);
        if (services.Transactor.Database.Faults is { } faults)
            await faults.ReachAsync(FaultPoint.BeforeCompletion, handler.Operation);
        return result;
    }

    /// <summary>Ends the job with its reply, in one commit.</summary>
    private async Task EndAsync(TransactionRequest request, StoredReply? reply)
    {
        var ended = await services.Transactor.RunAsync(request with { IsKeyed = true }, work => Task.FromResult(Ended(work, reply)));
        if (ended is not null)
            Arrived(ended);
    }

    private Completed<StoredReply> Ended(UnitOfWork work, StoredReply? reply)
    {
        if (reply is not null)
            work.Record(new BatchItem(ReplySql.Answer(Id, reply).ToBatchCommand()));
        return new Completed<StoredReply>(reply!) { First = QueueStore.Complete(job, handler.Placement) };
    }

    /// <exception cref="ProblemException">answer-too-large</exception>
    private StoredReply Written(object? result)
    {
        var json = StoredJson.Write(result ?? throw new InvalidOperationException($"The handler of '{job.Handler}' gave null instead of a reply."), handler.Reply);
        return json.Length <= MessageCatalogue.PayloadBytesMost
            ? new StoredReply(json, null)
            : throw ProblemCatalogue.AnswerTooLarge.Because($"The reply of '{job.Handler}' has {json.Length} characters of JSON, expected at most {MessageCatalogue.PayloadBytesMost}. Store what is large in a table, and reply with its id.");
    }

    private void Arrived(StoredReply reply)
    {
        var desk = services.Transactor.Desk;
        if (!desk.Replies.Arrived(Id, reply))
            desk.Others?.Raise();
    }
}
