using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

/// <summary>Removes expired receipts every few minutes. Any node may do it; rows that another one removes are skipped.</summary>
internal sealed partial class ReceiptSweeper(Receipts receipts, TimeProvider clock, ILogger<ReceiptSweeper> log) : PeriodicService(TimeSpan.FromMinutes(5), clock)
{
    protected override async Task TurnAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested && await receipts.DeleteExpiredAsync(stopping) > 0)
        {
        }
    }

    protected override void LogPostponed(Exception error) => Postponed(log, error);

    [LoggerMessage(31, LogLevel.Warning, "Expired receipts could not be removed; trying again later.")]
    private static partial void Postponed(ILogger log, Exception error);
}
