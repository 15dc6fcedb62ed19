using Npgsql;
using NpgsqlTypes;

namespace Mainstay.Internal;

/// <summary>
/// This process as the holder of leases: one row, renewed for everything that it holds. The database decides when the lease is over; the process stops relying on
/// it earlier, by its own monotonic clock, so that it has stopped when others begin.
/// </summary>
internal sealed class NodeLease(Database database, TimeSpan length)
{
    private static readonly string name = $"{Environment.MachineName}:{Environment.ProcessId}";

    private long _reliableUntil = database.Clock.GetTimestamp();

    /// <summary>New at every start: what an earlier process of the same machine held is not ours.</summary>
    public Guid Id { get; } = Guid.CreateVersion7();

    public TimeSpan Length => length;

    /// <summary>How often to renew it: a few failures in a row do not end it.</summary>
    public TimeSpan Pace => length / 6;

    /// <summary>Whether others are sure not to take over what this node holds.</summary>
    public bool IsHeld => new Deadline(Volatile.Read(ref _reliableUntil)).Left(database.Clock) > TimeSpan.Zero;

    /// <summary>How many other nodes were alive at the last renewal.</summary>
    public int Others { get; private set; }

    /// <returns>What there is to do besides.</returns>
    public async Task<NodeNews> ExtendAsync(CancellationToken cancellation)
    {
        // From before the question: however long the answer takes, the database's lease is not shorter.
        var reliable = Deadline.After(length * 2 / 3, database.Clock);
        await using var command = database.Source.CreateCommand(NodeSql.Extend);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = Id });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = name });
        command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = length, NpgsqlDbType = NpgsqlDbType.Interval });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        await reader.ReadAsync(cancellation);
        Others = (int)reader.GetInt64(0);
        Volatile.Write(ref _reliableUntil, reliable.Timestamp);
        return new NodeNews(reader.GetBoolean(1), reader.GetBoolean(2));
    }

    public async Task EndAsync()
    {
        Volatile.Write(ref _reliableUntil, database.Clock.GetTimestamp());
        await using var command = database.Source.CreateCommand(NodeSql.End);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = Id });
        await command.ExecuteNonQueryAsync();
    }

    public async Task DeleteDeadAsync(CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand(NodeSql.DeleteDead);
        await command.ExecuteNonQueryAsync(cancellation);
    }
}

/// <summary>What a node learns whenever it renews its lease.</summary>
/// <param name="HasOrphans">Whether a node whose lease is over holds jobs, which are to be taken back.</param>
/// <param name="HasRedrives">Whether a redrive goes on.</param>
internal readonly record struct NodeNews(bool HasOrphans, bool HasRedrives);
