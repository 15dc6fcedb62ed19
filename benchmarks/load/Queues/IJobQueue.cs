namespace Mainstay.Benchmarks;

/// <summary>What a job does.</summary>
internal enum JobKind
{
    /// <summary>Nothing.</summary>
    Bare,

    /// <summary>Writes one row, in the transaction that ends the job.</summary>
    Effect,
}

/// <summary>A queue under test.</summary>
internal interface IJobQueue : IAsyncDisposable
{
    Task StartAsync();

    /// <summary>Many jobs at once, of those that were handed in long ago.</summary>
    Task FillAsync(JobKind kind, int count);

    /// <summary>One job, in a commit of its own.</summary>
    /// <param name="dueAt">For <see cref="JobsSeen"/>.</param>
    /// <param name="after">How long after now it shall run; null for at once.</param>
    Task AddAsync(long dueAt, TimeSpan? after = null);

    /// <summary>Runs jobs until what it gives is disposed of; by then what has been run is also ended.</summary>
    /// <param name="seen">Counts the runs.</param>
    /// <param name="atMost">How many may run at the same time over all nodes; null for any number.</param>
    Task<IAsyncDisposable> WorkAsync(JobsSeen seen, int? atMost = null);
}
