using System.Diagnostics;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>Where the statements of a ledger run.</summary>
internal abstract class LedgerSession
{
    /// <summary>What transfers and holds are caused by.</summary>
    public abstract Origin Origin { get; }

    /// <summary>For what needs a view of its own.</summary>
    public abstract Database Database { get; }

    /// <summary>Runs a statement and reads its rows.</summary>
    /// <exception cref="ProblemException">The ledger has refused it.</exception>
    public abstract Task<List<T>> QueryAsync<T>(Func<NpgsqlBatchCommand> statement, Func<NpgsqlDataReader, T> read, CancellationToken cancellation);

    public virtual Task<LedgerPosting> TransferAsync(LedgerTransfer transfer, Origin origin, CancellationToken cancellation) => OneAsync(() => LedgerSql.Transfer(transfer, origin), LedgerRows.Posting, cancellation);

    /// <summary>Runs a statement that changes something, and may be run again, and reads its rows.</summary>
    /// <exception cref="ProblemException">The ledger has refused it; nothing was changed (except <c>outcome-unknown</c>).</exception>
    public virtual Task<List<T>> ChangeAsync<T>(Func<NpgsqlBatchCommand> statement, Func<NpgsqlDataReader, T> read, CancellationToken cancellation) => QueryAsync(statement, read, cancellation);

    /// <summary>Reads what a change has come to.</summary>
    public virtual Task<T> AfterwardsAsync<T>(Func<Task<T>> read) => read();

    public async Task<T> OneAsync<T>(Func<NpgsqlBatchCommand> statement, Func<NpgsqlDataReader, T> read, CancellationToken cancellation) => (await ChangeAsync(statement, read, cancellation))[0];

    public async Task<T?> FindAsync<T>(Func<NpgsqlBatchCommand> statement, Func<NpgsqlDataReader, T> read, CancellationToken cancellation) where T : class =>
        (await QueryAsync(statement, read, cancellation)).FirstOrDefault();

    protected static async Task<List<T>> ReadAsync<T>(NpgsqlDataReader reader, Func<NpgsqlDataReader, T> read, CancellationToken cancellation)
    {
        var rows = new List<T>();
        while (await reader.ReadAsync(cancellation))
            rows.Add(read(reader));
        return rows;
    }
}

/// <summary>Each call commits by itself. All of them can be repeated, so they are when the connection is lost or PostgreSQL asks for it.</summary>
internal sealed class LedgerAlone(Transactor transactor) : LedgerSession
{
    private static readonly TimeSpan timeout = TimeSpan.FromSeconds(30);

    private readonly LedgerGroups _groups = new(transactor, timeout);

    public override Origin Origin => ApplicationOrigin.Here();

    public override Database Database => transactor.Database;

    public override Task<LedgerPosting> TransferAsync(LedgerTransfer transfer, Origin origin, CancellationToken cancellation) => _groups.TransferAsync(transfer, origin, cancellation);

    public override Task<List<T>> QueryAsync<T>(Func<NpgsqlBatchCommand> statement, Func<NpgsqlDataReader, T> read, CancellationToken cancellation) => SendAsync(statement, read, null, cancellation);

    public override Task<List<T>> ChangeAsync<T>(Func<NpgsqlBatchCommand> statement, Func<NpgsqlDataReader, T> read, CancellationToken cancellation) => SendAsync(statement, read, new Doubt(), cancellation);

    /// <summary>The change has been committed, so that a read that fails may not say that nothing was changed.</summary>
    public override async Task<T> AfterwardsAsync<T>(Func<Task<T>> read)
    {
        try
        {
            return await read();
        }
        catch (ProblemException e) when (Transactor.SaysNothingWasChanged(e))
        {
            throw DatabaseErrors.OutcomeUnknown(e);
        }
    }

