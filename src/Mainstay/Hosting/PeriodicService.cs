using Microsoft.Extensions.Hosting;

namespace Mainstay.Internal;

/// <summary>Work on the database that any node may do, again and again. A turn that fails is left to the next one.</summary>
internal abstract class PeriodicService(TimeSpan interval, TimeProvider clock) : BackgroundService
{
    /// <summary>Whether the first turn is at the start instead of one interval later.</summary>
    protected virtual bool StartsAtOnce => false;

    protected abstract Task TurnAsync(CancellationToken stopping);

    protected abstract void LogPostponed(Exception error);

    protected sealed override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        for (var isFirst = true; !stoppingToken.IsCancellationRequested; isFirst = false)
        {
            if (!isFirst || !StartsAtOnce)
                await Task.Delay(interval, clock, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (stoppingToken.IsCancellationRequested)
                return;
            try
            {
                await TurnAsync(stoppingToken);
            }
            catch (Exception e)     // whatever it is: the host would stop for it, and this can wait
            {
                if (!stoppingToken.IsCancellationRequested)
                    LogPostponed(e);
            }
        }
    }
}
