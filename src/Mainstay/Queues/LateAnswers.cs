namespace Mainstay.Internal;

/// <summary>
/// What of a claim is still this node's when it hears of it. A slow network, or a process that gets no time, may bring the answer when the lease is over, or when the job has been given back as one
/// that nobody here knows of: then others may run it, and have its permit. Every member is to be used under the engine's lock.
/// </summary>
internal sealed class LateAnswers(NodeLease lease, TimeProvider clock)
{
    /// <summary>No answer comes so late in a term of the lease.</summary>
    private static readonly TimeSpan memory = TimeSpan.FromMinutes(10);

    private readonly Dictionary<(Guid Id, int Fence), long> _givenUp = [];

    /// <summary>The claim of this job may be on its way to us; it is given back all the same, and shall not be run here when it comes.</summary>
    public void GiveUp((Guid Id, int Fence) claim)
    {
        foreach (var (old, at) in _givenUp)
            if (clock.GetElapsedTime(at) > memory)
                _givenUp.Remove(old);
        _givenUp[claim] = clock.GetTimestamp();
    }

    /// <summary>Whether the job may be run here.</summary>
    public bool IsOurs(ClaimedJob job) => lease.IsHeldIn(job.Term) && !_givenUp.Remove((job.Id, job.Fence));
}
