using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>
/// One run of a job that somebody waits for. The reply is part of the commit that ends the job, so there is one exactly when the job has been done; and when it cannot be done, that is the reply.
/// </summary>
internal sealed class ReplyRun(QueueHandler handler, ClaimedJob job, Asked asked, JobRunServices services) : IJobPartRun
{
    /// <summary>How long to try to record what it has come to.</summary>
    private static readonly TimeSpan patience = TimeSpan.FromSeconds(30);

    private readonly long _claimedAt = job.ClaimedAt ?? services.Clock.GetTimestamp();

    /// <summary>The run of a job that was asked for; null for one that was enqueued.</summary>
    public static ReplyRun? Of(QueueHandler handler, ClaimedJob job, JobRunServices services) =>
        handler.Reply is not null && job.Message is not null && OriginJson.Read(job.Origin).Asked is { } asked ? new ReplyRun(handler, job, asked, services) : null;

    public TimeSpan? Left => asked.Within - job.Age - services.Clock.GetElapsedTime(_claimedAt);

    public bool CanGiveUp => true;

    private Guid Id => job.Message!.Value;

    public async Task RunAsync(TransactionRequest request, object? input, CancellationToken ending)
    {
        if (Left is not { } left || left <= TimeSpan.Zero)
        {
            QueueLog.NotAwaited(services.Log, job.Handler, job.Id, asked.Within);
            await EndAsync(request, null);
            return;
        }
        using var limit = new CancellationTokenSource(left, services.Clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(request.Cancellation, limit.Token);
        var limited = request with { Cancellation = either.Token };
        if (handler.IsTransactional)
            Arrived(await services.Transactor.RunAsync(limited with { IsKeyed = true }, work => CommitAsync(work, input)));
        else if (await IsWantedAsync(either.Token))
            await EndAsync(Patient(request), Written(await ReachOutAsync(limited, input)));
        else
            await EndAsync(request, null);
    }

    private async Task<Completed<StoredReply?>> CommitAsync(UnitOfWork work, object? input)
    {
        // Whoever asks the same again waits for the end of this, and then has its reply.
        if (asked.Key is not null && (await work.QueryAsync<Guid>(ReplySql.Hold(Id))).Count == 0)
            return Ended(work, null);
        await using var scope = services.Scopes.CreateAsyncScope();
        return Ended(work, Written(await handler.Handler.InvokeAsync(input, work, scope.ServiceProvider, work.Cancellation)));
    }

    /// <summary>Whether no other request has taken the place of this one.</summary>
    private async Task<bool> IsWantedAsync(CancellationToken cancellation)
    {
        if (asked.Key is null)
            return true;
        await using var connection = await services.Transactor.Database.Source.OpenConnectionAsync(cancellation);
        await using var batch = new NpgsqlBatch(connection) { BatchCommands = { ReplySql.Hold(Id).ToBatchCommand() } };
        return await batch.ExecuteScalarAsync(cancellation) is not null;
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
            await EndAsync(Patient(new TransactionRequest(User.System(cause.Operation), cause, Deadline.Never, CancellationToken.None)), new StoredReply(null, StoredProblem.Write(problem)));
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
        // Asked again with the same key, it is another job, and for the other side the same call.
        var key = asked.Key ?? job.Id;
        var outbound = new Outbound(job, new JobSteps(job, services, () => request, key, request.Cancellation), key, scope.ServiceProvider);
        var result = await handler.Handler.InvokeAsync(input, outbound, scope.ServiceProvider, request.Cancellation);
        if (services.Transactor.Database.Faults is { } faults)
            await faults.ReachAsync(FaultPoint.BeforeCompletion, handler.Operation);
        return result;
    }

    /// <summary>Ends the job with its reply, in one commit.</summary>
    private async Task EndAsync(TransactionRequest request, StoredReply? reply) =>
        Arrived(await services.Transactor.RunAsync(request with { IsKeyed = true }, work => Task.FromResult(Ended(work, reply))));

    private TransactionRequest Patient(TransactionRequest request) => request with { Deadline = Deadline.After(patience, services.Clock), Cancellation = CancellationToken.None };

    private Completed<StoredReply?> Ended(UnitOfWork work, StoredReply? reply)
    {
        if (reply is not null)
            work.Record(new BatchItem(ReplySql.Answer(Id, reply).ToBatchCommand()));
        return new Completed<StoredReply?>(reply) { First = QueueStore.Complete(job, handler.Placement) };
    }

    /// <exception cref="ProblemException">answer-too-large</exception>
    private StoredReply Written(object? result)
    {
        var json = StoredJson.Write(result ?? throw new InvalidOperationException($"The handler of '{job.Handler}' gave null instead of a reply."), handler.Reply);
        return json.Length <= MessageCatalogue.PayloadBytesMost
            ? new StoredReply(json, null)
            : throw ProblemCatalogue.AnswerTooLarge.Because($"The reply of '{job.Handler}' has {json.Length} characters of JSON, expected at most {MessageCatalogue.PayloadBytesMost}. Store what is large in a table, and reply with its id.");
    }

    private void Arrived(StoredReply? reply)
    {
        var desk = services.Transactor.Desk;
        if (reply is not null && !desk.Replies.Arrived(Id, reply))
            desk.Others?.Raise();
    }
}
