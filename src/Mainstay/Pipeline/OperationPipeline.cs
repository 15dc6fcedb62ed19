using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>
/// Everything around a handler, in the one order that every interface uses. Read <see cref="RunAsync"/> from top to bottom.
/// </summary>
/// <remarks>
/// Refusals before step 5 leave no trace but the log line. From step 5 on, what a keyed call ends with (an answer or a refusal that would be the
/// same again) is kept under its key. A used key wins over everything that is wrong with the repetition, because whether the key was used is
/// asked again whenever a keyed call does not end in a commit.
/// </remarks>
internal sealed class OperationPipeline(BackendServices backend, RateLimiter limiter, ILogger<OperationPipeline> log)
{
    /// <summary>How long a refused call may take to find out what became of its key.</summary>
    private static readonly TimeSpan lookupTimeout = TimeSpan.FromSeconds(2);

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<Answer> RunAsync(Call call)
    {
        var operation = call.Operation;
        using var measured = OperationTelemetry.Start(call);
        using var cancellation = new CancellationTokenSource(operation.Timeout, backend.Clock);
        using var left = operation.IsCommand ? default : call.Aborted.UnsafeRegister(static source => ((CancellationTokenSource)source!).Cancel(), cancellation);
        call.Deadline = Deadline.After(operation.Timeout, backend.Clock);
        call.Cancellation = cancellation.Token;

        Answer answer;
        try
        {
            call.User = await call.Incoming.AuthenticateAsync(call.Cancellation);       // 1. Who calls.
            if (operation.RateLimits is { } limits)
                await LimitAsync(call, limits);                                         //    Whether they have come too often.
            Demand(call);                                                               // 2. Whether they may at all; which rows, the statement decides.
            call.Body = await call.Incoming.ReadBodyAsync(operation, call.Cancellation);
            call.Key = operation.IsCommand ? Key(call) : null;
            if (call.Limited?.Refusal is { } refusal)
                throw refusal;                                                          //    Too often, unless RefuseAsync finds the answer to be repeated.
            backend.Desk.Pressure.Demand(operation.Handlers);                           //    Whether those who would have the work are too far behind.
            var input = operation.ReadInput(call);                                      // 3. What they ask for, strict and complete.
            call.HasBegun = true;
            answer = await operation.RunAsync(call, input);                             // 4. to 7. Transaction: receipt, rows, audit, messages, one commit.
        }
        catch (Exception e)
        {
            answer = await RefuseAsync(call, e);
        }
        if (answer.IsReplayed && call.Limited is { } counted)
            await counted.ReturnAsync(call.Usage, call.Deadline, call.Cancellation);
        measured.End(answer);
        return answer;                                                                  // 8. Metrics, trace and log line are written by whoever sends it.
    }

    /// <summary>Counts the call. Too many are refused at once, but for what may be the repetition of one that was counted: whether it is, its key decides.</summary>
    private async ValueTask LimitAsync(Call call, RateLimits limits)
    {
        var caller = call.User.IsAuthenticated ? CallerKey.OfUser(call.User.Id) : CallerKey.OfAddress(call.Incoming.RemoteAddress);
        call.Limited = await limiter.AdmitAsync(limits, caller, call.Usage, call.Deadline, call.Cancellation);
        if (call.Limited.Refusal is { } refusal && !(call.Operation.IsCommand && call.User.IsAuthenticated && call.Incoming.Header("Idempotency-Key") is not null))
            throw refusal;
    }

    /// <summary>Admits the caller unless the policy can be refused without looking at a row.</summary>
    private static void Demand(Call call)
    {
        if (call.Operation.Policy.Resolve(call.User, call.Operation.RowType) != Predicate.Never)
            return;
        throw call.User.IsAuthenticated
            ? ProblemCatalogue.Forbidden.Because($"'{call.Operation.Name}' needs {call.Operation.Policy.Describe()}, which this caller has not. Ask the owner of the API for access.")
            : ProblemCatalogue.Unauthenticated.Because("Send a credential in the Authorization header: 'Authorization: Bearer <key>'.");
    }

    private static ReceiptKey? Key(Call call)
    {
        var key = call.Incoming.Key(call.User, call.Body);
        return key is not null || !call.Operation.RequiresKey ? key : throw ProblemCatalogue.IdempotencyKeyRequired.Because(
            $"'{call.Operation.Name}' needs an Idempotency-Key, and there is none. Send one string for each intended change, such as \"8e03978e-40d5-43dd-bc93-6894a57f9324\", and the same one when you repeat it.");
    }

