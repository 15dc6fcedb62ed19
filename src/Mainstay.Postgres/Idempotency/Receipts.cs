using Npgsql;
using NpgsqlTypes;

namespace Mainstay.Internal;

/// <summary>
/// Idempotency records. A receipt is the answer to a keyed request, written by the same transaction as the request's effect: after a crash
/// there are both or neither. No receipt of an unfinished request is ever committed, so there is nothing to clean up but the expired.
/// </summary>
internal sealed class Receipts(Database database, TimeSpan lifetime, int answerBytesMost)
{
    /// <summary>The largest answer that is kept, headers and body together, unless the application says otherwise. Above what a body of 1 MiB and 1,000 new rows can come to.</summary>
    public const int AnswerBytesMost = 4 * 1024 * 1024;

    private static readonly TimeSpan lockMost = TimeSpan.FromMilliseconds(100);
    private static readonly Origin nobody = new("", "", null, null, null, null);

    public Database Database => database;

    /// <summary>What records an answer. It goes first into the commit, so that a used key costs nothing but the key's lookup.</summary>
    /// <exception cref="ProblemException"><c>answer-too-large</c>. The effect must not be committed then: its repetition could not be answered.</exception>
    public ReceiptRow Record(ReceiptKey key, Answer answer) => Fits(answer) ? new ReceiptRow(key, answer, lifetime) : throw TooLarge(answerBytesMost);

    /// <summary>The statement that looks a receipt up, to travel with the first read of a unit of work.</summary>
    public static NpgsqlBatchCommand Lookup(ReceiptKey key)
    {
        var command = new NpgsqlBatchCommand(ReceiptSql.Find);
        Identify(command.Parameters, key);
        return command;
    }

    /// <summary>The stored answer, or null when the key has not been used or has expired.</summary>
    /// <exception cref="ProblemException"><c>idempotency-key-reused</c>: it was used for another request.</exception>
    public async Task<Answer?> FindAsync(ReceiptKey key, Deadline deadline, CancellationToken cancellation)
    {
        await using var connection = await database.OpenAsync(deadline, cancellation);
        await using var command = new NpgsqlCommand(ReceiptSql.Find, connection);
        Identify(command.Parameters, key);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        return await reader.ReadAsync(cancellation) ? Read(reader, key) : null;
    }

    /// <summary>What a keyed request finds before it begins: the stored answer, or null. An expired receipt is forgotten, so that the key starts afresh.</summary>
    /// <exception cref="ProblemException"><c>idempotency-key-reused</c>: it was used for another request.</exception>
    public async Task<Answer?> BeginAsync(ReceiptKey key, CancellationToken cancellation)
    {
        await using var connection = await database.OpenAsync(Deadline.Never, cancellation);
        await using var batch = new NpgsqlBatch(connection);
        var forget = new NpgsqlBatchCommand(ReceiptSql.DeleteExpiredKey);
        Identify(forget.Parameters, key);
        batch.BatchCommands.Add(forget);
        batch.BatchCommands.Add(Lookup(key));
        await using var reader = await batch.ExecuteReaderAsync(cancellation);
        return await reader.ReadAsync(cancellation) ? Read(reader, key) : null;
    }

    /// <summary>
    /// Commits somebody else's transaction together with the receipt of its answer. When the key was used meanwhile the transaction is rolled back
    /// instead, and the stored answer returned.
    /// </summary>
    /// <param name="transaction">Open, and not used again afterwards.</param>
    /// <param name="key">The key of the request.</param>
    /// <param name="answer">What will be sent.</param>
    /// <param name="wait">How long to wait for a concurrent request with the same key.</param>
    /// <param name="cancellation">Ends the wait; the commit itself is not cancelled, because nobody would know its outcome.</param>
    /// <exception cref="ProblemException"><c>idempotency-key-reused</c>, or <c>request-in-progress</c>: the other request did not end in time. Rolled back.</exception>
    public async Task<Answer?> CommitAsync(NpgsqlTransaction transaction, ReceiptKey key, Answer answer, TimeSpan wait, CancellationToken cancellation)
    {
        var connection = transaction.Connection!;
        await using var batch = new NpgsqlBatch(connection, transaction);
        batch.BatchCommands.Add(LockTimeout(wait));
        batch.BatchCommands.Add(Insert(Record(key, answer), keepsView: true));
        try
        {
            await batch.ExecuteNonQueryAsync(cancellation);
        }
        catch (PostgresException e) when (ReceiptSql.IsTaken(e))
        {
            await transaction.RollbackAsync(CancellationToken.None);
            // On the caller's own connection: a second one out of the same pool could be waited for by everybody who holds a first one.
            await using var command = new NpgsqlCommand(ReceiptSql.Find, connection);
            Identify(command.Parameters, key);
            await using var reader = await command.ExecuteReaderAsync(cancellation);
            if (await reader.ReadAsync(cancellation))
                return Read(reader, key);
            throw InProgress("The Idempotency-Key expired while it was used again. Repeat the request.", e);
        }
        catch (PostgresException e) when (DatabaseErrors.IsLockTimeout(e))
        {
            await transaction.RollbackAsync(CancellationToken.None);
            throw InProgress("A request with the same Idempotency-Key is still running. Repeat this one after it has ended.", e);
        }
        await transaction.CommitAsync(CancellationToken.None);
        return null;
    }

