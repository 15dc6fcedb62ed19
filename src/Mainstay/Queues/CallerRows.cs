using System.Data.Common;
using System.Diagnostics;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>Rows that go into a transaction of the application. Its commit cannot be seen from here, so that none of them is born leased.</summary>
internal static class CallerRows
{
    /// <returns>For each row with a unique key, the id of the job that there is in the end.</returns>
    /// <exception cref="ConfigurationException">MST2105: the transaction cannot carry them.</exception>
    public static async Task<IReadOnlyList<Guid>> InsertAsync(IReadOnlyList<JobRow> rows, DbTransaction transaction, CancellationToken cancellation)
    {
        var open = CallerTransaction.Require(transaction, "MST2105");
        if (rows.Count == 0)
            return [];
        await using var batch = new NpgsqlBatch(open.Connection, open);
        foreach (var command in QueueStore.Insert(rows))
            batch.BatchCommands.Add(command);
        try
        {
            var unique = new List<Guid>();
            await using var reader = await batch.ExecuteReaderAsync(cancellation);
            while (await reader.ReadAsync(cancellation))
                unique.Add(reader.GetGuid(0));
            return unique;
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
