using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>Reads the shared keys every hour, and makes the next one when it is time. A node that cannot for some hours goes on with those it knows.</summary>
internal sealed partial class SharedKeysRenewal(SharedKeys keys, TimeProvider clock, ILogger<SharedKeysRenewal> log) : BackgroundService
{
    private static readonly TimeSpan interval = TimeSpan.FromHours(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            await Task.Delay(interval, clock, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (stoppingToken.IsCancellationRequested)
                return;
            try
            {
                await keys.RenewAsync(stoppingToken);
            }
            catch (Exception e) when (e is NpgsqlException or OperationCanceledException)
            {
                if (!stoppingToken.IsCancellationRequested)
                    Postponed(log, e);
            }
        }
    }

    [LoggerMessage(71, LogLevel.Warning, "The keys that sign cursors could not be read; trying again in an hour. Cursors go on working with the keys that are known.")]
    private static partial void Postponed(ILogger log, Exception error);
}
