using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

/// <summary>Reads the shared keys every hour, and makes the next one when it is time. A node that cannot for some hours goes on with those it knows.</summary>
internal sealed partial class SharedKeysRenewal(SharedKeys keys, ILogger<SharedKeysRenewal> log) : UpkeepService(TimeSpan.FromHours(1), keys.Database)
{
    protected override async Task<bool> KeepAsync(CancellationToken cancellation)
    {
        await keys.RenewAsync(cancellation);
        return false;
    }

    protected override void LogPostponed(Exception error) => Postponed(log, error);

    [LoggerMessage(71, LogLevel.Warning, "The keys that sign cursors could not be read; trying again in an hour. Cursors go on working with the keys that are known.")]
    private static partial void Postponed(ILogger log, Exception error);
}
