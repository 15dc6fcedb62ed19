using System.Data;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>
/// Runs handlers in transactions: once when all goes well, again when PostgreSQL asks for it (serialization failure, deadlock, changed row,
/// changed plan, lost connection before the commit), and turns what is final into a problem. Retries end with the deadline.
/// </summary>
internal sealed class Transactor(Database database, Tables tables, MessageCatalogue messages, JobDesk desk)
{
    /// <summary>Beyond so many runs the conflict is not a coincidence.</summary>
    private const int AttemptsMost = 12;

    public Database Database { get; } = database;

    public Tables Tables { get; } = tables;

    public JobDesk Desk => desk;

    /// <summary>Runs a handler in a read-write transaction and commits what it recorded, behind the receipt it hands over.</summary>
    /// <exception cref="ProblemException">The call is refused; nothing was changed (except <c>outcome-unknown</c>).</exception>
    /// <exception cref="ReceiptTakenException">The idempotency key has been used; nothing was changed now.</exception>
    public async Task<T> RunAsync<T>(TransactionRequest request, Func<UnitOfWork, Task<Completed<T>>> handler)
    {
        var doubt = new Doubt();
        try
        {
            return await RunAsync(request, handler, doubt);
        }
        catch (Exception e) when (doubt.Cause is not null && SaysNothingWasChanged(e))
        {
            throw DatabaseErrors.OutcomeUnknown(doubt.Cause);
        }
    }

    private async Task<T> RunAsync<T>(TransactionRequest request, Func<UnitOfWork, Task<Completed<T>>> handler, Doubt doubt)
    {
        for (var attempt = 1; ; attempt++)
        {
            await using var work = new Work(Database, request.Deadline, request.Isolation, isReadOnly: false, request.Cancellation);
            var unit = new UnitOfWork(work, Context(request) with { IsRepeated = attempt > 1 });
            try
            {
                if (doubt.Cause is not null && request.StillDue is { } stillDue)
                    await work.ExecuteAsync([stillDue()], request.Cancellation);
                var completed = await handler(unit);
                if (!await CommitWithOthersAsync(unit, completed, request, doubt))
                    await unit.CommitAsync(completed.Receipt, completed.First);
                return completed.Value;
            }
            catch (Exception e) when (e is not (ProblemException or ConfigurationException) && !IsOfHandler(e, work, request))
            {
                var final = Judge(e, request, work.IsCommitting, unit);
                if (work.IsCommitting && LeavesDoubt(e, final))
                    doubt.Cause = e;
                ThrowUnlessRetryable(e, final, request, attempt);
            }
            finally
            {
                Measure(request, work, attempt);
            }
            await Task.Delay(Backoff(attempt), Database.Clock, request.Cancellation);
        }
    }

    /// <summary>Commits together with other calls, if the command wants that and its handler has only recorded.</summary>
    /// <returns>False when it has to be committed alone: it cannot be grouped, or its group was rolled back.</returns>
    private async ValueTask<bool> CommitWithOthersAsync<T>(UnitOfWork unit, Completed<T> completed, TransactionRequest request, Doubt doubt)
    {
        if (request.Group is not { } group || doubt.Cause is not null || completed.First is not null || !unit.OnlyInserts)
            return false;
        var outcome = await group.CommitAsync(new GroupMember(unit, completed.Receipt, request));
        request.Usage.RoundTrips += outcome.RoundTrips;
        if (outcome.Lost is not { } lost)
            return outcome.IsCommitted;
        // As for a call alone: without a key nobody can find out, and with one the second attempt does.
        if (!request.IsKeyed)
            throw DatabaseErrors.OutcomeUnknown(lost);
        doubt.Cause = lost;
        Database.Source.Clear();
        return false;
    }

    /// <summary>Runs a handler in a read-only transaction with one view of the data.</summary>
    public async Task<T> ReadAsync<T>(TransactionRequest request, Func<Snapshot, Task<T>> handler)
    {
        for (var attempt = 1; ; attempt++)
        {
            await using var work = new Work(Database, request.Deadline, IsolationLevel.RepeatableRead, isReadOnly: true, request.Cancellation);
            try
            {
                var value = await handler(new Snapshot(work, Context(request)));
                await work.CommitAsync([]);
                return value;
            }
            catch (Exception e) when (e is not (ProblemException or ConfigurationException) && !IsOfHandler(e, work, request))
            {
                ThrowUnlessRetryable(e, Judge(e, request, isCommitting: false, null), request, attempt);
            }
            finally
            {
                Measure(request, work, attempt);
            }
            await Task.Delay(Backoff(attempt), Database.Clock, request.Cancellation);
        }
    }

    /// <summary>Runs a read that opens its own connection and needs no transaction, again when that connection is lost or its plan is out of date.</summary>
    public ValueTask<T> ReadAsync<TState, T>(TransactionRequest request, Func<TState, ValueTask<T>> read, TState state) => RepeatAsync(request, read, state, null);

