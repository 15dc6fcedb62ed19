using Npgsql;

namespace Mainstay.Internal;

/// <summary>
/// A command that is accepted at once and done afterwards. The request ends with the commit of the operation and its receipt, in one round trip; whatever
/// can be refused without running the handler has been refused by then.
/// </summary>
internal sealed class LongRunningCommand(OperationDeclaration declaration) : DeclaredCommand(declaration)
{
    /// <summary>What is kept of the call's time to answer in, when the caller wants to wait.</summary>
    private static readonly TimeSpan reserve = TimeSpan.FromMilliseconds(500);

    /// <summary>How long a run may take, retries of its transaction included.</summary>
    public TimeSpan Within => Declaration.LongRunningWithin!.Value;

    public override async ValueTask<Answer> RunAsync(Call call, object? input)
    {
        // What the row is when the run begins is not known now, and a condition must not be lost on the way there.
        if (call.Incoming.Header("If-Match") is not null || call.Incoming.Header("If-None-Match") is not null || call.Incoming.Header("If-Unmodified-Since") is not null)
            throw ProblemCatalogue.PreconditionFailed.Because("A long-running command begins after its request has ended, so it cannot be made conditional. Send it without If-Match, If-None-Match and If-Unmodified-Since.");
        var id = Guid.CreateVersion7();
        var accepted = await call.Backend.Transactor.RunAsync(call.Transaction, work =>
        {
            var operation = new StoredOperation(id, Name, OperationStatus.Pending, work.Now);
            work.Record(OperationStore.Insert(operation, Store(call)));
            var answer = OperationAnswers.Accepted(call, operation);
            return Task.FromResult(new Completed<Answer>(answer, call.Key is { } key ? call.Backend.Receipts.Record(key, answer) : null));
        });
        call.Backend.LongRunning.Signal.Raise();
        return call.Preferences is { RespondAsync: false, Wait: null } ? accepted : await PreferredAsync(call, id, accepted);
    }

    /// <summary>What the handler does and answers, in the transaction of a run.</summary>
    public Task<Answer> FinishAsync(Call call, object? input, UnitOfWork work) => HandleAsync(call, input, work);

    private StoredCall Store(Call call)
    {
        string[] route = [.. RoutePatterns.Parameters(Pattern).SelectMany(name => new[] { name, call.Incoming.Route(name) ?? "" })];
        var query = call.Incoming.Query.Encoded;
        return new StoredCall(call.User, route, query, call.Body, call.RequestId, System.Diagnostics.Activity.Current?.Id);
    }

    private static async Task<Answer> PreferredAsync(Call call, Guid id, Answer accepted)
    {
        var applied = call.Preferences.RespondAsync ? "respond-async" : null;
        if (call.Preferences.Wait is { } wait)
        {
            var seconds = (int)Math.Min(wait.TotalSeconds, Math.Max(0, (call.Deadline.Left(call.Backend.Clock) - reserve).TotalSeconds));
            if (await WaitAsync(call, id, TimeSpan.FromSeconds(seconds)) is { } ended)
                return With(OperationAnswers.Final(call, ended), $"wait={seconds}");
            applied = applied is null ? $"wait={seconds}" : $"{applied}, wait={seconds}";
        }
        return applied is null ? accepted : With(accepted, applied);
    }

    private static Answer With(Answer answer, string applied) => answer with { Headers = [.. answer.Headers, new("Preference-Applied", applied)] };

    /// <returns>The operation when it ends within the time, else null.</returns>
    private static async Task<StoredOperation?> WaitAsync(Call call, Guid id, TimeSpan time)
    {
        var clock = call.Backend.Clock;
        var until = Deadline.After(time, clock);
        try
        {
            for (var pause = TimeSpan.FromMilliseconds(15); until.Left(clock) is var left && left > TimeSpan.Zero; pause = pause < TimeSpan.FromMilliseconds(500) ? 2 * pause : pause)
            {
                await Task.Delay(pause < left ? pause : left, clock, call.Aborted);
                if (await call.Backend.LongRunning.Store.FindAsync(id, call.User.Id, until, call.Aborted) is { HasEnded: true } ended)
                    return ended;
            }
        }
        catch (Exception e) when (e is NpgsqlException or ProblemException or OperationCanceledException)
        {
            // It has been accepted. That its end cannot be seen now, or that nobody waits any more, changes nothing about that.
        }
        return null;
    }
}
