using System.Data;
using Mainstay.Internal;
using Npgsql;
using NpgsqlTypes;

namespace Mainstay;

/// <summary>
/// Looks whether the queues are as they must be, whatever has crashed. For a running application: it only reads, all of it from one view of the data, and within a
/// time.
/// </summary>
public sealed class QueueChecker
{
    private const int RowsMost = 100;

    private static readonly TimeSpan historyMost = TimeSpan.FromDays(1);

    private readonly Database _database;
    private readonly QueueOptions _options;
    private readonly QueueModel _model;

    internal QueueChecker(Database database, QueueOptions options, QueueModel model)
    {
        _database = database;
        _options = options;
        _model = model;
    }

    /// <summary>Looks at everything that can be found wrong. Of what was done, the last day is looked at.</summary>
    /// <param name="enqueued">
    /// Ids of jobs that are known to have been enqueued and committed, within what is kept of the history: each must be open, done or dead. Nothing in the database
    /// remembers a job but its own row, so that only who enqueued it can say that it is missing. Default: only those of schedules, whose planned times are remembered.
    /// </param>
    /// <param name="within">How long it may take, all in all. What there was no time for is named. Default: 5 s.</param>
    /// <param name="cancellation">Ends it.</param>
    public async Task<QueueReport> VerifyAsync(IReadOnlyCollection<Guid>? enqueued = null, TimeSpan? within = null, CancellationToken cancellation = default)
    {
        var deadline = Deadline.After(within ?? TimeSpan.FromSeconds(5), _database.Clock);
        await using var connection = await _database.OpenAsync(deadline, cancellation);
        await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, cancellation);
        await using var begin = new NpgsqlCommand("set transaction read only; select mainstay.now()", connection, transaction);
        var at = new DateTimeOffset((DateTime)(await begin.ExecuteScalarAsync(cancellation))!);
        var findings = new List<QueueFinding>();
        var unfinished = new List<string>();
        foreach (var check in QueueCheck.All)
            if (await RunAsync(check, connection, transaction, [.. enqueued ?? []], deadline, cancellation) is not { } rows)
                unfinished.Add(check.Name);
            else if (rows.Count > 0)
                findings.Add(new QueueFinding(check.Name, check.Expected, [.. rows.Take(RowsMost)], rows.Count > RowsMost, check.NextStep));
        return new QueueReport(at, findings, unfinished);
    }

    /// <returns>The rows of which it does not hold; null when there was no time to find them.</returns>
    private async Task<List<QueueFindingRow>?> RunAsync(QueueCheck check, NpgsqlConnection connection, NpgsqlTransaction transaction, Guid[] enqueued, Deadline deadline, CancellationToken cancellation)
    {
        var left = deadline.Left(_database.Clock);
        if (left < TimeSpan.FromMilliseconds(1))
            return null;
        // Another statement still sees what this one would have seen: the view is that of the transaction.
        await transaction.SaveAsync("before", cancellation);
        try
        {
            await using var batch = new NpgsqlBatch(connection, transaction);
            batch.BatchCommands.Add(Work.Timeouts(left, left));
            var statement = new NpgsqlBatchCommand($"{check.Sql} limit {RowsMost + 1}");
            statement.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = _options.Lease, NpgsqlDbType = NpgsqlDbType.Interval });
            statement.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = History, NpgsqlDbType = NpgsqlDbType.Interval });
            statement.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = enqueued, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Uuid });
            AddDeclared(statement.Parameters);
            batch.BatchCommands.Add(statement);
            await using var reader = await batch.ExecuteReaderAsync(cancellation);
            await reader.NextResultAsync(cancellation);
            var rows = new List<QueueFindingRow>();
            while (await reader.ReadAsync(cancellation))
                rows.Add(new QueueFindingRow(reader.GetString(0), reader.GetString(1)));
            return rows;
        }
        catch (PostgresException e) when (DatabaseErrors.IsStatementTimeout(e) || DatabaseErrors.IsLockTimeout(e))
        {
            await transaction.RollbackAsync("before", cancellation);
            return null;
        }
    }

    /// <summary>What the handlers and queues of this application may do. Of others nobody here knows it.</summary>
    private void AddDeclared(NpgsqlParameterCollection parameters)
    {
        QueueHandler[] inLanes = [.. _model.Handlers.Where(handler => handler.Placement.Lane is not null)];
        (string Handler, QueueLimit Limit)[] limited = [.. from handler in _model.Handlers let limit = _model.LimitOf(handler.Queue) where limit is { AtMost: not null } select (handler.Name, limit)];
        parameters.Add(SqlValue.Array(NpgsqlDbType.Text, inLanes.Select(handler => handler.Name).ToArray()));
        parameters.Add(SqlValue.Array(NpgsqlDbType.Integer, inLanes.Select(handler => handler.Placement.Places).ToArray()));
        parameters.Add(SqlValue.Array(NpgsqlDbType.Text, limited.Select(queue => queue.Handler).ToArray()));
        parameters.Add(SqlValue.Array(NpgsqlDbType.Text, limited.Select(queue => queue.Limit.Queue).ToArray()));
        parameters.Add(SqlValue.Array(NpgsqlDbType.Integer, limited.Select(queue => queue.Limit.AtMost!.Value).ToArray()));
    }

    /// <summary>Not further back than everything is kept: what was deleted is no finding.</summary>
    private TimeSpan History => new[] { historyMost, _options.KeepDone, _options.KeepDead, _options.KeepDiscarded }.Min();
}
