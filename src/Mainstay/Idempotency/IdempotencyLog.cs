using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

internal static partial class IdempotencyLog
{
    [LoggerMessage(32, LogLevel.Information, "'{Endpoint}' failed because a concurrent request with the same Idempotency-Key was faster; its answer is sent.")]
    public static partial void Overtaken(ILogger log, string endpoint, Exception error);

    [LoggerMessage(33, LogLevel.Warning, "Whether a concurrent request has answered '{Endpoint}' under the same Idempotency-Key could not be found out; a repetition decides again.")]
    public static partial void NotAsked(ILogger log, string endpoint, Exception error);

    [LoggerMessage(34, LogLevel.Error, "An answer was not kept under its Idempotency-Key.")]
    public static partial void Unkept(ILogger log, Exception mistake);

    [LoggerMessage(36, LogLevel.Error, "The answer of '{Endpoint}' is larger than {Most} bytes, so it cannot be kept under an Idempotency-Key, and the request was rolled back. Answer with the location of the result, or raise IdempotencyOptions.AnswerBytesMost.")]
    public static partial void TooLarge(ILogger log, string endpoint, int most);

    [LoggerMessage(35, LogLevel.Warning, "'{Endpoint}' was sent an Idempotency-Key by a caller without a name; such keys are ignored. Sign callers in, or say with IdempotencyOptions.Scope how to tell them apart. This is said once.")]
    public static partial void Stranger(ILogger log, string endpoint);
}
