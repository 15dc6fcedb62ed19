using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

/// <summary>What sagas say.</summary>
internal static partial class SagaLog
{
    [LoggerMessage(1, LogLevel.Warning, "MST3105: An instance of saga '{Saga}' ({Id}) began by another form of its definition than this node declares; another node has to go on with it. Looked at again in {Time}.")]
    public static partial void OtherShape(ILogger log, string saga, Guid id, TimeSpan time);

    [LoggerMessage(2, LogLevel.Warning, "MST3105: {Count} instances of saga '{Saga}' go by version {Version}, which this application does not declare. They stand until one does: declare that version beside the newest until they have ended.")]
    public static partial void Undeclared(ILogger log, int count, string saga, int version);

    [LoggerMessage(3, LogLevel.Error, "MST3107: {Count} instances of saga '{Saga}' are stuck: a step of theirs is a dead letter. Look at them with Sagas.ListAsync or under /internal/sagas?status=stuck, and have them retried, skipped or compensated.")]
    public static partial void Stuck(ILogger log, long count, string saga);

    [LoggerMessage(4, LogLevel.Debug, "Sagas could not be looked at.")]
    public static partial void NotWatched(ILogger log, Exception error);
}
