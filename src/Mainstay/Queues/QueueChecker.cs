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
        await using var view = await CheckedView.OpenAsync(_database, within ?? TimeSpan.FromSeconds(5), cancellation);
        var findings = new List<QueueFinding>();
        var unfinished = new List<string>();
        foreach (var check in QueueCheck.All)
            if (await view.RunAsync(check.Sql, parameters => Add(parameters, [.. enqueued ?? []]), cancellation) is not { } rows)
                unfinished.Add(check.Name);
            else if (rows.Count > 0)
                findings.Add(new QueueFinding(check.Name, check.Expected, [.. rows.Take(CheckedView.RowsMost).Select(row => new QueueFindingRow(row.Row, row.Detail))], rows.Count > CheckedView.RowsMost, check.NextStep));
        return new QueueReport(view.At, findings, unfinished);
    }

    private void Add(NpgsqlParameterCollection parameters, Guid[] enqueued)
    {
        parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = _options.Lease, NpgsqlDbType = NpgsqlDbType.Interval });
        parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = History, NpgsqlDbType = NpgsqlDbType.Interval });
        parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = enqueued, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Uuid });
        AddDeclared(parameters);
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
