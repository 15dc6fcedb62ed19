using Npgsql;
using NpgsqlTypes;

namespace Mainstay.Internal;

/// <summary>How the queues are, as of one look. Each look is one round trip, and costs the same whatever waits.</summary>
internal sealed class QueueWatchStore(Database database)
{
    /// <summary>Depths are exact up to here; beyond, they are estimated from so many pages.</summary>
    public const int ExactMost = 1000;
    private const int SamplePages = 200;

    private static readonly TimeSpan timeout = TimeSpan.FromSeconds(2);

    /// <summary>The ages of all handlers and who holds an old view.</summary>
    /// <param name="handlers">Their names.</param>
    /// <param name="laned">Those of them that have lanes.</param>
    /// <param name="cancellation">Ends the attempt.</param>
    public async Task<QueueLook> LookAsync(string[] handlers, string[] laned, CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand(QueueWatchSql.Look);
        command.CommandTimeout = (int)timeout.TotalSeconds;
        command.Parameters.Add(Names(handlers));
        command.Parameters.Add(Names(laned));
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var ages = new Dictionary<string, TimeSpan?>();
        var holders = new List<SnapshotHolder>();
        while (await reader.ReadAsync(cancellation))
        {
            var (kind, name) = (reader.GetString(0), reader.GetString(1));
            TimeSpan? age = reader.IsDBNull(5) ? null : TimeSpan.FromSeconds(Math.Max(0, reader.GetDouble(5)));
            if (kind == QueueWatchSql.Age)
                ages[name] = age;
            else
                holders.Add(new SnapshotHolder(kind, name, reader.IsDBNull(2) ? null : reader.GetInt32(2), Text(reader, 3), Text(reader, 4), age, Text(reader, 6)));
        }
        return new QueueLook(ages, holders);
    }

    /// <summary>The handlers that have lanes which are stopped.</summary>
    public async Task<Dictionary<string, StoppedLanes>> StoppedAsync(string[] handlers, CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand(QueueWatchSql.Stopped);
        command.CommandTimeout = (int)timeout.TotalSeconds;
        command.Parameters.Add(Names(handlers));
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var stopped = new Dictionary<string, StoppedLanes>();
        while (await reader.ReadAsync(cancellation))
            stopped[reader.GetString(0)] = new StoppedLanes(reader.GetInt64(1), reader.GetFieldValue<DateTimeOffset>(2));
        return stopped;
    }

    /// <summary>How many rows are ready for each handler.</summary>
    public async Task<Dictionary<string, long>> DepthsAsync(string[] handlers, CancellationToken cancellation)
    {
        await using var connection = await database.Source.OpenConnectionAsync(cancellation);
        await using var batch = new NpgsqlBatch(connection);
        batch.BatchCommands.Add(Work.Timeouts(timeout, timeout));
        batch.BatchCommands.Add(Of(QueueWatchSql.Depths, Names(handlers), new NpgsqlParameter<int> { TypedValue = ExactMost + 1 }));
        var depths = new Dictionary<string, long>();
        long pages = 1;
        await using (var reader = await batch.ExecuteReaderAsync(cancellation))
        {
            await reader.NextResultAsync(cancellation);
            while (await reader.ReadAsync(cancellation))
                (depths[reader.GetString(0)], pages) = (reader.GetInt64(1), reader.GetInt64(2));
        }
        string[] deep = [.. depths.Where(depth => depth.Value > ExactMost).Select(depth => depth.Key)];
        if (deep.Length > 0)
            await EstimateAsync(connection, deep, Math.Min(1, (double)SamplePages / Math.Max(1, pages)), depths, cancellation);
        return depths;
    }

    private static async Task EstimateAsync(NpgsqlConnection connection, string[] handlers, double share, Dictionary<string, long> depths, CancellationToken cancellation)
    {
        await using var batch = new NpgsqlBatch(connection);
        batch.BatchCommands.Add(Work.Timeouts(timeout, timeout));
        batch.BatchCommands.Add(Of(QueueWatchSql.Sample, new NpgsqlParameter<float> { TypedValue = (float)(share * 100) }, Names(handlers)));
        await using var reader = await batch.ExecuteReaderAsync(cancellation);
        await reader.NextResultAsync(cancellation);
        while (await reader.ReadAsync(cancellation))
            depths[reader.GetString(0)] = Math.Max(ExactMost + 1, (long)(reader.GetInt64(1) / share));
    }

    private static NpgsqlBatchCommand Of(string sql, params NpgsqlParameter[] parameters)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var parameter in parameters)
            command.Parameters.Add(parameter);
        return command;
    }

    private static NpgsqlParameter<string[]> Names(string[] handlers) => new NpgsqlParameter<string[]> { TypedValue = handlers, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text };

    private static string Text(NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? "" : reader.GetString(column);
}

/// <summary>Lanes in which nothing goes on, because a job has died.</summary>
/// <param name="Count">How many.</param>
/// <param name="LastAt">When the last one was stopped.</param>
internal readonly record struct StoppedLanes(long Count, DateTimeOffset LastAt);

/// <param name="Ages">How long the row that has waited longest has done so, by handler; null when none does.</param>
/// <param name="Holders">Who keeps an old view of the data.</param>
internal sealed record QueueLook(IReadOnlyDictionary<string, TimeSpan?> Ages, IReadOnlyList<SnapshotHolder> Holders);

/// <summary>Somebody who keeps an old view of the data, however short a time.</summary>
/// <param name="Kind">Transaction, prepared transaction, replication slot or standby.</param>
/// <param name="Name">What tells it from others of the kind, and from a later one of the same process.</param>
/// <param name="Pid">The server process, if there is one.</param>
/// <param name="Application">The name that the application gave the server, or the owner.</param>
/// <param name="Query">Its last statement, cut off.</param>
/// <param name="Age">How long it has done so; null where the server does not know.</param>
/// <param name="Horizon">The transaction that it looks back to, where the age is not known.</param>
internal sealed record SnapshotHolder(string Kind, string Name, int? Pid, string Application, string Query, TimeSpan? Age, string Horizon);
