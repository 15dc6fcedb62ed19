namespace Mainstay.Internal;

/// <summary>What has been done and is to be ended in the database, with the next turn. Every member is to be used under the engine's lock.</summary>
internal sealed class EndedJobs(TimeProvider clock)
{
    /// <summary>How long ends may wait for the claim that they can go with, while enough has been claimed ahead.</summary>
    private static readonly TimeSpan pause = TimeSpan.FromMilliseconds(10);

    private List<(Guid Id, int Fence, string Handler)> _finished = [];
    private List<(Guid Id, int Fence, string Handler)> _first = [];
    private readonly List<IReadOnlyList<(Guid Id, int Fence, string Handler)>> _taken = [];
    private Deadline _waitUntil;

    public int Count => _finished.Count + _first.Count;

    public bool HasAny => _finished.Count > 0 || HasAwaited;

    /// <summary>Whether others wait for one of them.</summary>
    public bool HasAwaited => _first.Count > 0;

    /// <summary>Whether they need not be a commit of their own yet.</summary>
    public bool MayWait => !HasAwaited && _waitUntil.Left(clock) > TimeSpan.Zero;

    /// <summary>When they are to be ended at the latest.</summary>
    public Deadline At => HasAny ? _waitUntil : Deadline.Never;

    /// <param name="job">What has been done.</param>
    /// <param name="isAwaited">Whether others may wait for its end, so that it comes before the next claim.</param>
    public void Add(ClaimedJob job, bool isAwaited)
    {
        if (!HasAny)
            _waitUntil = Deadline.After(pause, clock);
        (isAwaited ? _first : _finished).Add((job.Id, job.Fence, job.Handler));
    }

    /// <summary>Whether it is to be ended, or just being ended.</summary>
    public bool Has(Guid id, int fence) => _taken.SelectMany(jobs => jobs).Concat(_finished).Concat(_first).Any(job => job.Id == id && job.Fence == fence);

    public (IReadOnlyList<(Guid Id, int Fence, string Handler)> Finished, IReadOnlyList<(Guid Id, int Fence, string Handler)> First) Take()
    {
        var taken = (_finished, _first);
        (_finished, _first) = ([], []);
        _taken.AddRange(taken._finished, taken._first);
        return taken;
    }

    /// <summary>They have been ended, or have not: they are no longer on their way.</summary>
    public void Answered(CyclePlan plan) => _taken.RemoveAll(jobs => jobs == plan.Finished || jobs == plan.FinishedFirst);

    /// <summary>Nobody knows whether they have been ended. Ending twice ends once.</summary>
    public void PutBack(CyclePlan plan)
    {
        _finished.AddRange(plan.Finished);
        _first.AddRange(plan.FinishedFirst);
    }
}
