using Npgsql;
using NpgsqlTypes;

namespace Mainstay.Internal;

/// <summary>
/// The operations of long-running commands in the database: accepted with the receipt of their request, claimed under the lease of a node, ended in the
/// transaction of their effect.
/// </summary>
/// <remarks>
/// <code>
///   pending ── claim ──▶ running ── complete ──▶ succeeded        in the transaction of the effect
///      ▲ │                │ │ └─── fail ───────▶ failed
///      │ └─ cancel ─┐     │ └ cancel requested ▶ cancelled
///      └─ release ──┼─────┘                          ▲
///                   └────────────────────────────────┘
/// </code>
/// Every end of a run names the fence of its claim, so that a node which has lost its lease without noticing ends nothing.
/// </remarks>
internal sealed class OperationStore(Database database, TimeSpan lease, TimeSpan retention)
{
    /// <summary>This process, as the holder of leases.</summary>
    public Guid Node { get; } = Guid.CreateVersion7();

    public static BatchItem Insert(StoredOperation operation, StoredCall call)
    {
        var command = new NpgsqlBatchCommand(OperationSql.Insert);
        Add(command.Parameters, operation.Id);
        Add(command.Parameters, operation.Name);
        Add(command.Parameters, call.Caller.Id);
        Add(command.Parameters, [.. call.Caller.Roles]);
        Add(command.Parameters, [.. call.Caller.Permissions]);
        Add(command.Parameters, call.Route);
        Add(command.Parameters, call.Query);
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = call.Body.ToArray(), NpgsqlDbType = NpgsqlDbType.Bytea });
        Add(command.Parameters, call.RequestId);
        command.Parameters.Add(new NpgsqlParameter { Value = (object?)call.TraceParent ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text });
        command.Parameters.Add(new NpgsqlParameter<DateTime> { TypedValue = operation.CreatedAt.UtcDateTime, NpgsqlDbType = NpgsqlDbType.TimestampTz });
        return new BatchItem(command);
    }

    /// <summary>Not cancellable: a claim whose answer is lost holds its operations until the lease ends.</summary>
    public async Task<List<ClaimedOperation>> ClaimAsync(string[] names, int most)
    {
        await using var command = database.Source.CreateCommand(OperationSql.Claim);
        Add(command.Parameters, Node);
        Add(command.Parameters, names);
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = most });
        Add(command.Parameters, lease);
        var claimed = new List<ClaimedOperation>();
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
        {
            var caller = new User(reader.GetString(2), reader.GetFieldValue<string[]>(3), reader.GetFieldValue<string[]>(4));
            var call = new StoredCall(caller, reader.GetFieldValue<string[]>(5), reader.GetString(6), reader.GetFieldValue<byte[]>(7), reader.GetString(8), reader.IsDBNull(9) ? null : reader.GetString(9));
            claimed.Add(new ClaimedOperation(reader.GetGuid(0), reader.GetString(1), call, reader.GetInt32(10), reader.GetInt32(11), reader.GetBoolean(12)));
        }
        return claimed;
    }

    /// <summary>Renews the lease of this node.</summary>
    /// <returns>The operations that it holds, with their fence, and whether they shall be cancelled.</returns>
    public async Task<Dictionary<Guid, (int Fence, bool IsCancelRequested)>> ExtendAsync(CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand(OperationSql.Extend);
        Add(command.Parameters, Node);
        Add(command.Parameters, lease);
        var held = new Dictionary<Guid, (int, bool)>();
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        while (await reader.ReadAsync(cancellation))
            held[reader.GetGuid(0)] = (reader.GetInt32(1), reader.GetBoolean(2));
        return held;
    }

    /// <summary>The statement that ends a run well. It goes first in the commit, so that a node without its lease does nothing in vain.</summary>
    public BatchItem Complete(ClaimedOperation claimed, Answer answer)
    {
        var command = new NpgsqlBatchCommand(OperationSql.Complete);
        Identify(command.Parameters, claimed.Id, claimed.Fence);
        Add(command.Parameters, retention);
        Add(command.Parameters, answer);
        return new BatchItem(command);
    }

    /// <returns>False when it is no longer ours.</returns>
    public async Task<bool> FailAsync(ClaimedOperation claimed, Answer answer)
    {
        await using var command = database.Source.CreateCommand(OperationSql.Fail);
        Identify(command.Parameters, claimed.Id, claimed.Fence);
        Add(command.Parameters, retention);
        Add(command.Parameters, answer);
        return await command.ExecuteNonQueryAsync() > 0;
    }

    /// <returns>False when it is no longer ours, or nobody has asked for it.</returns>
    public async Task<bool> EndCancelledAsync(ClaimedOperation claimed)
    {
        await using var command = database.Source.CreateCommand(OperationSql.EndCancelled);
        Identify(command.Parameters, claimed.Id, claimed.Fence);
        Add(command.Parameters, retention);
        return await command.ExecuteNonQueryAsync() > 0;
    }

    /// <summary>Gives it back to whichever node comes first.</summary>
    /// <param name="id">What this node holds.</param>
    /// <param name="fence">By which claim.</param>
    /// <param name="after">How long nobody shall begin it again.</param>
    /// <param name="isCounted">Whether the run counts as an attempt.</param>
    /// <returns>False when it is no longer ours.</returns>
    public async Task<bool> ReleaseAsync(Guid id, int fence, TimeSpan after, bool isCounted)
    {
        await using var command = database.Source.CreateCommand(OperationSql.Release);
        Identify(command.Parameters, id, fence);
        Add(command.Parameters, after);
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = isCounted ? 0 : 1 });
        return await command.ExecuteNonQueryAsync() > 0;
    }

    /// <summary>The operation, or null when there is none, it is another caller's, or its time is over.</summary>
    public async Task<StoredOperation?> FindAsync(Guid id, string owner, Deadline deadline, CancellationToken cancellation)
    {
        await using var connection = await database.OpenAsync(deadline, cancellation);
        await using var command = new NpgsqlCommand(OperationSql.Find, connection);
        Add(command.Parameters, id);
        Add(command.Parameters, owner);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        return await reader.ReadAsync(cancellation) ? Read(reader) : null;
    }

    /// <summary>The same inside a transaction.</summary>
    public static Task<StoredOperation?> FindAsync(UnitOfWork work, Guid id, string owner)
    {
        var command = new NpgsqlBatchCommand(OperationSql.Find);
        Add(command.Parameters, id);
        Add(command.Parameters, owner);
        return ReadAsync(work, command);
    }

    /// <summary>Cancels what has not begun, and asks for it where it has.</summary>
    /// <returns>The operation as it is now; null when there is none of the caller's that has not ended.</returns>
    public Task<StoredOperation?> CancelAsync(UnitOfWork work, Guid id, string owner)
    {
        var command = new NpgsqlBatchCommand(OperationSql.Cancel);
        Add(command.Parameters, id);
        Add(command.Parameters, owner);
        Add(command.Parameters, retention);
        return ReadAsync(work, command);
    }

    public async Task<List<(string Name, long Count)>> CountOrphansAsync(string[] names, CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand(OperationSql.CountOrphans);
        Add(command.Parameters, names);
        var orphans = new List<(string, long)>();
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        while (await reader.ReadAsync(cancellation))
            orphans.Add((reader.GetString(0), reader.GetInt64(1)));
        return orphans;
    }

    /// <summary>Removes operations whose time is over, in small batches, and nodes that are long gone.</summary>
    /// <returns>Whether there may be more.</returns>
    public async Task<bool> DeleteExpiredAsync(CancellationToken cancellation)
    {
        await using var operations = database.Source.CreateCommand(OperationSql.DeleteExpired);
        if (await operations.ExecuteNonQueryAsync(cancellation) >= OperationSql.ExpiredMost)
            return true;
        await using var nodes = database.Source.CreateCommand(NodeSql.DeleteDead);
        await nodes.ExecuteNonQueryAsync(cancellation);
        return false;
    }

    private static async Task<StoredOperation?> ReadAsync(UnitOfWork work, NpgsqlBatchCommand command)
    {
        await using var reader = await work.ReadAsync(command);
        return await reader.ReadAsync(work.Cancellation) ? Read(reader) : null;
    }

    private static StoredOperation Read(NpgsqlDataReader reader)
    {
        DateTimeOffset? Time(int i) => reader.IsDBNull(i) ? null : reader.GetFieldValue<DateTimeOffset>(i);
        var answer = reader.IsDBNull(8) ? null : new Answer(reader.GetInt16(8), reader.GetFieldValue<byte[]>(10))
        {
            Headers = [.. reader.GetFieldValue<string[]>(9).Chunk(2).Select(pair => KeyValuePair.Create(pair[0], pair[1]))],
        };
        return new StoredOperation(reader.GetGuid(0), reader.GetString(1), Enum.Parse<OperationStatus>(reader.GetString(2), ignoreCase: true), Time(3)!.Value, Time(4), Time(5), Time(6), reader.GetInt32(7), answer);
    }

    private static void Identify(NpgsqlParameterCollection parameters, Guid id, int fence)
    {
        Add(parameters, id);
        parameters.Add(new NpgsqlParameter<int> { TypedValue = fence });
    }

    private static void Add(NpgsqlParameterCollection parameters, Answer answer)
    {
        parameters.Add(new NpgsqlParameter<short> { TypedValue = (short)answer.Status });
        Add(parameters, [.. answer.Headers.SelectMany(header => new[] { header.Key, header.Value })]);
        parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = answer.Body.ToArray(), NpgsqlDbType = NpgsqlDbType.Bytea });
    }

    private static void Add(NpgsqlParameterCollection parameters, Guid value) => parameters.Add(new NpgsqlParameter<Guid> { TypedValue = value });

    private static void Add(NpgsqlParameterCollection parameters, string value) => parameters.Add(new NpgsqlParameter<string> { TypedValue = value, NpgsqlDbType = NpgsqlDbType.Text });

    private static void Add(NpgsqlParameterCollection parameters, string[] values) => parameters.Add(new NpgsqlParameter<string[]> { TypedValue = values, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text });

    private static void Add(NpgsqlParameterCollection parameters, TimeSpan value) => parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = value, NpgsqlDbType = NpgsqlDbType.Interval });
}
