using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

/// <summary>What the private server logs. Defined by hand, because the generator does not come along with the packages used here.</summary>
internal static class ServerLog
{
    private static readonly Action<ILogger, string, int, string, Exception?> StartedMessage = LoggerMessage.Define<string, int, string>(
        LogLevel.Information, new EventId(1101, nameof(Started)), "PostgreSQL {Version} started as process {ProcessId} in {Folder}");

    private static readonly Action<ILogger, string, int, string, Exception?> FoundMessage = LoggerMessage.Define<string, int, string>(
        LogLevel.Information, new EventId(1102, nameof(Found)), "PostgreSQL {Version} was already running as process {ProcessId} in {Folder}");

    private static readonly Action<ILogger, string, Exception?> StoppedMessage = LoggerMessage.Define<string>(
        LogLevel.Information, new EventId(1103, nameof(Stopped)), "PostgreSQL in {Folder} stopped");

    private static readonly Action<ILogger, string, int, Exception?> LeftMessage = LoggerMessage.Define<string, int>(
        LogLevel.Information, new EventId(1104, nameof(Left)), "PostgreSQL in {Folder} goes on for {Others} other process(es)");

    private static readonly Action<ILogger, string, Exception?> DiedMessage = LoggerMessage.Define<string>(
        LogLevel.Warning, new EventId(1105, nameof(Died)), "PostgreSQL in {Folder} died; starting it again");

    private static readonly Action<ILogger, string, Exception?> RevivedMessage = LoggerMessage.Define<string>(
        LogLevel.Information, new EventId(1106, nameof(Revived)), "PostgreSQL in {Folder} runs again");

    private static readonly Action<ILogger, int, double, Exception?> RestartFailedMessage = LoggerMessage.Define<int, double>(
        LogLevel.Error, new EventId(1107, nameof(RestartFailed)), "PostgreSQL could not be started again (failure {Failures}); next attempt in {Seconds:0.0} s");

    private static readonly Action<ILogger, Exception?> NotCheckedMessage = LoggerMessage.Define(
        LogLevel.Error, new EventId(1110, nameof(NotChecked)), "Whether PostgreSQL runs could not be checked; trying again");

    private static readonly Action<ILogger, string, string, Exception?> StopFailedMessage = LoggerMessage.Define<string, string>(
        LogLevel.Warning, new EventId(1108, nameof(StopFailed)), "PostgreSQL did not stop in mode {Mode}: {Reason}");

    private static readonly Action<ILogger, int, string, Exception?> ProcessIdReusedMessage = LoggerMessage.Define<int, string>(
        LogLevel.Warning, new EventId(1109, nameof(ProcessIdReused)), "postmaster.pid named process {ProcessId}, now '{Program}' and not the server; put aside");

    public static void Started(ILogger log, string version, int processId, string folder) => StartedMessage(log, version, processId, folder, null);
    public static void Found(ILogger log, string version, int processId, string folder) => FoundMessage(log, version, processId, folder, null);
    public static void Stopped(ILogger log, string folder) => StoppedMessage(log, folder, null);
    public static void Left(ILogger log, string folder, int others) => LeftMessage(log, folder, others, null);
    public static void Died(ILogger log, string folder) => DiedMessage(log, folder, null);
    public static void Revived(ILogger log, string folder) => RevivedMessage(log, folder, null);
    public static void RestartFailed(ILogger log, int failures, TimeSpan pause, Exception e) => RestartFailedMessage(log, failures, pause.TotalSeconds, e);
    public static void NotChecked(ILogger log, Exception e) => NotCheckedMessage(log, e);
    public static void StopFailed(ILogger log, string mode, string reason) => StopFailedMessage(log, mode, reason, null);
    public static void ProcessIdReused(ILogger log, int processId, string program) => ProcessIdReusedMessage(log, processId, program, null);
}
