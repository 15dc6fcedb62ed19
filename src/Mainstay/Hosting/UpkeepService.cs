namespace Mainstay.Internal;

/// <summary>Keeps tables or keys in order, which can wait: its turns are those of <see cref="Database.UpkeepAsync"/>.</summary>
internal abstract class UpkeepService(TimeSpan interval, Database database) : PeriodicService(interval, database.Clock)
{
    protected sealed override Task TurnAsync(CancellationToken stopping) => database.UpkeepAsync(KeepAsync, stopping);

    /// <summary>One piece of it.</summary>
    /// <returns>Whether there is more to do.</returns>
    protected abstract Task<bool> KeepAsync(CancellationToken cancellation);
}
