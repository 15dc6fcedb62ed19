using Mainstay.Internal;

namespace Mainstay;

/// <summary>What is declared about a job. Every method returns the same declaration, so that calls chain.</summary>
public sealed class JobDeclaration : MessageDeclaration<JobDeclaration>
{
    internal JobDeclaration(QueueHandler handler) : base(handler)
    {
    }

    /// <summary>
    /// At most one job for each key: while one is open, which is until it is done or dead, no other is recorded, and whoever enqueues it learns the id of that one. What is
    /// enqueued while it runs is not recorded either, so its handler must read what it acts on, not remember it.
    /// </summary>
    /// <param name="key">The key of a job, from its record; null for a job that is not unique. At most 400 characters.</param>
    /// <param name="per">For how long after it was enqueued no other is recorded, even when it is done before. A dead one frees its key. Default: not beyond its end.</param>
    public JobDeclaration Unique<T>(Func<T, object?> key, TimeSpan? per = null) where T : class
    {
        ArgumentNullException.ThrowIfNull(key);
        if (per is { } time)
            ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(time, TimeSpan.Zero, nameof(per));
        Handler.Unique(key, per);
        return this;
    }
}
