using System.Data.Common;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>Rows that go into a transaction of the application. Its commit cannot be seen from here, so that none of them is born leased.</summary>
internal static class CallerRows
{
    /// <returns>For each row with a unique key, the id of the job that there is in the end.</returns>
    /// <exception cref="ConfigurationException">MST2105: the transaction cannot carry them.</exception>
    public static Task<List<Guid>> InsertAsync(IReadOnlyList<JobRow> rows, DbTransaction transaction, CancellationToken cancellation) => InAsync(transaction, async open =>
    {
        var unique = new List<Guid>();
        if (rows.Count == 0)
            return unique;
        await using var batch = new NpgsqlBatch(open.Connection, open);
        foreach (var insert in JobInserts.Of(rows))
            batch.BatchCommands.Add(insert.Command);
        await using var reader = await batch.ExecuteReaderAsync(cancellation);
        while (await reader.ReadAsync(cancellation))
            unique.Add(reader.GetGuid(0));
        return unique;
    });

    /// <returns>How many there were.</returns>
    /// <exception cref="ConfigurationException">MST2105: the transaction cannot carry them.</exception>
    public static Task<long> CopyAsync(JobCopy copy, DbTransaction transaction, CancellationToken cancellation) =>
        InAsync(transaction, open => copy.WriteAsync(open.Connection!, cancellation));

    /// <returns>By whether the second statement has affected a row, and by what the first has found.</returns>
    /// <exception cref="ConfigurationException">MST2105: the transaction cannot carry it. MST2802: it keeps one view of the database.</exception>
    public static Task<Reception> ReceiveAsync(NpgsqlBatchCommand take, NpgsqlBatchCommand insert, DbTransaction transaction, CancellationToken cancellation) => InAsync(transaction, async open =>
    {
        await using var batch = new NpgsqlBatch(open.Connection, open);
        batch.BatchCommands.Add(take);
        batch.BatchCommands.Add(insert);
        try
        {
            await using var reader = await batch.ExecuteReaderAsync(cancellation);
            var isLate = await reader.ReadAsync(cancellation) && reader.GetBoolean(1);
            await reader.NextResultAsync(cancellation);
            return insert.RecordsAffected == 0 ? Reception.Duplicate : isLate ? Reception.Late : Reception.New;
        }
        catch (PostgresException e) when (InboxSql.IsOldView(e))
        {
            throw Inbox.OldView(e);
        }
    });

    private static async Task<T> InAsync<T>(DbTransaction transaction, Func<NpgsqlTransaction, Task<T>> write)
    {
        var open = CallerTransaction.Require(transaction, "MST2105");
        try
        {
            return await write(open);
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.UndefinedFunction or PostgresErrorCodes.InvalidSchemaName)
        {
            throw CallerTransaction.OtherDatabase("MST2105", "jobs", e);
        }
    }
}