    /// <summary>Runs statements that open their own connection, commit by themselves, and may be run again whether or not they have committed: so they are when that connection is lost.</summary>
    /// <param name="request">What they are run for.</param>
    /// <param name="write">Runs them, and says when they are sent.</param>
    /// <param name="state">Handed to them.</param>
    /// <param name="doubt">What is known of attempts before, and then of these.</param>
    /// <exception cref="ProblemException">They are refused; nothing was changed (except <c>outcome-unknown</c>).</exception>
    public async ValueTask<T> WriteAsync<TState, T>(TransactionRequest request, Func<TState, ValueTask<T>> write, TState state, Doubt doubt)
    {
        try
        {
            return await RepeatAsync(request, write, state, doubt);
        }
        catch (Exception e) when (doubt.Cause is not null && SaysNothingWasChanged(e))
        {
            throw DatabaseErrors.OutcomeUnknown(doubt.Cause);
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<T> RepeatAsync<TState, T>(TransactionRequest request, Func<TState, ValueTask<T>> run, TState state, Doubt? doubt)
    {
        for (var attempt = 1; ; attempt++)
        {
            request.Usage.Attempts = attempt;
            doubt?.IsSent = false;
            try
            {
                return await run(state);
            }
            catch (Exception e) when (e is not (ProblemException or ConfigurationException))
            {
                var final = Judge(e, request, isCommitting: false, null);
                if (doubt is { IsSent: true } && LeavesDoubt(e, final))
                    doubt.Cause = e;
                ThrowUnlessRetryable(e, final, request, attempt);
            }
            await Task.Delay(Backoff(attempt), Database.Clock, request.Cancellation);
        }
    }

    private WorkContext Context(TransactionRequest request)
    {
        var now = Database.Clock.GetUtcNow();
        return new WorkContext
        {
            User = request.User,
            Now = now.AddTicks(-(now.Ticks % TimeSpan.TicksPerMicrosecond)),
            Cancellation = request.Cancellation,
            Tables = Tables,
            Messages = messages,
            Desk = desk,
            Origin = request.Origin,
            IsHeldBack = request.IsHeldBack,
        };
    }

    /// <summary>Whether what was sent may have been committed all the same.</summary>
    private static bool LeavesDoubt(Exception error, Exception? final) => final is null && !DatabaseErrors.IsRetryable(error) && !DatabaseErrors.IsExhausted(error);

    /// <summary>"Nothing was changed" may only be said when no attempt can have committed.</summary>
    public static bool SaysNothingWasChanged(Exception final) => final is OperationCanceledException
        || (final is ProblemException { Type: var type } && (type == ProblemCatalogue.DatabaseUnavailable || type == ProblemCatalogue.DeadlineExceeded || type == ProblemCatalogue.ConcurrentUpdate));

    /// <summary>Returns when another attempt makes sense, and makes sure that it does not meet the same stale connections.</summary>
    private void ThrowUnlessRetryable(Exception error, Exception? final, TransactionRequest request, int attempt)
    {
        if (final == error)
            ExceptionDispatchInfo.Throw(error);
        if (final is not null)
            throw final;
        if (attempt >= AttemptsMost || request.Deadline.Left(Database.Clock) < TimeSpan.FromMilliseconds(20))
            throw Exhausted(error);
        if (DatabaseErrors.IsPlanChanged(error) || DatabaseErrors.IsUnavailable(error))
            Database.Source.Clear();
    }

    /// <summary>What a failure means: null to run the handler again, else the exception that ends the call.</summary>
    private Exception? Judge(Exception error, TransactionRequest request, bool isCommitting, UnitOfWork? unit)
    {
        if (ReceiptSql.IsTaken(error))
            return new ReceiptTakenException(error);
        if (DatabaseErrors.IsRetryable(error))
            return null;
        if (error is PostgresException refused && ConstraintViolation.Translate(refused, Tables, unit?.ChangeBehind(refused), request.IsBulk) is { } problem)
            return problem;
        if (error is PostgresException late && unit?.RefusalOf(late) is { } refusal)
            return refusal;
        if (DatabaseErrors.IsLockTimeout(error))
            return IsReceipt(error)
                ? new ProblemException(ProblemCatalogue.RequestInProgress, "A request with the same Idempotency-Key is still running. Repeat this one after it has ended.", [], error) { RetryAfter = TimeSpan.FromSeconds(1) }
                : new ProblemException(ProblemCatalogue.ConcurrentUpdate, "Another change holds the same rows. Nothing was changed; try again.", [], error) { RetryAfter = TimeSpan.FromSeconds(1) };
        if (DatabaseErrors.IsStatementTimeout(error))
            return DatabaseErrors.DeadlineExceeded(error);
        if (error is OperationCanceledException)
            return request.Deadline.Left(Database.Clock) <= TimeSpan.Zero ? DatabaseErrors.DeadlineExceeded(error) : error;
        if (DatabaseErrors.IsUnavailable(error))
            // Before the commit was sent nothing can have happened. After it, a key makes the second run find out.
            return isCommitting && !request.IsKeyed && !DatabaseErrors.IsExhausted(error) ? DatabaseErrors.OutcomeUnknown(error) : null;
        return error;
    }

    /// <summary>
    /// A handler that has failed to read a file, to call somebody, or to reach another database, has not lost its connection to this one, although the errors are of the same kind. Only when the
    /// deadline is over may a timeout be our own, which leaves the connection as it is.
    /// </summary>
    private bool IsOfHandler(Exception error, Work work, TransactionRequest request) => work.IsIntact && error switch
    {
        PostgresException { InvariantSeverity: var severity } => severity is "FATAL" or "PANIC",
        NpgsqlException => request.Deadline.Left(Database.Clock) > TimeSpan.Zero,
        _ => error is IOException or System.Net.Sockets.SocketException,
    };

    private static bool IsReceipt(Exception error) => error is PostgresException { BatchCommand.CommandText: { } text } && CommitSql.InsertsReceipt(text);

    private static ProblemException Exhausted(Exception error) => DatabaseErrors.IsRetryable(error)
        ? new ProblemException(ProblemCatalogue.ConcurrentUpdate, "Other changes to the same rows kept getting in between. Nothing was changed; try again.", [], error) { RetryAfter = TimeSpan.FromSeconds(1) }
        : DatabaseErrors.Unavailable(error);

    /// <summary>Full jitter, so that the losers of a conflict do not meet again.</summary>
    private static TimeSpan Backoff(int attempt) => TimeSpan.FromMilliseconds(Random.Shared.NextDouble() * Math.Min(500, 5 << Math.Min(attempt, 7)));

    private static void Measure(TransactionRequest request, Work work, int attempt)
    {
        request.Usage.Add(work.Statements, work.RoundTrips);
        request.Usage.Attempts = attempt;
    }
}

/// <summary>What a transaction is run for and within.</summary>
internal sealed record TransactionRequest(User User, Origin Origin, Deadline Deadline, CancellationToken Cancellation)
{
    public IsolationLevel Isolation { get; init; } = IsolationLevel.ReadCommitted;

    /// <summary>Whether a receipt (or, for a message, its row) protects the call, so that running it again can never apply it twice.</summary>
    public bool IsKeyed { get; init; }

    /// <summary>
    /// A statement that refuses the run when an earlier one has committed after all. It is asked before a handler that may have committed runs again: what waited for it to end may have begun since.
    /// Null where only the commit finds out.
    /// </summary>
    public Func<BatchItem>? StillDue { get; init; }

    /// <summary>Whether the changes are the elements of an array that the client sent.</summary>
    public bool IsBulk { get; init; }

    /// <summary>Whether it adds no work to handlers that are too far behind: so for calls from outside, and never for what the handlers themselves do.</summary>
    public bool IsHeldBack { get; init; }

    /// <summary>The calls to be committed together with, or null.</summary>
    public GroupCommits? Group { get; init; }

    public DatabaseUsage Usage { get; init; } = new();
}

/// <summary>What a call cost the database, for its log line and its metrics.</summary>
internal sealed class DatabaseUsage
{
    public int RoundTrips { get; set; }

    /// <summary>How many statements it took. What only limits callers, and what is committed for several calls together, is not counted.</summary>
    public int Statements { get; private set; }

    public int Attempts { get; set; }

    public void Add(int statements, int roundTrips = 1)
    {
        Statements += statements;
        RoundTrips += roundTrips;
    }
}

/// <summary>A handler's value, and what is to be committed with it.</summary>
/// <param name="Value">What the handler came to.</param>
/// <param name="Receipt">The record of its answer, if the call has a key.</param>
internal readonly record struct Completed<T>(T Value, ReceiptRow? Receipt = null)
{
    /// <summary>A statement on which everything depends, such as the end of what this node holds the lease of. It goes first.</summary>
    public BatchItem? First { get; init; }
}

/// <summary>The idempotency key of a call has a receipt already.</summary>
internal sealed class ReceiptTakenException(Exception inner) : Exception("The idempotency key has been used.", inner);

/// <summary>Whether an attempt may have committed of which nobody knows.</summary>
internal sealed class Doubt
{
    /// <summary>Set when the connection broke during an attempt's commit: that attempt may have been the one.</summary>
    public Exception? Cause { get; set; }

    /// <summary>Of statements that commit by themselves: whether those of this attempt may have reached the server.</summary>
    public bool IsSent { get; set; }
}
