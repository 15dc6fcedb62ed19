namespace Mainstay.Internal;

/// <summary>
/// What a node has of one queue: its slots, and what has been claimed ahead of them. Ahead is only claimed what the queue gets done in 50 ms, so that a node
/// which dies, or is slow, keeps little from the others. Every member is to be used under the engine's lock.
/// </summary>
internal sealed class QueueRoom(int number, int slots, QueueLimit? limit = null)
{
    private const int AheadMost = 1000;
    private static readonly TimeSpan aheadTime = TimeSpan.FromMilliseconds(50);

    private readonly Queue<ClaimedJob> _ahead = new();
    private long _windowStart;
    private int _endedInWindow;
    private int _aheadWanted;
    private int _asked;
    private int _claims;

    public int Number => number;

    /// <summary>What the queue may do over all nodes; null when that is not limited.</summary>
    public QueueLimit? Limit => limit;

    /// <summary>How many slots are free. Less than none for as long as a job that follows another one has its slot beside it, until the run of that is over.</summary>
    public int Free { get; private set; } = slots;

    /// <summary>Whether there may be rows that are not claimed yet.</summary>
    public bool MayHaveMore { get; set; } = true;

    /// <summary>Whether a row may be born here: nobody waits who was there before it, on this node or on others.</summary>
    public bool IsIdle => limit is null && Free > 0 && _ahead.Count == 0 && !MayHaveMore;

    /// <summary>How many to claim now; 0 while enough is at hand or on its way.</summary>
    public int Wanted => !MayHaveMore || HasEnough ? 0 : Math.Max(0, Free + _aheadWanted - AtHand);

    /// <summary>Whether more will be claimed as soon as some of what is at hand has begun.</summary>
    public bool ClaimsSoon => MayHaveMore && HasEnough;

    private bool HasEnough => AtHand > Free + (_aheadWanted / 2);

    private int AtHand => _ahead.Count + _asked;

    /// <summary>
    /// In which order the next claim looks for priorities. An age from which on low work went before high would be the end of priorities as soon as a backlog has grown old, so
    /// it has a share instead: every eighth claim begins with it. Each claim takes at least one job that it finds, so the first of any priority waits for sixteen claims at most.
    /// </summary>
    public JobPriority[] NextOrder() => (++_claims % 16) switch
    {
        8 => [JobPriority.Low, JobPriority.Normal, JobPriority.High],
        0 => [JobPriority.Normal, JobPriority.Low, JobPriority.High],
        _ => [JobPriority.High, JobPriority.Normal, JobPriority.Low],
    };

    public void TakeSlot() => Free--;

    public void GiveSlot() => Free++;

    /// <summary>A claim is on its way that may bring so many.</summary>
    public void Ask(int most) => _asked += most;

    /// <summary>It has come back, or nobody knows what it brought.</summary>
    public void Answered(int most) => _asked -= most;

    public void Put(ClaimedJob job) => _ahead.Enqueue(job);

    /// <summary>The next job, when there is one and a slot for it, which is then taken.</summary>
    public ClaimedJob? Next()
    {
        if (Free <= 0 || !_ahead.TryDequeue(out var job))
            return null;
        Free--;
        return job;
    }

    /// <summary>Takes what was claimed ahead for one handler, for which no further slot is needed.</summary>
    public List<ClaimedJob> TakeMore(string handler, int most)
    {
        List<ClaimedJob> taken = [];
        for (var left = _ahead.Count; left > 0; left--)
        {
            var job = _ahead.Dequeue();
            if (taken.Count < most && job.Handler == handler && job.Crashes == 0)
                taken.Add(job);
            else
                _ahead.Enqueue(job);
        }
        return taken;
    }

    public bool Has(Guid id) => _ahead.Any(job => job.Id == id);

    public List<ClaimedJob> Clear()
    {
        var jobs = _ahead.ToList();
        _ahead.Clear();
        return jobs;
    }

    /// <summary>Counts an end, and measures in windows how far ahead is worth it.</summary>
    public void Ended(TimeProvider clock)
    {
        _endedInWindow++;
        var now = clock.GetTimestamp();
        var elapsed = clock.GetElapsedTime(_windowStart, now);
        if (elapsed < aheadTime)
            return;
        _aheadWanted = (int)Math.Min(AheadMost, _endedInWindow * (aheadTime / elapsed));
        _windowStart = now;
        _endedInWindow = 0;
    }
}
