using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

/// <summary>Makes the months of the audit trail that are to come, and drops those that are over, at the start and every hour.</summary>
internal sealed partial class AuditKeeper(AuditPartitions partitions, ILogger<AuditKeeper> log) : UpkeepService(TimeSpan.FromHours(1), partitions.Database)
{
    protected override bool StartsAtOnce => true;

    protected override async Task<bool> KeepAsync(CancellationToken cancellation)
    {
        var (added, dropped) = await partitions.KeepAsync(cancellation);
        if (added + dropped > 0)
            Changed(log, added, dropped);
        return false;
    }

    protected override void LogPostponed(Exception error) => Postponed(log, error);

    [LoggerMessage(38, LogLevel.Information, "Months of the audit trail: {Added} added, {Dropped} dropped.")]
    private static partial void Changed(ILogger log, int added, int dropped);

    [LoggerMessage(39, LogLevel.Warning, "The months of the audit trail could not be kept; trying again later. Entries are written meanwhile, and none is lost.")]
    private static partial void Postponed(ILogger log, Exception error);
}
