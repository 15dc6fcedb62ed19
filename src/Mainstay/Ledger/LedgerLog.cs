using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

internal static partial class LedgerLog
{
    [LoggerMessage(100, LogLevel.Warning, "The ledger could not fold its deferred accounts or release expired holds now. Their balances are exact all the same; trying again.")]
    public static partial void Postponed(ILogger log, Exception error);
}
