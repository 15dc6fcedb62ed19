using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>Removes counters whose window has ended, by their index, every few minutes. Any node may do it; rows that another one removes are skipped.</summary>
internal sealed class RateLimitSweeper(RateLimitStore store, TimeProvider clock, ILogger<RateLimitSweeper> log) : BackgroundService
{
    private static readonly TimeSpan interval = TimeSpan.FromMinutes(5);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            await Task.Delay(interval, clock, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            try
            {
                while (!stoppingToken.IsCancellationRequested && await store.DeleteEndedAsync(stoppingToken) > 0)
                {
                }
            }
            catch (Exception e) when (e is NpgsqlException or OperationCanceledException)
            {
                if (!stoppingToken.IsCancellationRequested)
                    RateLimitLog.Postponed(log, e);
            }
        }
    }
}