    private async Task<Answer> RefuseAsync(Call call, Exception error)
    {
        try
        {
            if (call.Key is not { } key)
                return Problem(call, error);
            // The call's own time may be what ran out, and what became of the key must be found out all the same.
            using var grace = new CancellationTokenSource(lookupTimeout, backend.Clock);
            var deadline = Deadline.After(lookupTimeout, backend.Clock);
            try
            {
                // Whatever went wrong now: if the first request with this key has ended, its answer counts.
                if (await backend.Receipts.FindAsync(key, deadline, grace.Token) is { } stored)
                {
                    if (error is not (ReceiptTakenException or ProblemException or OperationCanceledException))
                        PipelineLog.Overtaken(log, call.Operation.Name, call.RequestId, error);
                    return stored;
                }
                if (error is ReceiptTakenException)
                    return await RunAgainAsync(call, key);
                var answer = Problem(call, error);
                return call.HasBegun && error is ProblemException problem && IsDeterministic(problem)
                    ? await backend.Receipts.KeepAsync(key, answer, deadline, grace.Token) ?? answer
                    : answer;
            }
            catch (ProblemException reused) when (reused.Type == ProblemCatalogue.IdempotencyKeyReused)
            {
                return Problem(call, reused);
            }
        }
        catch (Exception second) when (second is NpgsqlException or OperationCanceledException or ProblemException or ReceiptTakenException)
        {
            // The database went away before the key could be looked up or the refusal be kept. A refusal that a repetition could contradict is not
            // told: the same key may have an answer already (a commit whose answer was lost), or get another one later.
            PipelineLog.NotRecorded(log, call.RequestId, second);
            return Problem(call, error is ReceiptTakenException || (call.HasBegun && error is ProblemException problem && IsDeterministic(problem)) ? NotKept(second) : error);
        }
    }

    /// <summary>The key was used and has expired: it starts afresh.</summary>
    private async Task<Answer> RunAgainAsync(Call call, ReceiptKey key)
    {
        await backend.Receipts.ForgetExpiredAsync(key, call.Deadline, call.Cancellation);
        try
        {
            return await call.Operation.RunAsync(call, call.Operation.ReadInput(call));
        }
        catch (ReceiptTakenException taken)
        {
            // Another repetition has started afresh before this one.
            return await backend.Receipts.FindAsync(key, call.Deadline, call.Cancellation) ?? throw new ReceiptTakenException(taken);
        }
        catch (Exception e) when (e is not NpgsqlException)
        {
            return Problem(call, e);
        }
    }

    /// <summary>
    /// Whether the same request would be refused again for the same reason, as far as what the fingerprint covers decides. Preconditions stand in
    /// other headers, what the caller may do can be granted, limits pass, and what names a time to come back says itself that it does: the next try
    /// with the same key shall find out.
    /// </summary>
    private static bool IsDeterministic(ProblemException problem) => problem.Type.Status is >= 400 and < 499 and not (401 or 403 or 406 or 408 or 412 or 413 or 415 or 423 or 425 or 428 or 429)
        && problem.RetryAfter is null && problem.Type != ProblemCatalogue.AnswerTooLarge;

    private static ProblemException NotKept(Exception inner) => new(ProblemCatalogue.DatabaseUnavailable,
        "The database went away before the answer to this Idempotency-Key could be looked up or kept. Repeat the request with the same key; what was done is not done again.", [], inner) { RetryAfter = TimeSpan.FromSeconds(1) };

    private Answer Problem(Call call, Exception error)
    {
        var problem = error switch
        {
            ProblemException known => known,
            OperationCanceledException when call.Aborted.IsCancellationRequested => ProblemCatalogue.ClientClosedRequest.Because("The client closed the connection before the answer was ready."),
            OperationCanceledException => DatabaseErrors.DeadlineExceeded(error),
            NpgsqlException when DatabaseErrors.IsStatementTimeout(error) => DatabaseErrors.DeadlineExceeded(error),
            NpgsqlException when error is not PostgresException && DatabaseErrors.IsUnavailable(error) => DatabaseErrors.Unavailable(error),
            _ => Unexpected(call, error),
        };
        return backend.Format.Problem(problem, call.RequestId);
    }

    private ProblemException Unexpected(Call call, Exception error)
    {
        PipelineLog.Failed(log, call.Operation.Name, call.RequestId, error);
        return ProblemCatalogue.InternalError.Because($"Something went wrong on our side. Nothing was changed. Quote request {call.RequestId} when you report it.");
    }
}
