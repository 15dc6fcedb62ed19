using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

/// <summary>
/// Removes the receipts of a lifetime that is over, when it is over. Any node may do it; who comes second finds it done.
/// </summary>
internal sealed partial class ReceiptSweeper(Receipts receipts, ILogger<ReceiptSweeper> log) : UpkeepService(TimeSpan.FromMinutes(1), receipts.Database)
{
    protected override async Task<bool> KeepAsync(CancellationToken cancellation)
    {
        if (await receipts.RotateAsync(cancellation))
            Rotated(log);
        return false;
    }

    protected override void LogPostponed(Exception error) => Postponed(log, error);

    [LoggerMessage(37, LogLevel.Debug, "The receipts of the lifetime before have expired and are removed.")]
    private static partial void Rotated(ILogger log);

    [LoggerMessage(31, LogLevel.Warning, "Expired receipts could not be removed; trying again in a minute.")]
    private static partial void Postponed(ILogger log, Exception error);
}
