using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

/// <summary>Removes counters whose window has ended, by their index, every few minutes. Any node may do it; rows that another one removes are skipped.</summary>
internal sealed class RateLimitSweeper(RateLimitStore store, ILogger<RateLimitSweeper> log) : UpkeepService(TimeSpan.FromMinutes(5), store.Database)
{
    protected override async Task<bool> KeepAsync(CancellationToken cancellation) => await store.DeleteEndedAsync(cancellation) >= RateLimitSql.EndedMost;

    protected override void LogPostponed(Exception error) => RateLimitLog.Postponed(log, error);
}
