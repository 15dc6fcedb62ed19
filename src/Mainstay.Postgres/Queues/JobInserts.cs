using Npgsql;
using NpgsqlTypes;

namespace Mainstay.Internal;

/// <summary>The statements that write new jobs, in the commit of whoever enqueues them.</summary>
internal static class JobInserts
{
    /// <summary>The statements that write the rows: one for all that are ordinary, and one each for those with a lane, a tenant or a priority and those with a unique key.</summary>
    public static IEnumerable<BatchItem> Of(IReadOnlyList<JobRow> rows)
    {
        if (rows.All(IsOrdinary))
            return [Ordinary(rows)];
        return rows.GroupBy(row => row.Unique is not null ? 2 : IsOrdinary(row) ? 0 : 1).Select(group => group.Key switch
        {
            2 => Unique([.. group]),
            1 => Placed([.. group]),
            _ => Ordinary([.. group]),
        });
    }

    /// <summary>Gives one row for each: the id of the job that there is in the end.</summary>
    public static BatchItem Unique(IReadOnlyList<JobRow> rows)
    {
        var command = new NpgsqlBatchCommand(QueueSql.InsertUnique);
        AddWork(command, rows);
        AddArray(command, NpgsqlDbType.Text, rows, row => row.Unique!.Value.Key);
        AddArray(command, NpgsqlDbType.Interval, rows, row => row.Unique!.Value.For);
        AddPlace(command, rows);
        return new BatchItem(command);
    }

    private static bool IsOrdinary(JobRow row) => row.Unique is null && !row.IsToBeAdmitted && row.Priority == JobPriority.Normal;

    private static BatchItem Placed(IReadOnlyList<JobRow> rows)
    {
        var command = new NpgsqlBatchCommand(QueueSql.InsertPlaced);
        AddWork(command, rows);
        AddArray(command, NpgsqlDbType.Uuid, rows, row => row.Message);
        AddArray(command, NpgsqlDbType.Uuid, rows, row => row.Node);
        AddPlace(command, rows);
        return new BatchItem(command);
    }

    private static void AddPlace(NpgsqlBatchCommand command, IReadOnlyList<JobRow> rows)
    {
        AddArray(command, NpgsqlDbType.Text, rows, row => row.Lane);
        AddArray(command, NpgsqlDbType.Smallint, rows, row => (short)row.Priority);
        AddArray(command, NpgsqlDbType.Text, rows, row => row.Tenant);
    }

    /// <summary>What most commits have.</summary>
    private static BatchItem One(JobRow row)
    {
        var command = new NpgsqlBatchCommand(QueueSql.InsertOne);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = row.Id });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = row.Handler });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = row.Payload, NpgsqlDbType = NpgsqlDbType.Json });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = OriginJson.Write(row.Origin), NpgsqlDbType = NpgsqlDbType.Json });
        command.Parameters.Add(new NpgsqlParameter<TimeSpan?> { TypedValue = row.After, NpgsqlDbType = NpgsqlDbType.Interval });
        command.Parameters.Add(new NpgsqlParameter<DateTime?> { TypedValue = row.At?.UtcDateTime, NpgsqlDbType = NpgsqlDbType.TimestampTz });
        command.Parameters.Add(new NpgsqlParameter<Guid?> { TypedValue = row.Message, NpgsqlDbType = NpgsqlDbType.Uuid });
        command.Parameters.Add(new NpgsqlParameter<Guid?> { TypedValue = row.Node, NpgsqlDbType = NpgsqlDbType.Uuid });
        return new BatchItem(command) { WithLimits = QueueSql.InsertOneWithLimits };
    }

    private static BatchItem Ordinary(IReadOnlyList<JobRow> rows)
    {
        if (rows is [var one])
            return One(one);
        var command = new NpgsqlBatchCommand(QueueSql.Insert);
        AddWork(command, rows);
        AddArray(command, NpgsqlDbType.Uuid, rows, row => row.Message);
        AddArray(command, NpgsqlDbType.Uuid, rows, row => row.Node);
        return new BatchItem(command);
    }

    private static void AddWork(NpgsqlBatchCommand command, IReadOnlyList<JobRow> rows)
    {
        AddArray(command, NpgsqlDbType.Uuid, rows, row => row.Id);
        AddArray(command, NpgsqlDbType.Text, rows, row => row.Handler);
        AddArray(command, NpgsqlDbType.Json, rows, row => row.Payload);
        // Nearly always one origin for all: the call that makes them.
        var (known, text) = (rows[0].Origin, OriginJson.Write(rows[0].Origin));
        AddArray(command, NpgsqlDbType.Json, rows, row => ReferenceEquals(row.Origin, known) ? text : OriginJson.Write(row.Origin));
        AddArray(command, NpgsqlDbType.Interval, rows, row => row.After);
        AddArray(command, NpgsqlDbType.TimestampTz, rows, row => row.At?.UtcDateTime);
    }

    private static void AddArray<T>(NpgsqlBatchCommand command, NpgsqlDbType type, IReadOnlyList<JobRow> rows, Func<JobRow, T> select) =>
        command.Parameters.Add(new NpgsqlParameter<T[]> { TypedValue = [.. rows.Select(select)], NpgsqlDbType = NpgsqlDbType.Array | type });
}
