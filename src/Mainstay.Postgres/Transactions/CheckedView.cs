using System.Data;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>
/// One view of a running database, for statements that look for what must not be there: nothing is locked or changed, all of them see the same moment, and together they
/// have a time.
/// </summary>
internal sealed class CheckedView : IAsyncDisposable
{
    /// <summary>So many connections are tried.</summary>
    private const int AttemptsMost = 5;

    /// <summary>So many rows of a finding are shown.</summary>
    public const int RowsMost = 100;

    private readonly Database _database;
    private readonly Deadline _deadline;
    private readonly NpgsqlConnection _connection;
    private readonly NpgsqlTransaction _transaction;

    private CheckedView(Database database, Deadline deadline, NpgsqlConnection connection, NpgsqlTransaction transaction, DateTimeOffset at) =>
        (_database, _deadline, _connection, _transaction, At) = (database, deadline, connection, transaction, at);

    /// <summary>The moment that is looked at, by the database's clock.</summary>
    public DateTimeOffset At { get; }

    /// <summary>Opens one. That a connection of the pool has ended while nobody used it is noticed with the first statement; another one is tried then, a few times.</summary>
    public static async Task<CheckedView> OpenAsync(Database database, TimeSpan within, CancellationToken cancellation)
    {
        var deadline = Deadline.After(within, database.Clock);
        for (var attempt = 1; ; attempt++)
        {
            var connection = await database.OpenAsync(deadline, cancellation);
            try
            {
                var seconds = Seconds(deadline.Left(database.Clock));
                var transaction = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, cancellation);
                await using var begin = new NpgsqlCommand("set transaction read only; select mainstay.now()", connection, transaction) { CommandTimeout = seconds };
                return new CheckedView(database, deadline, connection, transaction, new DateTimeOffset((DateTime)(await begin.ExecuteScalarAsync(cancellation))!));
            }
            catch (Exception e)
            {
                await connection.DisposeAsync();
                if (attempt == AttemptsMost || !DatabaseErrors.IsUnavailable(e) || deadline.Left(database.Clock) <= TimeSpan.Zero)
                    throw;
            }
        }
    }

    /// <summary>Runs a statement that gives the rows of which something does not hold: what names the row, and how it is.</summary>
    /// <returns>At most one more than are shown; null when there was no time to find them.</returns>
    public async Task<List<(string Row, string Detail)>?> RunAsync(string sql, Action<NpgsqlParameterCollection> add, CancellationToken cancellation)
    {
        var left = _deadline.Left(_database.Clock);
        if (left < TimeSpan.FromMilliseconds(1))
            return null;
        try
        {
            // The server ends what takes too long; one that does not answer is not waited for much longer.
            await using var batch = new NpgsqlBatch(_connection, _transaction) { Timeout = Seconds(left) + 1 };
            // Another statement still sees what this one would have seen: the view is that of the transaction.
            batch.BatchCommands.Add(new NpgsqlBatchCommand("savepoint before"));
            batch.BatchCommands.Add(Work.Timeouts(left, left));
            var statement = new NpgsqlBatchCommand($"{sql} limit {RowsMost + 1}");
            add(statement.Parameters);
            batch.BatchCommands.Add(statement);
            await using var reader = await batch.ExecuteReaderAsync(cancellation);
            await reader.NextResultAsync(cancellation);
            var rows = new List<(string, string)>();
            while (await reader.ReadAsync(cancellation))
                rows.Add((reader.GetString(0), reader.GetString(1)));
            return rows;
        }
        catch (PostgresException e) when (DatabaseErrors.IsStatementTimeout(e) || DatabaseErrors.IsLockTimeout(e))
        {
            await _transaction.RollbackAsync("before", cancellation);
            return null;
        }
        catch (NpgsqlException e) when (e.InnerException is TimeoutException)
        {
            return null;
        }
    }

    private static int Seconds(TimeSpan time) => (int)Math.Clamp(Math.Ceiling(time.TotalSeconds), 1, 3600);

    public async ValueTask DisposeAsync()
    {
        await _transaction.DisposeAsync();
        await _connection.DisposeAsync();
    }
}
