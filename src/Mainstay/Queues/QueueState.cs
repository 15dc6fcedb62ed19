namespace Mainstay.Internal;

/// <summary>What a node knows of its queues. All of it is under one lock, which is held for moments and never while anything is awaited.</summary>
internal sealed class QueueState(QueueModel model, QueueOptions options, NodeLease lease, JobRunServices services)
{
    /// <summary>A second turn at the same time is worth a commit when it has so much to end or to claim.</summary>
    private const int HelpLeast = 100;

    private static readonly TimeSpan patience = TimeSpan.FromHours(1);

    /// <summary>Twice as long as a statement may take by default.</summary>
    private static readonly TimeSpan doubtTime = TimeSpan.FromMinutes(1);

    private readonly Hint _hint = new();
    private readonly Hint _help = new();
    private int _turns;
    private Deadline _doubtUntil;

    public Lock Lock { get; } = new();

    public QueueRooms Rooms { get; } = new(model, options.Workers, services.Clock);

    public RunningJobs Running { get; } = new(services);

    public EndedJobs Ended { get; } = new(services.Clock);

    public LateAnswers Late { get; } = new(lease, services.Clock);

    public TurnTimes Times { get; } = new(options.PollInterval, services.Clock);

    /// <summary>Whether the node stops, so that nothing more is claimed or born.</summary>
    public bool Stops { get; set; }

    /// <summary>
    /// Whether this node may hold what it does not run: the answer of a claim or a commit was lost. For a while, because what was sent may wait for a lock or a standby
    /// and be committed long after its connection is gone.
    /// </summary>
    public bool IsInDoubt_NeedsLock => _doubtUntil.Left(services.Clock) > TimeSpan.Zero;

    public void NoteDoubt()
    {
        lock (Lock)
            NoteDoubt_NeedsLock();
    }

    public void NoteDoubt_NeedsLock() => _doubtUntil = Deadline.After(doubtTime, services.Clock);

    /// <summary>Whether what has been done can be ended together with the next claim, which comes when half of what was claimed ahead has begun. Without it, every few ends would be a commit of their own.</summary>
    public bool EndsCanWait_NeedsLock => !Stops && Ended.MayWait && Rooms.ClaimSoon;

    /// <summary>
    /// Whether the turn that is on its way leaves enough to do for a second one beside it. Without it, the database would wait while this process reads what it has claimed, and
    /// this process for the database.
    /// </summary>
    public bool NeedsHelp_NeedsLock => _turns == 1 && !Stops && (Ended.Count >= HelpLeast || Rooms.WantedFreely >= HelpLeast);

    /// <summary>Whether this node knows that it holds the job.</summary>
    public bool Holds_NeedsLock((Guid Id, int Fence) job) => Running.Has(job.Id, job.Fence) || Ended.Has(job.Id, job.Fence) || Rooms.HaveAhead(job.Id);

    /// <summary>Ends when there is something to do for the loop, or may be.</summary>
    /// <param name="helps">Whether it is the loop for second turns.</param>
    /// <param name="stopping">Ends it.</param>
    public async Task WaitAsync(bool helps, CancellationToken stopping) => await (helps ? _help.WaitAsync(patience, services.Clock, stopping) : _hint.WaitAsync(UntilNext(), services.Clock, stopping));

    public void Begin_NeedsLock(CyclePlan plan)
    {
        _turns++;
        Rooms.Ask(plan);
    }

    public void End_NeedsLock(CyclePlan plan)
    {
        _turns--;
        Ended.Answered(plan);
        Rooms.Answered(plan);
    }

    /// <summary>There may be more to claim.</summary>
    public void Wake()
    {
        lock (Lock)
            Rooms.NoteMore();
        Turn();
    }

    /// <summary>Something becomes due then.</summary>
    public void DueIn(TimeSpan time)
    {
        lock (Lock)
            Times.DueIn(time);
        Turn();
    }

    /// <summary>Lets the loop look whether there is something to do.</summary>
    public void Turn() => _hint.Raise();

    /// <summary>Lets a second turn begin beside the one that is on its way.</summary>
    public void Help() => _help.Raise();

    private TimeSpan UntilNext()
    {
        lock (Lock)
        {
            var left = Times.Next.Earlier(Ended.At).Left(services.Clock);
            return left < TimeSpan.FromMilliseconds(1) ? TimeSpan.FromMilliseconds(1) : left;
        }
    }
}
