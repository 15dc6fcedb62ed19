using System.Data;
using System.Globalization;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>
/// One transaction as few round trips as it takes. Statements are batched; BEGIN travels with the first batch that reads, COMMIT with the last.
/// A transaction that only writes is a single batch without either: PostgreSQL runs what stands before one Sync as one implicit transaction.
/// </summary>
/// <remarks>
/// <code>
///   only writes      [writes…]                                                      1 round trip
///   reads first      [begin, timeouts, read] … [read] … [writes…, commit]           1 per read + 1
/// </code>
/// Timeouts are transaction-local settings, so nothing depends on the session and a transaction-mode pooler is safe. Of a transaction that only
/// writes they travel within its first statement, if that can carry them (<see cref="BatchItem.WithLimits"/>). The connection is taken from the pool for the first round trip, not
/// before: while a handler computes, somebody else can use it.
/// </remarks>
internal sealed class Work(Database database, Deadline deadline, IsolationLevel isolation, bool isReadOnly, CancellationToken opening) : IAsyncDisposable
{
    private NpgsqlConnection? _connection;
    private bool _begun;
    private bool _ended;

    /// <summary>How often this transaction waited for the server.</summary>
    public int RoundTrips { get; private set; }

    /// <summary>How many statements it has sent, however few round trips they took.</summary>
    public int Statements { get; private set; }

    /// <summary>Open from the first round trip on.</summary>
    public NpgsqlConnection Connection => _connection ?? throw new InvalidOperationException("Nothing has been sent, so there is no connection yet.");

    /// <inheritdoc cref="Database.Faults"/>
    public IFaultPoints? Faults => database.Faults;

    /// <summary>Whether it has been to the database. Until then everything about it is in memory.</summary>
    public bool HasBegun => _connection is not null;

    /// <summary>Whether nothing has happened to its connection.</summary>
    public bool IsIntact => _connection is null || _connection.FullState == ConnectionState.Open;

    /// <summary>Whether all its statements see the database as the first one did.</summary>
    public bool KeepsView => isolation != IsolationLevel.ReadCommitted;

    /// <summary>The longest wait for a lock; by default half of what is left of the deadline.</summary>
    public TimeSpan LockMost { get; init; } = TimeSpan.MaxValue;

    /// <summary>The timeouts that are still to be set; null when they are set already, or there are none.</summary>
    /// <exception cref="ProblemException"><c>deadline-exceeded</c></exception>
    private Limits? LimitsToSet => _begun ? null : Limits.Of(Left(), LockMost);

    /// <summary>Whether the last batch, the one that commits, has been sent. From then on a broken connection leaves the outcome unknown.</summary>
    public bool IsCommitting { get; private set; }

    /// <summary>Takes a connection, if there is none yet.</summary>
    public async ValueTask OpenAsync() => _connection ??= await database.OpenAsync(deadline, opening);

