using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>Removes expired receipts every few minutes. Any node may do it; rows that another one removes are skipped.</summary>
internal sealed partial class ReceiptSweeper(Receipts receipts, TimeProvider clock, ILogger<ReceiptSweeper> log) : BackgroundService
{
    private static readonly TimeSpan interval = TimeSpan.FromMinutes(5);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            await Task.Delay(interval, clock, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            try
            {
                while (!stoppingToken.IsCancellationRequested && await receipts.DeleteExpiredAsync(stoppingToken) > 0)
                {
                }
            }
            catch (Exception e) when (e is NpgsqlException or OperationCanceledException)
            {
                if (!stoppingToken.IsCancellationRequested)
                    Postponed(log, e);
            }
        }
    }

    [LoggerMessage(31, LogLevel.Warning, "Expired receipts could not be removed; trying again later.")]
    private static partial void Postponed(ILogger log, Exception error);
}