    /// <summary>
    /// Keeps the answer of a call that changed nothing (a refusal), unless the key has a receipt by now; that one is returned then. A refusal that is too
    /// large is not kept: its repetition is decided afresh.
    /// </summary>
    public async Task<Answer?> KeepAsync(ReceiptKey key, Answer answer, Deadline deadline, CancellationToken cancellation)
    {
        if (!Fits(answer))
            return null;
        for (var attempt = 1; ; attempt++)
            try
            {
                await using var connection = await database.OpenAsync(deadline, cancellation);
                await using var batch = new NpgsqlBatch(connection);
                batch.BatchCommands.Add(Insert(new ReceiptRow(key, answer, lifetime), keepsView: false));
                await batch.ExecuteNonQueryAsync(cancellation);
                return null;
            }
            catch (PostgresException e) when (ReceiptSql.IsTaken(e))
            {
                if (await FindAsync(key, deadline, cancellation) is { } stored)
                    return stored;
                if (attempt == 3)
                    throw;
                await ForgetExpiredAsync(key, deadline, cancellation);
            }
    }

    /// <summary>Removes the receipt of a key whose time is over, so that the key starts afresh.</summary>
    public async Task ForgetExpiredAsync(ReceiptKey key, Deadline deadline, CancellationToken cancellation)
    {
        await using var connection = await database.OpenAsync(deadline, cancellation);
        await using var command = new NpgsqlCommand(ReceiptSql.DeleteExpiredKey, connection);
        Identify(command.Parameters, key);
        await command.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>Removes all receipts of the lifetime before, if they have expired, in no time. Those of this one become those before.</summary>
    /// <returns>Whether it was time.</returns>
    public async Task<bool> RotateAsync(CancellationToken cancellation)
    {
        await using var connection = await database.Source.OpenConnectionAsync(cancellation);
        await using var batch = new NpgsqlBatch(connection);
        // Who waits for the tables holds up all who come behind: rather give up, and come again.
        batch.BatchCommands.Add(LockTimeout(lockMost));
        var rotate = new NpgsqlBatchCommand(ReceiptSql.Rotate);
        rotate.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = lifetime, NpgsqlDbType = NpgsqlDbType.Interval });
        batch.BatchCommands.Add(rotate);
        await using var reader = await batch.ExecuteReaderAsync(cancellation);
        await reader.NextResultAsync(cancellation);
        await reader.ReadAsync(cancellation);
        return reader.GetBoolean(0);
    }

    public static ProblemException TooLarge(int most) => ProblemCatalogue.AnswerTooLarge.Because(
        $"The answer would be larger than the {most} bytes that are kept under an Idempotency-Key, so nothing was changed. Ask for less at once.");

    private bool Fits(Answer answer)
    {
        long bytes = answer.Body.Length;
        foreach (var (name, value) in answer.Headers)
            bytes += name.Length + value.Length;
        return bytes <= answerBytesMost;
    }

    private static Answer Read(NpgsqlDataReader reader, ReceiptKey key)
    {
        if (!reader.GetFieldValue<byte[]>(0).AsSpan().SequenceEqual(key.Fingerprint))
            throw ProblemCatalogue.IdempotencyKeyReused.Because(
                "The Idempotency-Key was used before for another request (other method, path, query, content type or body). Use a new key for a new request; repeat the old request byte for byte to see its answer.");
        return new Answer(reader.GetInt16(1), reader.GetFieldValue<byte[]>(3))
        {
            Headers = ReceiptHeaders.Read(reader.GetString(2)),
            IsReplayed = true,
        };
    }

    /// <summary>A receipt alone: without changes of ours, nobody needs to be named as their origin.</summary>
    private static NpgsqlBatchCommand Insert(ReceiptRow receipt, bool keepsView) => CommitSql.Of(receipt, [], nobody, keepsView).Command;

    private static NpgsqlBatchCommand LockTimeout(TimeSpan wait)
    {
        var command = new NpgsqlBatchCommand("select set_config('lock_timeout', $1, true)");
        command.Parameters.Add(SqlValue.Text(Limits.Milliseconds(wait)));
        return command;
    }

    private static ProblemException InProgress(string detail, Exception inner) =>
        new(ProblemCatalogue.RequestInProgress, detail, [], inner) { RetryAfter = TimeSpan.FromSeconds(1) };

    private static void Identify(NpgsqlParameterCollection parameters, ReceiptKey key)
    {
        parameters.Add(SqlValue.Text(key.Scope));
        parameters.Add(SqlValue.Text(key.Key));
    }
}