    /// <summary>Runs the writes recorded so far and then one statement whose rows are read.</summary>
    /// <returns>A reader that stands before the rows of <paramref name="read"/>.</returns>
    public async Task<NpgsqlDataReader> ReadAsync(IReadOnlyList<BatchItem> before, NpgsqlBatchCommand read, CancellationToken cancellation)
    {
        var batch = await BatchAsync(begin: true);
        var skip = SetLimits(batch);
        skip += Add(batch, before);
        batch.BatchCommands.Add(read);
        Count(batch);
        var reader = await batch.ExecuteReaderAsync(cancellation);
        try
        {
            for (; skip > 0; skip--)
                await reader.NextResultAsync(cancellation);
            _begun = true;
            return reader;
        }
        catch
        {
            await reader.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs statements inside the transaction, which stays open.</summary>
    /// <returns>Rows affected by the last of them.</returns>
    public async Task<int> ExecuteAsync(IReadOnlyList<BatchItem> items, CancellationToken cancellation)
    {
        var batch = await BatchAsync(begin: true);
        SetLimits(batch);
        Add(batch, items);
        await RunAsync(batch, cancellation);
        _begun = true;
        return (int)batch.BatchCommands[^1].RecordsAffected;
    }

    /// <summary>Runs the last statements and commits.</summary>
    public async Task CommitAsync(IReadOnlyList<BatchItem> items)
    {
        if (items.Count > 0 || _begun)
        {
            var needsBegin = !_begun && KeepsView;
            var batch = await BatchAsync(needsBegin);
            if (items is [{ WithLimits: { } text } first, ..])
                SetLimits(first.Command, text);
            else
                SetLimits(batch);
            Add(batch, items);
            if (_begun || needsBegin)
                batch.BatchCommands.Add(new NpgsqlBatchCommand("commit"));
            IsCommitting = true;
            // Not cancellable: a cancelled commit is one whose outcome nobody knows. The server's own statement timeout bounds it.
            try
            {
                await RunAsync(batch, CancellationToken.None);
            }
            catch (NpgsqlException e) when (HasNotReachedTheEnd(e, batch))
            {
                IsCommitting = false;
                throw;
            }
        }
        _ended = true;
    }

    /// <summary>Rolls back what was not committed. A connection that cannot even do that is closed, which rolls back too.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_connection is not { } connection)
            return;
        if (_begun && !_ended && connection.FullState.HasFlag(ConnectionState.Open))
            try
            {
                await using var rollback = new NpgsqlCommand("rollback", connection) { CommandTimeout = 2 };
                await rollback.ExecuteNonQueryAsync(CancellationToken.None);
            }
            catch (Exception e) when (DatabaseErrors.IsUnavailable(e))
            {
                NpgsqlConnection.ClearPool(connection);
            }
        await connection.DisposeAsync();
    }

    private async Task RunAsync(NpgsqlBatch batch, CancellationToken cancellation)
    {
        Count(batch);
        await batch.ExecuteNonQueryAsync(cancellation);
    }

    private void Count(NpgsqlBatch batch)
    {
        RoundTrips++;
        Statements += batch.BatchCommands.Count;
    }

    /// <summary>
    /// Whether a failure shows that the server did not come to the end of the batch, so that it cannot have committed: it refused an earlier
    /// statement, or the batch, whose last bytes are the Sync, could not be written. So a connection that was ended while it lay in the pool
    /// is told from one that broke at the wrong moment.
    /// </summary>
    private static bool HasNotReachedTheEnd(NpgsqlException error, NpgsqlBatch batch) => error is PostgresException refused
        ? refused.BatchCommand is { } command && command != batch.BatchCommands[^1]
        : error.InnerException is IOException or System.Net.Sockets.SocketException && error.Message.StartsWith("Exception while writing", StringComparison.Ordinal);

    private TimeSpan Left()
    {
        var left = deadline.Left(database.Clock);
        return left > TimeSpan.Zero ? left : throw DatabaseErrors.DeadlineExceeded();
    }

    private async ValueTask<NpgsqlBatch> BatchAsync(bool begin)
    {
        await OpenAsync();
        var left = Left();
        // The client's own timeout only matters when the server no longer answers, so it comes after the server's.
        var batch = new NpgsqlBatch(_connection) { Timeout = left == TimeSpan.MaxValue ? 0 : (int)Math.Ceiling(left.TotalSeconds) + 2 };
        if (begin && !_begun)
            batch.BatchCommands.Add(new NpgsqlBatchCommand((isolation, isReadOnly) switch
            {
                (_, true) => "begin isolation level repeatable read read only",
                (IsolationLevel.Serializable, _) => "begin isolation level serializable",
                (IsolationLevel.RepeatableRead, _) => "begin isolation level repeatable read",
                _ => "begin",
            }));
        return batch;
    }

    /// <returns>How many results of the batch come from it.</returns>
    private int SetLimits(NpgsqlBatch batch)
    {
        if (LimitsToSet is not { } limits)
            return 0;
        batch.BatchCommands.Add(Timeouts(limits.Statement, limits.Lock));
        return 1;
    }

    /// <summary>Lets a statement set them with what else it does: one of its own would cost PostgreSQL about as much as the row that is written.</summary>
    private void SetLimits(NpgsqlBatchCommand command, string text)
    {
        if (LimitsToSet is not { } limits)
            return;
        command.CommandText = text;
        command.Parameters.Add(SqlValue.Text(Limits.Milliseconds(limits.Statement)));
        command.Parameters.Add(SqlValue.Text(Limits.Milliseconds(limits.Lock)));
    }

    /// <summary>Limits for the statements that follow in the same transaction, and for nothing else.</summary>
    internal static NpgsqlBatchCommand Timeouts(TimeSpan statement, TimeSpan @lock)
    {
        var command = new NpgsqlBatchCommand("select set_config('statement_timeout', $1, true), set_config('lock_timeout', $2, true)");
        command.Parameters.Add(SqlValue.Text(Limits.Milliseconds(statement)));
        command.Parameters.Add(SqlValue.Text(Limits.Milliseconds(@lock)));
        return command;
    }

    private static int Add(NpgsqlBatch batch, IReadOnlyList<BatchItem> items)
    {
        var results = 0;
        foreach (var item in items)
        {
            batch.BatchCommands.Add(item.Command);
            results += item.YieldsRows ? 1 : 0;
        }
        return results;
    }
}

/// <summary>A recorded statement. <paramref name="Change"/> says which change of the unit of work it is, so that a violation can name it.</summary>
internal readonly record struct BatchItem(NpgsqlBatchCommand Command, bool YieldsRows = false, RowChange? Change = null)
{
    /// <summary>The same statement, which also sets the timeouts of the transaction, by two parameters more; null when it cannot. For the first of a commit.</summary>
    public string? WithLimits { get; init; }
}

/// <summary>How long the statements of a transaction may take, and how long they may wait for a lock.</summary>
internal readonly record struct Limits(TimeSpan Statement, TimeSpan Lock)
{
    /// <summary>A lock is waited for half of the time that is left, so that the other half can be used to answer.</summary>
    public static Limits? Of(TimeSpan left, TimeSpan lockMost) =>
        left == TimeSpan.MaxValue ? null : new Limits(left, left / 2 < lockMost ? left / 2 : lockMost);

    /// <summary>A condition that sets both and holds. It is asked before whatever the statement locks, so that the wait for that is limited by it already.</summary>
    /// <param name="number">The number of the first of its two parameters.</param>
    public static string Condition(int number) => $"set_config('statement_timeout', ${number}, true) is not null and set_config('lock_timeout', ${number + 1}, true) is not null";

    public static string Milliseconds(TimeSpan time) => ((long)Math.Max(1, time.TotalMilliseconds)).ToString(CultureInfo.InvariantCulture);
}
