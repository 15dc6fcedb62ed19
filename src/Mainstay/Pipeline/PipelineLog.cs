using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

internal static partial class PipelineLog
{
    [LoggerMessage(1, LogLevel.Error, "{Operation} failed (request {RequestId}).")]
    public static partial void Failed(ILogger log, string operation, string requestId, Exception error);

    [LoggerMessage(2, LogLevel.Warning, "The outcome of request {RequestId} could not be recorded under its idempotency key; a repetition decides again.")]
    public static partial void NotRecorded(ILogger log, string requestId, Exception error);

    /// <summary>The one line of a request. The terminal shows its sentence; JSON has every value.</summary>
    [LoggerMessage(3, LogLevel.Information, "{Method} {Path} {Status} in {Milliseconds:0.0} ms")]
    public static partial void Request(ILogger log, string method, string path, int status, double milliseconds, string? operation, string? user, int roundTrips, int attempts,
        bool isReplayed, string requestId, string? traceId, string application);
}
