using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

/// <summary>What the start-up step logs. Defined by hand, because the generator does not come along with the packages used here.</summary>
internal static class SchemaLog
{
    private static readonly Action<ILogger, string, Exception?> AppliedMessage = LoggerMessage.Define<string>(
        LogLevel.Information, new EventId(1501, nameof(Applied)), "Schema changed: {Change}");

    private static readonly Action<ILogger, string, Exception?> StatementsMessage = LoggerMessage.Define<string>(
        LogLevel.Debug, new EventId(1505, "Statements"), "Schema statements: {Sql}");

    private static readonly Action<ILogger, string, Exception?> NoteMessage = LoggerMessage.Define<string>(
        LogLevel.Information, new EventId(1502, nameof(Note)), "Schema: {Note}");

    private static readonly Action<ILogger, int, string, Exception?> RetryMessage = LoggerMessage.Define<int, string>(
        LogLevel.Warning, new EventId(1503, nameof(Retry)), "Schema: attempt {Attempt} was rolled back and is repeated: {Reason}");

    private static readonly Action<ILogger, Exception?> WaitingMessage = LoggerMessage.Define(
        LogLevel.Information, new EventId(1504, nameof(Waiting)), "Schema: waiting for another node that prepares the database");

    public static void Applied(ILogger log, SchemaChange change)
    {
        AppliedMessage(log, change.Description, null);
        StatementsMessage(log, change.Sql, null);
    }

    public static void Note(ILogger log, string note) => NoteMessage(log, note, null);
    public static void Retry(ILogger log, int attempt, string reason) => RetryMessage(log, attempt, reason, null);
    public static void Waiting(ILogger log) => WaitingMessage(log, null);
}
