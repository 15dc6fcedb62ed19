using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

internal static partial class LedgerLog
{
    [LoggerMessage(100, LogLevel.Warning, "The ledger could not fold its deferred accounts or release expired holds now. Their balances are exact all the same; trying again.")]
    public static partial void Postponed(ILogger log, Exception error);

    [LoggerMessage(101, LogLevel.Error, "The entries of the deferred account {Account} cannot be given their numbers. Its balance is exact all the same, and its statements fail until then; trying again.")]
    public static partial void NotFolded(ILogger log, Id<LedgerAccount> account, Exception error);
}
