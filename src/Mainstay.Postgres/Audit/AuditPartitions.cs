using Npgsql;
using NpgsqlTypes;

namespace Mainstay.Internal;

/// <summary>The months of the audit trail: made ahead, and dropped when they have been kept long enough. Any node may do either at any time.</summary>
internal sealed class AuditPartitions(Database database, TimeSpan? retention)
{
    private const string Add = "select mainstay.add_audit_partitions()";
    private const string Drop = "select mainstay.drop_audit_partitions($1)";

    public Database Database => database;

    /// <returns>How many months were made, and how many dropped.</returns>
    public async Task<(int Added, int Dropped)> KeepAsync(CancellationToken cancellation)
    {
        var added = await RunAsync(new NpgsqlBatchCommand(Add), cancellation);
        if (retention is not { } time)
            return (added, 0);
        var drop = new NpgsqlBatchCommand(Drop);
        drop.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = time, NpgsqlDbType = NpgsqlDbType.Interval });
        return (added, await RunAsync(drop, cancellation));
    }

    private async Task<int> RunAsync(NpgsqlBatchCommand command, CancellationToken cancellation)
    {
        await using var connection = await database.Source.OpenConnectionAsync(cancellation);
        await using var batch = new NpgsqlBatch(connection);
        // Who waits for the table holds up all writers that come behind: rather give up, and come again.
        batch.BatchCommands.Add(Work.Timeouts(TimeSpan.FromMinutes(1), TimeSpan.FromMilliseconds(100)));
        batch.BatchCommands.Add(command);
        await using var reader = await batch.ExecuteReaderAsync(cancellation);
        await reader.NextResultAsync(cancellation);
        await reader.ReadAsync(cancellation);
        return reader.GetInt32(0);
    }
}