    private async Task<List<T>> SendAsync<T>(Func<NpgsqlBatchCommand> statement, Func<NpgsqlDataReader, T> read, Doubt? doubt, CancellationToken cancellation)
    {
        var deadline = Deadline.After(timeout, Database.Clock);
        var request = new TransactionRequest(User.Anonymous, Origin, deadline, cancellation);
        try
        {
            return await (doubt is null ? transactor.ReadAsync(request, RunAsync, statement) : transactor.WriteAsync(request, RunAsync, statement, doubt));
        }
        catch (PostgresException e) when (LedgerRefusal.Translate(e) is { } refusal)
        {
            throw refusal;
        }

        async ValueTask<List<T>> RunAsync(Func<NpgsqlBatchCommand> sent)
        {
            await using var connection = await Database.OpenAsync(deadline, cancellation);
            await using var batch = LedgerGroups.Batch(connection, deadline.Left(Database.Clock), TimeSpan.MaxValue);
            batch.BatchCommands.Add(sent());
            doubt?.IsSent = true;
            await using var reader = await batch.ExecuteReaderAsync(cancellation);
            await reader.NextResultAsync(cancellation);
            return await ReadAsync(reader, read, cancellation);
        }
    }
}

/// <summary>Within a unit of work, whose statements they are.</summary>
internal sealed class LedgerInUnitOfWork(UnitOfWork work, LedgerSession? alone) : LedgerSession
{
    public override Origin Origin => work.Origin;

    public override Database Database => alone?.Database ?? throw new InvalidOperationException("A unit of work cannot verify the ledger, which needs a view of its own. Take the service Ledger.");

    public override async Task<List<T>> QueryAsync<T>(Func<NpgsqlBatchCommand> statement, Func<NpgsqlDataReader, T> read, CancellationToken cancellation)
    {
        var command = statement();
        try
        {
            await using var reader = await work.ReadAsync(command);
            return await ReadAsync(reader, read, work.Cancellation);
        }
        // Statements that the handler recorded before travel in the same batch. Only the ledger's own are its business.
        catch (PostgresException e) when ((e.BatchCommand is null || e.BatchCommand == command) && LedgerRefusal.Translate(e) is { } refusal)
        {
            throw refusal;
        }
    }
}

/// <summary>Within a transaction of the application.</summary>
internal sealed class LedgerInTransaction(NpgsqlTransaction transaction, LedgerSession alone) : LedgerSession
{
    public override Origin Origin => ApplicationOrigin.Here();

    public override Database Database => alone.Database;

    public override async Task<List<T>> QueryAsync<T>(Func<NpgsqlBatchCommand> statement, Func<NpgsqlDataReader, T> read, CancellationToken cancellation)
    {
        try
        {
            await using var batch = new NpgsqlBatch(transaction.Connection, transaction);
            batch.BatchCommands.Add(statement());
            await using var reader = await batch.ExecuteReaderAsync(cancellation);
            return await ReadAsync(reader, read, cancellation);
        }
        catch (PostgresException e) when (LedgerRefusal.Translate(e) is { } refusal)
        {
            throw refusal;
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.UndefinedFunction or PostgresErrorCodes.InvalidSchemaName)
        {
            throw CallerTransaction.OtherDatabase("MST2903", "ledger_transfers", e);
        }
    }
}

/// <summary>Transfers that a unit of work sends with its commit, so that their accounts are locked for no longer than that.</summary>
internal sealed class LateTransfers : ILateWrites
{
    private readonly List<(LedgerTransfer Transfer, Origin Origin)> _transfers = [];
    private readonly HashSet<NpgsqlBatchCommand> _sent = [];

    public void Add(LedgerTransfer transfer, Origin origin) => _transfers.Add((transfer, origin));

    public IEnumerable<BatchItem> Statements()
    {
        if (_transfers.Count > 1)
            yield return new BatchItem(LedgerSql.Lock(_transfers.Select(late => late.Transfer)));
        foreach (var (transfer, origin) in _transfers)
        {
            var statement = LedgerSql.Transfer(transfer, origin);
            _sent.Add(statement);
            yield return new BatchItem(statement);
        }
    }

    public ProblemException? Translate(PostgresException error) => error.BatchCommand is { } command && _sent.Contains(command) ? LedgerRefusal.Translate(error) : null;
}
