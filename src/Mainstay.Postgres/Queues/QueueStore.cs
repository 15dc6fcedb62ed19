using Npgsql;
using NpgsqlTypes;

namespace Mainstay.Internal;

/// <summary>
/// Jobs in the database. Every end of a run names the fence of its claim, so that a node which has lost its lease without noticing ends nothing.
/// </summary>
/// <remarks>
/// <code>
///   insert ──▶ ready ── claim ──▶ leased ── complete ──▶ jobs_done
///     │ │        ▲                │ │ │ └── bury ──────▶ jobs_dead
///     │ │        ├── release ─────┘ │ └──── reap ──▶ suspect ── claim, alone ──▶ leased
///     │ └─ delayed ◀─── retry ──────┘
///     │        └── promote ──▶ ready
///     └─ leased, when the node that commits it has room
/// </code>
/// </remarks>
internal sealed class QueueStore(Database database)
{
    /// <summary>A job that has taken so many processes with it is not given another one.</summary>
    private const int CrashesMost = 3;

    /// <summary>How many rows are deleted at once, where a day could not be dropped as a whole.</summary>
    private const int ExpireMost = 10_000;

    /// <summary>Of each handler at once: a few milliseconds, for which others who admit wait.</summary>
    private const int AdmittedMost = 500;

    public Database Database => database;

    /// <summary>The statement that ends a run well, in the commit of its effect.</summary>
    /// <param name="job">What has been done.</param>
    /// <param name="placement">Whether others may wait behind it.</param>
    public static BatchItem Complete(ClaimedJob job, Placement placement)
    {
        var isAwaited = placement.Lane is not null;
        var command = new NpgsqlBatchCommand(isAwaited ? QueueSql.CompleteInLane : QueueSql.Complete);
        Identify(command.Parameters, job);
        if (isAwaited)
            command.Parameters.Add(new NpgsqlParameter<bool> { TypedValue = placement.AsksForTurns });
        return new BatchItem(command) { WithLimits = isAwaited ? null : QueueSql.CompleteWithLimits };
    }

    /// <summary>The same for several jobs with one effect.</summary>
    public static BatchItem Complete(IReadOnlyList<ClaimedJob> jobs, Placement placement)
    {
        if (jobs is [var job])
            return Complete(job, placement);
        var isAwaited = placement.Lane is not null;
        var command = new NpgsqlBatchCommand(isAwaited ? QueueSql.CompleteAllInLanes : QueueSql.CompleteAll);
        Add(command.Parameters, [.. jobs.Select(job => job.Id)]);
        Add(command.Parameters, [.. jobs.Select(job => job.Fence)]);
        if (isAwaited)
            command.Parameters.Add(new NpgsqlParameter<bool> { TypedValue = placement.AsksForTurns });
        return new BatchItem(command);
    }

    /// <summary>Refuses to go on when the jobs are no longer held in these claims.</summary>
    public static BatchItem RequireLease(IReadOnlyList<ClaimedJob> jobs)
    {
        var command = new NpgsqlBatchCommand(QueueSql.RequireLease);
        Add(command.Parameters, [.. jobs.Select(job => job.Id)]);
        Add(command.Parameters, [.. jobs.Select(job => job.Fence)]);
        return new BatchItem(command);
    }

    /// <summary>The statement that records a step, in the commit of its effect.</summary>
    /// <param name="job">The job that the step is of.</param>
    /// <param name="name">Its name.</param>
    /// <param name="result">What it came to, as JSON; null when it came to nothing.</param>
    public static BatchItem WriteStep(ClaimedJob job, string name, string? result)
    {
        var command = new NpgsqlBatchCommand(QueueSql.WriteStep);
        AddStep(command.Parameters, job, name, result);
        return new BatchItem(command);
    }

