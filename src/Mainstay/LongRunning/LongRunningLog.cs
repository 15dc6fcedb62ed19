using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

internal static partial class LongRunningLog
{
    /// <summary>The one line of a run.</summary>
    [LoggerMessage(50, LogLevel.Information, "{Operation} {Id} {Outcome} in {Milliseconds:0.0} ms (attempt {Attempt}, request {RequestId})")]
    public static partial void Ended(ILogger log, string operation, string id, string outcome, double milliseconds, int attempt, string requestId);

    [LoggerMessage(51, LogLevel.Error, "{Operation} {Id} failed (attempt {Attempt} of {Most}, request {RequestId}).")]
    public static partial void Failed(ILogger log, string operation, string id, int attempt, int most, string requestId, Exception error);

    [LoggerMessage(52, LogLevel.Error, "{Operation} {Id} has been begun {Claims} times, and each time something ended the run before it could be recorded. It has been given up (request {RequestId}).")]
    public static partial void GivenUp(ILogger log, string operation, string id, int claims, string requestId);

    [LoggerMessage(53, LogLevel.Warning, "Long-running commands cannot be looked for at the moment; trying again.")]
    public static partial void Unavailable(ILogger log, Exception error);

    [LoggerMessage(54, LogLevel.Warning, "The end of {Operation} {Id} could not be recorded; trying again.")]
    public static partial void NotRecorded(ILogger log, string operation, string id, Exception error);

    [LoggerMessage(55, LogLevel.Warning, "MST2403: {Count} operations wait for '{Operation}', which this application does not declare. Unless another one does, declare it again, or delete them: delete from mainstay.operations where name = '…'.")]
    public static partial void Orphans(ILogger log, long count, string operation);
}
