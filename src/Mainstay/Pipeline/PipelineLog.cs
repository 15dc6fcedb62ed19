using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

internal static partial class PipelineLog
{
    [LoggerMessage(1, LogLevel.Error, "{Operation} failed (request {RequestId}).")]
    public static partial void Failed(ILogger log, string operation, string requestId, Exception error);

    [LoggerMessage(2, LogLevel.Warning, "The outcome of request {RequestId} could not be recorded under its idempotency key; a repetition decides again.")]
    public static partial void NotRecorded(ILogger log, string requestId, Exception error);

    [LoggerMessage(3, LogLevel.Warning, "{Operation} failed (request {RequestId}), and is answered with what another request with its Idempotency-Key has done.")]
    public static partial void Overtaken(ILogger log, string operation, string requestId, Exception error);
}
