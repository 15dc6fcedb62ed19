using Microsoft.Extensions.Logging;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>Declares the currencies before anything is served, and then does what any node may do: give entries of deferred accounts their numbers, release holds that have expired.</summary>
internal sealed class LedgerService(Database database, LedgerOptions options, ILogger<LedgerService> log) : PeriodicService(options.FoldInterval, database.Clock)
{
    private const int HoldsMost = 100;

    /// <exception cref="ConfigurationException">MST2902: a currency has other decimals.</exception>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await DatabaseStart.PatientlyAsync(async () =>
        {
            await DeclareAsync(cancellationToken);
            return true;
        });
        await base.StartAsync(cancellationToken);
    }

    protected override async Task TurnAsync(CancellationToken stopping)
    {
        foreach (var account in await QueryAsync(LedgerSql.Deferred(), static row => row.GetGuid(0), stopping))
            try
            {
                await FoldAsync(account, stopping);
            }
            // The others are not to wait for what is wrong with one. A lost connection concerns them all.
            catch (PostgresException e) when (!DatabaseErrors.IsUnavailable(e))
            {
                LedgerLog.NotFolded(log, Id<LedgerAccount>.From(account), e);
            }
        for (var released = HoldsMost; released == HoldsMost && !stopping.IsCancellationRequested;)
        {
            released = (await QueryAsync(LedgerSql.Expire(HoldsMost), static row => row.GetInt32(0), stopping))[0];
            if (released > 0)
                LedgerMetrics.Expired(released);
        }
    }

    /// <summary>Until there are fewer than one statement folds: an account that always gets some would keep the others waiting.</summary>
    private async Task FoldAsync(Guid account, CancellationToken stopping)
    {
        for (var folded = (long)LedgerSql.FoldMost; folded == LedgerSql.FoldMost && !stopping.IsCancellationRequested;)
        {
            folded = (await QueryAsync(LedgerSql.Fold(account), static row => row.GetInt64(0), stopping)).FirstOrDefault();
            if (folded > 0)
                LedgerMetrics.Folded();
        }
    }

    protected override void LogPostponed(Exception error) => LedgerLog.Postponed(log, error);

    private async Task DeclareAsync(CancellationToken cancellation)
    {
        List<ConfigurationException> mistakes = [];
        foreach (var currency in options.Currencies)
            // Another node may be declaring it at this moment: then it is to be seen by the next look.
            for (var found = new List<short>(); found.Count == 0;)
            {
                found = await QueryAsync(LedgerSql.Declare(currency), static row => row.GetInt16(0), cancellation);
                if (found is [var decimals, ..] && decimals != currency.Decimals)
                    mistakes.Add(new ConfigurationException("MST2902", $"The currency '{currency.Code}' is declared with {currency.Decimals} decimals, and the ledger counts it with {decimals}. All its amounts would mean something else: declare it with {decimals}, or use another code."));
            }
        if (mistakes.Count > 0)
            throw new ConfigurationException(mistakes);
    }

    private async Task<List<T>> QueryAsync<T>(NpgsqlBatchCommand statement, Func<NpgsqlDataReader, T> read, CancellationToken cancellation)
    {
        await using var connection = await database.Source.OpenConnectionAsync(cancellation);
        await using var batch = new NpgsqlBatch(connection) { BatchCommands = { statement } };
        await using var reader = await batch.ExecuteReaderAsync(cancellation);
        var rows = new List<T>();
        while (await reader.ReadAsync(cancellation))
            rows.Add(read(reader));
        return rows;
    }
}
