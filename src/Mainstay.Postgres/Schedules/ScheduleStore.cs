using Npgsql;
using NpgsqlTypes;

namespace Mainstay.Internal;

/// <summary>
/// Schedules in the database, which alone says what time it is. Nodes do not elect anybody: all of them see that a time has come, and one of them moves the schedule
/// past it, in the statement that enqueues its job.
/// </summary>
internal sealed class ScheduleStore(Database database)
{
    public Database Database => database;

    public async Task DeclareAsync(Guid node, IReadOnlyList<ScheduleDefinition> declared, CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand(ScheduleSql.Declare);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = node });
        Add(command.Parameters, declared);
        await command.ExecuteNonQueryAsync(cancellation);
    }

    /// <returns>One for each declared schedule, in no order.</returns>
    public async Task<List<ScheduleProgress>> ReadAsync(IReadOnlyList<ScheduleDefinition> declared, CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand(ScheduleSql.Read);
        Add(command.Parameters, declared);
        var found = new List<ScheduleProgress>();
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        while (await reader.ReadAsync(cancellation))
            found.Add(new ScheduleProgress(reader.GetString(1))
            {
                Now = Instant(reader, 0),
                Timing = reader.IsDBNull(2) ? null : reader.GetString(2),
                NextAt = reader.IsDBNull(3) ? null : Instant(reader, 3),
                IsPaused = reader.GetBoolean(4),
                IsOurs = reader.IsDBNull(5) ? null : reader.GetBoolean(5),
            });
        return found;
    }

    public async Task PlanAsync(ScheduleDefinition schedule, DateTimeOffset nextAt, CancellationToken cancellation)
    {
        await using var command = Command(ScheduleSql.Plan, schedule);
        command.Parameters.Add(Instant(nextAt));
        await command.ExecuteNonQueryAsync(cancellation);
    }

    /// <param name="schedule">What has come due.</param>
    /// <param name="planned">The planned time that was found due.</param>
    /// <param name="due">What is to be done about it.</param>
    /// <param name="overlap">What an earlier run that has not ended means.</param>
    /// <param name="cancellation">Ends the attempt.</param>
    public async Task<FiredTimes> FireAsync(ScheduleDefinition schedule, DateTimeOffset planned, DueTimes due, Overlap overlap, CancellationToken cancellation)
    {
        await using var command = Command(ScheduleSql.Fire, schedule);
        command.Parameters.Add(Instant(planned));
        command.Parameters.Add(Instant(due.Next));
        command.Parameters.Add(new NpgsqlParameter<DateTime[]> { TypedValue = [.. due.Runs.Select(run => run.UtcDateTime)], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.TimestampTz });
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = [.. due.Runs.Select(_ => Guid.CreateVersion7())], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Uuid });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = (int)overlap });
        command.Parameters.Add(Json(new Origin($"schedule {schedule.Name}", "system", null, null, null, null)));
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        await reader.ReadAsync(cancellation);
        return new FiredTimes(reader.GetBoolean(0), (int)reader.GetInt64(1), (int)reader.GetInt64(2));
    }

    /// <returns>The id of the job.</returns>
    public async Task<Guid> RunAsync(ScheduleDefinition schedule, Origin origin, CancellationToken cancellation)
    {
        var job = Guid.CreateVersion7();
        await using var command = Command(ScheduleSql.Run, schedule);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = job });
        command.Parameters.Add(Json(origin));
        await command.ExecuteNonQueryAsync(cancellation);
        return job;
    }

    public async Task PauseAsync(ScheduleDefinition schedule, CancellationToken cancellation)
    {
        await using var command = Command(ScheduleSql.Pause, schedule);
        await command.ExecuteNonQueryAsync(cancellation);
    }

    public async Task ResumeAsync(ScheduleDefinition schedule, CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand(ScheduleSql.Resume);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = schedule.Name });
        await command.ExecuteNonQueryAsync(cancellation);
    }

    public async Task<List<ScheduleState>> ListAsync(CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand(ScheduleSql.List);
        var found = new List<ScheduleState>();
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        DateTimeOffset? Find(int column) => reader.IsDBNull(column) ? null : Instant(reader, column);
        while (await reader.ReadAsync(cancellation))
            found.Add(new ScheduleState(reader.GetString(0), reader.GetString(1), Find(2), Find(3), Find(4)));
        return found;
    }

    private NpgsqlCommand Command(string sql, ScheduleDefinition schedule)
    {
        var command = database.Source.CreateCommand(sql);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = schedule.Name });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = schedule.Timing });
        return command;
    }

    private static NpgsqlParameter<string> Json(Origin origin) => new() { TypedValue = OriginJson.Write(origin), NpgsqlDbType = NpgsqlDbType.Json };

    private static NpgsqlParameter<DateTime> Instant(DateTimeOffset value) => new() { TypedValue = value.UtcDateTime, NpgsqlDbType = NpgsqlDbType.TimestampTz };

    private static DateTimeOffset Instant(NpgsqlDataReader reader, int column) => new(reader.GetDateTime(column));

    private static void Add(NpgsqlParameterCollection parameters, IReadOnlyList<ScheduleDefinition> declared)
    {
        void Array(Func<ScheduleDefinition, string> select) => parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. declared.Select(select)], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text });
        Array(schedule => schedule.Name);
        Array(schedule => schedule.Timing);
        Array(schedule => schedule.Rules);
    }
}

/// <summary>A declared schedule, as nodes compare it.</summary>
/// <param name="Name">The stored name, which is also that of its job.</param>
/// <param name="Timing">When it runs.</param>
/// <param name="Rules">What becomes of missed times, and whether runs may overlap.</param>
internal sealed record ScheduleDefinition(string Name, string Timing, string Rules);

/// <summary>Where a schedule is.</summary>
/// <param name="Name">Its name.</param>
internal sealed record ScheduleProgress(string Name)
{
    /// <summary>The time of the database when this was read.</summary>
    public required DateTimeOffset Now { get; init; }

    /// <summary>What it was planned by; null when it never was.</summary>
    public required string? Timing { get; init; }

    public required DateTimeOffset? NextAt { get; init; }

    public required bool IsPaused { get; init; }

    /// <summary>Whether the declaration that counts is the one of this node; null when no living node has any.</summary>
    public required bool? IsOurs { get; init; }
}

/// <summary>What a run that has not ended means for the next one. The numbers are those of the statement.</summary>
internal enum Overlap { Skips = 0, Waits = 1, Allowed = 2 }

/// <summary>What came of a planned time.</summary>
/// <param name="IsDealtWith">Whether this node did it, and not another one.</param>
/// <param name="Runs">How many runs were enqueued.</param>
/// <param name="Skipped">How many were left out, because the one before had not ended.</param>
internal readonly record struct FiredTimes(bool IsDealtWith, int Runs, int Skipped);
