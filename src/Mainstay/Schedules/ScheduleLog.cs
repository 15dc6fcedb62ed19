using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

internal static partial class ScheduleLog
{
    [LoggerMessage(80, LogLevel.Warning, "Planned times of '{Name}' were missed, from {Since:o} on; runs enqueued now: {Runs}.")]
    public static partial void Missed(ILogger log, string name, DateTimeOffset since, int runs);

    [LoggerMessage(81, LogLevel.Warning, "'{Name}' does not run for {PlannedAt:o}, because its last run has not ended.")]
    public static partial void Skipped(ILogger log, string name, DateTimeOffset plannedAt);
}
