using System.Data.Common;
using System.Diagnostics;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>Rows that go into a transaction of the application. Its commit cannot be seen from here, so that none of them is born leased.</summary>
internal static class CallerRows
{
    /// <exception cref="ConfigurationException">MST2105: the transaction cannot carry them.</exception>
    public static Task InsertAsync(IReadOnlyList<JobRow> rows, DbTransaction transaction, CancellationToken cancellation) => InAsync(transaction, async open =>
    {
        if (rows.Count == 0)
            return 0L;
        await using var batch = new NpgsqlBatch(open.Connection, open);
        batch.BatchCommands.Add(QueueStore.Insert(rows));
        return await batch.ExecuteNonQueryAsync(cancellation);
    });

    /// <returns>How many there were.</returns>
    /// <exception cref="ConfigurationException">MST2105: the transaction cannot carry them.</exception>
    public static Task<long> CopyAsync(JobCopy copy, DbTransaction transaction, CancellationToken cancellation) =>
        InAsync(transaction, open => copy.WriteAsync(open.Connection!, cancellation));

    private static async Task<long> InAsync(DbTransaction transaction, Func<NpgsqlTransaction, Task<long>> write)
    {
        var open = CallerTransaction.Require(transaction, "MST2105");
        try
        {
            return await write(open);
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.InvalidSchemaName)
        {
            throw CallerTransaction.OtherDatabase("MST2105", "jobs", e);
        }
    }
}

/// <summary>What publishes or enqueues outside of any unit of work, as far as the trace knows.</summary>
internal static class ApplicationOrigin
{
    public static Origin Here() => Activity.Current is { } activity
        ? new Origin(activity.DisplayName, "application", null, activity.Id, null, activity.TraceId.ToHexString())
        : new Origin("application", "application", null, null, null, null);
}