    /// <summary>Records a step whose effect is elsewhere.</summary>
    /// <exception cref="PostgresException"><see cref="QueueSql.IsFenced"/>: another node has taken the job over.</exception>
    public async Task WriteStepAsync(ClaimedJob job, string name, string? result)
    {
        await using var command = database.Source.CreateCommand(QueueSql.WriteStep);
        AddStep(command.Parameters, job, name, result);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Runs one turn. Not cancellable: a claim whose answer is lost holds its jobs until somebody notices.</summary>
    public async Task<CycleResult> RunAsync(CyclePlan plan)
    {
        await using var connection = await database.Source.OpenConnectionAsync();
        await using var batch = new NpgsqlBatch(connection);
        batch.BatchCommands.Add(new NpgsqlBatchCommand(QueueSql.KeepPlans));
        if (plan.Promotes)
            batch.BatchCommands.Add(new NpgsqlBatchCommand(QueueSql.Promote));
        if (plan.FinishedFirst.Count > 0)
            batch.BatchCommands.Add(FinishFirst(plan));
        if (plan.Admits is { } lanes)
            batch.BatchCommands.Add(Admit(lanes));
        batch.BatchCommands.Add(Cycle(plan));
        var paced = plan.Paced;
        if (paced.Length > 0)
            batch.BatchCommands.Add(NextStart(paced));
        if (plan.AsksForNextDue)
            batch.BatchCommands.Add(new NpgsqlBatchCommand(QueueSql.NextDue));
        var claimed = new List<ClaimedJob>();
        var admission = default(Admission);
        await using var reader = await batch.ExecuteReaderAsync();
        var now = database.Clock.GetTimestamp();
        await reader.NextResultAsync();
        if (plan.FinishedFirst.Count > 0)
            await reader.NextResultAsync();
        if (plan.Admits is not null)
        {
            admission = await ReadAdmissionAsync(reader);
            await reader.NextResultAsync();
        }
        while (await reader.ReadAsync())
            claimed.Add(new ClaimedJob(reader.GetGuid(0), reader.GetString(1), reader.IsDBNull(2) ? null : reader.GetGuid(2), reader.GetString(3), reader.IsDBNull(4) ? null : reader.GetString(4),
                reader.GetInt32(5), reader.GetInt32(6), reader.GetInt32(7), reader.GetInt64(8), reader.GetTimeSpan(9), (JobPriority)reader.GetInt16(10), reader.IsDBNull(11) ? null : reader.GetString(11)) { ClaimedAt = now, Term = plan.Term });
        claimed.Sort(static (one, other) => (one.Priority, one.Seq).CompareTo((other.Priority, other.Seq)));
        var nextStart = paced.Length > 0 ? await ReadTimeAsync(reader) : null;
        var nextDue = plan.AsksForNextDue ? await ReadTimeAsync(reader) : null;
        return new CycleResult(claimed, nextDue, nextStart, admission);
    }

    /// <summary>Asks in one statement whether a turn would find something.</summary>
    public async Task<WorkFound> LookForWorkAsync(IReadOnlyList<(string Name, JobPriority Priority, long Floor)> handlers, string[] admitted)
    {
        await using var command = database.Source.CreateCommand(QueueSql.LookForWork);
        Add(command.Parameters, [.. handlers.Select(handler => handler.Name)]);
        Add(command.Parameters, handlers.Select(handler => handler.Priority));
        Add(command.Parameters, handlers.Select(handler => handler.Floor));
        Add(command.Parameters, admitted);
        await using var reader = await command.ExecuteReaderAsync();
        await reader.ReadAsync();
        return new WorkFound(reader.GetBoolean(0), ReadTime(reader, 1));
    }

    private static async Task<TimeSpan?> ReadTimeAsync(NpgsqlDataReader reader) => await reader.NextResultAsync() && await reader.ReadAsync() ? ReadTime(reader, 0) : null;

    private static TimeSpan? ReadTime(NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : TimeSpan.FromMilliseconds(Math.Clamp(reader.GetDouble(column), 0, 1e9));

    /// <summary>Makes ready what handlers do not look for: work in lanes where they have none, and with priorities that they do not know.</summary>
    /// <returns>Whether there was any.</returns>
    public async Task<bool> AdoptAsync(IReadOnlyList<LaneRule> withoutLanes, string[] withoutPriorities, CancellationToken cancellation)
    {
        await using var connection = await database.Source.OpenConnectionAsync(cancellation);
        await using var batch = new NpgsqlBatch(connection);
        var level = new NpgsqlBatchCommand(QueueSql.Level);
        Add(level.Parameters, withoutPriorities);
        batch.BatchCommands.Add(level);
        batch.BatchCommands.Add(Admit(withoutLanes));
        await using var reader = await batch.ExecuteReaderAsync(cancellation);
        var admission = await ReadAdmissionAsync(reader);
        return admission.LetIn || level.RecordsAffected > 0;
    }

    /// <returns>False when it is no longer ours.</returns>
    public async Task<bool> RetryAsync(ClaimedJob job, TimeSpan after, string error)
    {
        await using var command = database.Source.CreateCommand(QueueSql.Retry);
        Identify(command.Parameters, job);
        command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = after, NpgsqlDbType = NpgsqlDbType.Interval });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = error });
        return await command.ExecuteNonQueryAsync() > 0;
    }

    /// <returns>False when it is no longer ours.</returns>
    public async Task<bool> SnoozeAsync(ClaimedJob job, TimeSpan time)
    {
        await using var command = database.Source.CreateCommand(QueueSql.Snooze);
        Identify(command.Parameters, job);
        command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = time, NpgsqlDbType = NpgsqlDbType.Interval });
        return await command.ExecuteNonQueryAsync() > 0;
    }

    /// <returns>False when it is no longer ours.</returns>
    public async Task<bool> BuryAsync(ClaimedJob job, string reason, string error)
    {
        await using var command = database.Source.CreateCommand(QueueSql.Bury);
        Identify(command.Parameters, job);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = reason });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = error });
        return await command.ExecuteNonQueryAsync() > 0;
    }

    public async Task ReleaseAsync(IReadOnlyCollection<(Guid Id, int Fence)> held)
    {
        await using var command = database.Source.CreateCommand(QueueSql.Release);
        Add(command.Parameters, [.. held.Select(job => job.Id)]);
        Add(command.Parameters, [.. held.Select(job => job.Fence)]);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Takes back what dead nodes hold.</summary>
    public async Task<List<(Guid Id, string Handler, bool IsDead)>> ReapAsync(CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand(QueueSql.Reap);
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = CrashesMost });
        var reaped = new List<(Guid, string, bool)>();
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        while (await reader.ReadAsync(cancellation))
            reaped.Add((reader.GetGuid(0), reader.GetString(1), reader.GetBoolean(2)));
        return reaped;
    }

    public async Task<HashSet<(Guid Id, int Fence)>> HeldAsync(Guid node, CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand(QueueSql.Held);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = node });
        var held = new HashSet<(Guid, int)>();
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        while (await reader.ReadAsync(cancellation))
            held.Add((reader.GetGuid(0), reader.GetInt32(1)));
        return held;
    }

    public async Task<List<(string Handler, long Count)>> CountOrphansAsync(string[] handlers, CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand(QueueSql.CountOrphans);
        Add(command.Parameters, handlers);
        var orphans = new List<(string, long)>();
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        while (await reader.ReadAsync(cancellation))
            orphans.Add((reader.GetString(0), reader.GetInt64(1)));
        return orphans;
    }

    /// <summary>Makes the rows of queues with a rate.</summary>
    public async Task AddRatesAsync(string[] queues, CancellationToken cancellation)
    {
        if (queues.Length == 0)
            return;
        await using var command = database.Source.CreateCommand(QueueSql.AddRates);
        Add(command.Parameters, queues);
        await command.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>Makes the partitions of the days to come.</summary>
    public Task AddPartitionsAsync(CancellationToken cancellation) => KeepAsync(QueueSql.AddPartitions, [], [], cancellation);

    /// <summary>Lets go of the days that have been kept long enough.</summary>
    public Task DropPartitionsAsync(Retention retention, CancellationToken cancellation) => KeepAsync(QueueSql.DropPartitions, [retention.Done, retention.Dead, retention.Inbox], [], cancellation);

    /// <summary>Lets go of rows that have been kept long enough and are in no day, some at a time.</summary>
    /// <returns>Whether there may be more.</returns>
    public async Task<bool> ExpireAsync(Retention retention, CancellationToken cancellation) =>
        await KeepAsync(QueueSql.Expire, [retention.Done, retention.Dead, retention.Inbox, retention.Discarded], [ExpireMost], cancellation) == ExpireMost;

    /// <returns>The first number of its answer.</returns>
    private async Task<long> KeepAsync(string sql, TimeSpan[] times, int[] numbers, CancellationToken cancellation)
    {
        var keep = new NpgsqlBatchCommand(sql);
        foreach (var time in times)
            keep.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = time, NpgsqlDbType = NpgsqlDbType.Interval });
        foreach (var number in numbers)
            keep.Parameters.Add(new NpgsqlParameter<int> { TypedValue = number });
        await using var connection = await database.Source.OpenConnectionAsync(cancellation);
        await using var batch = new NpgsqlBatch(connection);
        // What waits for somebody who reads the history holds up everybody who comes behind: rather try again in an hour.
        batch.BatchCommands.Add(Work.Timeouts(TimeSpan.FromSeconds(5), TimeSpan.FromMilliseconds(100)));
        batch.BatchCommands.Add(keep);
        await using var reader = await batch.ExecuteReaderAsync(cancellation);
        await reader.NextResultAsync(cancellation);
        await reader.ReadAsync(cancellation);
        return Convert.ToInt64(reader.GetValue(0), System.Globalization.CultureInfo.InvariantCulture);
    }

    private static NpgsqlBatchCommand Cycle(CyclePlan plan)
    {
        var hasLimits = plan.Queues.Any(queue => queue.Limit is not null);
        var command = new NpgsqlBatchCommand(hasLimits ? QueueSql.CycleWithLimits : QueueSql.Cycle);
        Add(command.Parameters, [.. plan.Finished.Select(job => job.Id)]);
        Add(command.Parameters, [.. plan.Finished.Select(job => job.Fence)]);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = plan.Node });
        Add(command.Parameters, [.. plan.Queues.Select(queue => queue.Number)]);
        Add(command.Parameters, [.. plan.Queues.Select(queue => queue.Most)]);
        Add(command.Parameters, [.. plan.Handlers.Select(handler => handler.Name)]);
        Add(command.Parameters, [.. plan.Handlers.Select(handler => handler.Queue)]);
        Add(command.Parameters, plan.Handlers.Select(handler => handler.Priority));
        Add(command.Parameters, plan.Handlers.Select(handler => handler.Floor));
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = plan.SuspectsMost });
        if (hasLimits)
            AddLimits(command.Parameters, [.. plan.Queues.Select(queue => queue.Limit)]);
        return command;
    }

    private static void AddStep(NpgsqlParameterCollection parameters, ClaimedJob job, string name, string? result)
    {
        Identify(parameters, job);
        parameters.Add(new NpgsqlParameter<string> { TypedValue = name });
        parameters.Add(new NpgsqlParameter { Value = (object?)result ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text });
    }

    private static void AddLimits(NpgsqlParameterCollection parameters, QueueLimit?[] limits)
    {
        parameters.Add(new NpgsqlParameter<string?[]> { TypedValue = [.. limits.Select(limit => limit?.Queue)], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text });
        parameters.Add(new NpgsqlParameter<int?[]> { TypedValue = [.. limits.Select(limit => limit?.AtMost)], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Integer });
        parameters.Add(new NpgsqlParameter<TimeSpan?[]> { TypedValue = [.. limits.Select(limit => limit?.Spacing)], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Interval });
        parameters.Add(new NpgsqlParameter<int?[]> { TypedValue = [.. limits.Select(limit => limit?.Burst)], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Integer });
    }

    private static NpgsqlBatchCommand NextStart(string[] queues)
    {
        var command = new NpgsqlBatchCommand(QueueSql.NextStart);
        Add(command.Parameters, queues);
        return command;
    }

    private static NpgsqlBatchCommand FinishFirst(CyclePlan plan)
    {
        var command = new NpgsqlBatchCommand(QueueSql.FinishFirst);
        Add(command.Parameters, [.. plan.FinishedFirst.Select(job => job.Id)]);
        Add(command.Parameters, [.. plan.FinishedFirst.Select(job => job.Fence)]);
        command.Parameters.Add(new NpgsqlParameter<bool> { TypedValue = plan.AsksForTurns });
        return command;
    }

    private static NpgsqlBatchCommand Admit(IReadOnlyList<LaneRule> lanes)
    {
        var command = new NpgsqlBatchCommand(QueueSql.Admit);
        Add(command.Parameters, [.. lanes.Select(lane => lane.Handler)]);
        Add(command.Parameters, [.. lanes.Select(lane => lane.Places)]);
        command.Parameters.Add(new NpgsqlParameter<short[]> { TypedValue = [.. lanes.Select(lane => (short)lane.AfterDeath)], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Smallint });
        command.Parameters.Add(new NpgsqlParameter<TimeSpan?[]> { TypedValue = [.. lanes.Select(lane => lane.Spacing)], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Interval });
        Add(command.Parameters, lanes.Select(lane => lane.Floor));
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = AdmittedMost });
        return command;
    }

    private static async Task<Admission> ReadAdmissionAsync(NpgsqlDataReader reader)
    {
        await reader.ReadAsync();
        return new Admission(reader.GetInt64(0) > 0, reader.GetBoolean(1));
    }

    private static void Identify(NpgsqlParameterCollection parameters, ClaimedJob job)
    {
        parameters.Add(new NpgsqlParameter<Guid> { TypedValue = job.Id });
        parameters.Add(new NpgsqlParameter<int> { TypedValue = job.Fence });
    }

    private static void Add(NpgsqlParameterCollection parameters, Guid[] values) => parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = values, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Uuid });

    private static void Add(NpgsqlParameterCollection parameters, int[] values) => parameters.Add(new NpgsqlParameter<int[]> { TypedValue = values, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Integer });

    private static void Add(NpgsqlParameterCollection parameters, IEnumerable<JobPriority> values) =>
        parameters.Add(new NpgsqlParameter<short[]> { TypedValue = [.. values.Select(value => (short)value)], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Smallint });

    private static void Add(NpgsqlParameterCollection parameters, IEnumerable<long> values) => parameters.Add(new NpgsqlParameter<long[]> { TypedValue = [.. values] });

    private static void Add(NpgsqlParameterCollection parameters, string[] values) => parameters.Add(new NpgsqlParameter<string[]> { TypedValue = values, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text });
}
