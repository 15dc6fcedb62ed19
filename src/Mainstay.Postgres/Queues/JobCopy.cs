using Npgsql;
using NpgsqlTypes;

namespace Mainstay.Internal;

/// <summary>Many jobs of one kind on their way into the table, by the fastest way in that there is. None of them is born leased.</summary>
/// <param name="rows">The jobs, made while they are sent.</param>
/// <param name="origin">What caused all of them.</param>
internal sealed class JobCopy(IEnumerable<JobRow> rows, Origin origin)
{
    private const short Ready = 0;
    private const short Delayed = 2;
    private const short Arrived = 4;

    /// <summary>How long after now they shall run; null for at once.</summary>
    public TimeSpan? After { get; init; }

    /// <summary>When they shall run; wins over <see cref="After"/>.</summary>
    public DateTimeOffset? At { get; init; }

    /// <returns>How many there were.</returns>
    /// <exception cref="InvalidOperationException">MST2512: the jobs are unique.</exception>
    public async Task<long> WriteAsync(NpgsqlConnection connection, CancellationToken cancellation)
    {
        var due = await DueAsync(connection, cancellation);
        var cause = OriginJson.Write(origin);
        await using var copy = await connection.BeginBinaryImportAsync(QueueSql.Copy, cancellation);
        foreach (var row in rows)
        {
            if (row.Unique is not null)
                throw new InvalidOperationException($"MST2512: Jobs of '{row.Handler}' are unique, and a COPY cannot leave out those that there are already. Enqueue them one by one, in one transaction.");
            await copy.StartRowAsync(cancellation);
            await copy.WriteAsync(row.Id, NpgsqlDbType.Uuid, cancellation);
            await copy.WriteAsync(row.Handler, NpgsqlDbType.Text, cancellation);
            await copy.WriteAsync(row.Payload, NpgsqlDbType.Json, cancellation);
            await copy.WriteAsync(cause, NpgsqlDbType.Json, cancellation);
            await copy.WriteAsync(due is not null ? Delayed : row.IsToBeAdmitted ? Arrived : Ready, NpgsqlDbType.Smallint, cancellation);
            await WriteAsync(copy, due, cancellation);
            await WriteAsync(copy, due, cancellation);
            await WriteAsync(copy, row.Lane, cancellation);
            await copy.WriteAsync((short)row.Priority, NpgsqlDbType.Smallint, cancellation);
            await WriteAsync(copy, row.Tenant, cancellation);
        }
        return (long)await copy.CompleteAsync(cancellation);
    }

    /// <summary>COPY takes values and no expressions, so the database's clock is asked before.</summary>
    private async Task<DateTime?> DueAsync(NpgsqlConnection connection, CancellationToken cancellation)
    {
        if (At is { } at)
            return at.UtcDateTime;
        if (After is not { } after)
            return null;
        await using var now = new NpgsqlCommand(QueueSql.FromNow, connection);
        now.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = after, NpgsqlDbType = NpgsqlDbType.Interval });
        return (DateTime)(await now.ExecuteScalarAsync(cancellation))!;
    }

    private static Task WriteAsync(NpgsqlBinaryImporter copy, string? value, CancellationToken cancellation) =>
        value is not null ? copy.WriteAsync(value, NpgsqlDbType.Text, cancellation) : copy.WriteNullAsync(cancellation);

    private static Task WriteAsync(NpgsqlBinaryImporter copy, DateTime? value, CancellationToken cancellation) =>
        value is { } time ? copy.WriteAsync(time, NpgsqlDbType.TimestampTz, cancellation) : copy.WriteNullAsync(cancellation);
}
