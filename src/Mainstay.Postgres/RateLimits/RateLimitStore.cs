using System.Buffers.Binary;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>The counters that all nodes share.</summary>
internal sealed class RateLimitStore(Database database)
{
    private const int Attempts = 3;

    public Database Database => database;

    /// <param name="key">Caller and policy.</param>
    /// <param name="policy">The limit.</param>
    /// <param name="wanted">How many requests wait for the answer.</param>
    /// <param name="deadline">Until when it makes sense to reach the database.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="ProblemException"><c>database-unavailable</c> or <c>deadline-exceeded</c>.</exception>
    public async Task<RateLimitGrant> TakeAsync(UInt128 key, RateLimitPolicy policy, int wanted, Deadline deadline, CancellationToken cancellation)
    {
        for (var attempt = 1; ; attempt++)
            try
            {
                return await TakeOnceAsync(key, policy, wanted, deadline, cancellation);
            }
            catch (NpgsqlException e) when (DatabaseErrors.IsUnavailable(e))
            {
                // A pooled connection that has broken is found out by using it. What was taken without an answer is lost to the caller, never given twice.
                if (attempt == Attempts)
                    throw DatabaseErrors.Unavailable(e);
            }
    }

    private async Task<RateLimitGrant> TakeOnceAsync(UInt128 key, RateLimitPolicy policy, int wanted, Deadline deadline, CancellationToken cancellation)
    {
        await using var connection = await database.OpenAsync(deadline, cancellation);
        await using var command = new NpgsqlCommand(RateLimitSql.Take, connection);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = Uuid(key) });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = policy.Requests });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = wanted });
        command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = policy.Window });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = policy.Lease });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        await reader.ReadAsync(cancellation);
        return new RateLimitGrant(reader.GetInt32(0), reader.GetInt32(1), reader.GetFieldValue<DateTime>(2).Ticks, reader.GetFieldValue<TimeSpan>(3));
    }

    /// <summary>Puts one request back that was taken and then not made, so that any node may admit another one for it.</summary>
    public async Task ReturnAsync(UInt128 key, long window, Deadline deadline, CancellationToken cancellation)
    {
        await using var connection = await database.OpenAsync(deadline, cancellation);
        await using var command = new NpgsqlCommand(RateLimitSql.Return, connection);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = Uuid(key) });
        command.Parameters.Add(new NpgsqlParameter<DateTime> { TypedValue = new DateTime(window, DateTimeKind.Utc) });
        await command.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>Removes callers whose window has ended, in small batches.</summary>
    public async Task<int> DeleteEndedAsync(CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand(RateLimitSql.DeleteEnded);
        return await command.ExecuteNonQueryAsync(cancellation);
    }

    private static Guid Uuid(UInt128 key)
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, key);
        return new Guid(bytes, bigEndian: true);
    }
}

/// <summary>What the database has given.</summary>
/// <param name="Granted">How many requests may be made; 0 when the window has none left.</param>
/// <param name="Left">How many are left for all nodes.</param>
/// <param name="Window">Which window: its end on the database's clock.</param>
/// <param name="EndsIn">How long it lasts from the time of the statement.</param>
internal readonly record struct RateLimitGrant(int Granted, int Left, long Window, TimeSpan EndsIn);
