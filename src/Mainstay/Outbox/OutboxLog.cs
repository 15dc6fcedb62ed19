using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

internal static partial class OutboxLog
{
    [LoggerMessage(20, LogLevel.Warning, "Subscription '{Subscription}' could not handle {Event} {Id} (attempt {Attempt} of {Most}).")]
    public static partial void Failed(ILogger log, string subscription, string @event, Guid id, int attempt, int most, Exception error);

    [LoggerMessage(22, LogLevel.Warning, "MST2103: {Count} messages wait for the subscription '{Subscription}', which this application does not declare. Unless another one does, declare it again, or delete them: delete from mainstay.outbox where subscription = '…'.")]
    public static partial void Orphans(ILogger log, long count, string subscription);

    [LoggerMessage(21, LogLevel.Warning, "The outbox cannot be read at the moment; trying again.")]
    public static partial void Unavailable(ILogger log, Exception error);
}
