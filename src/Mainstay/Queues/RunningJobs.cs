namespace Mainstay.Internal;

/// <summary>The runs of this node, from when their slot was taken until they have ended. Every member is to be used under the engine's lock.</summary>
internal sealed class RunningJobs(JobRunServices services)
{
    /// <summary>How long a job is put off of which a run from before the loss of the lease still goes on.</summary>
    private static readonly TimeSpan besideTime = TimeSpan.FromSeconds(10);

    private readonly Dictionary<(Guid Id, int Fence), JobRun> _runs = [];
    private readonly HashSet<Guid> _outlived = [];
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _drains;
    private bool _cancels;

    /// <summary>Whether this node has a job that may have killed a process, running or claimed ahead. It takes no second one.</summary>
    public bool HasSuspect { get; set; }

    public JobRun[] All => [.. _runs.Values];

    public bool Has(Guid id, int fence) => _runs.ContainsKey((id, fence));

    public JobRun Begin(ClaimedJob job, QueueHandler handler)
    {
        var run = new JobRun(job, handler, services) { PutOff = _outlived.Contains(job.Id) ? besideTime : null };
        if (_cancels)
            run.Cancel(JobEnd.Stopping);
        return _runs[(job.Id, job.Fence)] = run;
    }

    public void End(JobRun run)
    {
        run.Dispose();
        _runs.Remove((run.Job.Id, run.Job.Fence));
        if (run.PutOff is null)
            _outlived.Remove(run.Job.Id);
        if (run.Job.Crashes > 0)
            HasSuspect = false;
        NoteDrained();
    }

    /// <summary>Others may begin what runs here, and give it back to this node: it must not run here twice at once.</summary>
    /// <returns>The runs that are to be told.</returns>
    public JobRun[] Outlive()
    {
        _outlived.UnionWith(_runs.Keys.Select(run => run.Id));
        return All;
    }

    /// <summary>What begins from now on is cancelled from the beginning.</summary>
    /// <returns>The runs that are to be told.</returns>
    public JobRun[] CancelFromNow()
    {
        _cancels = true;
        return All;
    }

    /// <summary>Ends when nothing runs any more.</summary>
    public Task DrainAsync()
    {
        _drains = true;
        NoteDrained();
        return _drained.Task;
    }

    private void NoteDrained()
    {
        if (_drains && _runs.Count == 0)
            _drained.TrySetResult();
    }
}
