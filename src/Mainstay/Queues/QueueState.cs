namespace Mainstay.Internal;

/// <summary>What a node knows of its queues. All of it is under one lock, which is held for moments and never while anything is awaited.</summary>
internal sealed class QueueState(QueueModel model, QueueOptions options, JobRunServices services)
{
    private readonly Hint _hint = new();

    public Lock Lock { get; } = new();

    public QueueRooms Rooms { get; } = new(model, options.Workers, services.Clock);

    public RunningJobs Running { get; } = new(services);

    public EndedJobs Ended { get; } = new(services.Clock);

    public TurnTimes Times { get; } = new(options.PollInterval, services.Clock);

    /// <summary>Whether the node stops, so that nothing more is claimed or born.</summary>
    public bool Stops { get; set; }

    /// <summary>Set when the answer of a claim or a commit was lost: this node may hold what it does not run.</summary>
    public bool MayHoldStrays { get; set; }

    /// <summary>Whether what has been done can be ended together with the next claim, which comes when half of what was claimed ahead has begun. Without it, every few ends would be a commit of their own.</summary>
    public bool EndsCanWait_NeedsLock => !Stops && Ended.MayWait && Rooms.ClaimSoon;

    /// <summary>Whether this node knows that it holds the job.</summary>
    public bool Holds(Guid id, int fence)
    {
        lock (Lock)
            return Running.Has(id, fence) || Ended.Has(id, fence) || Rooms.HaveAhead(id);
    }

    /// <summary>Ends when there is something to do for the loop, or may be.</summary>
    public async Task WaitAsync(CancellationToken stopping) => await _hint.WaitAsync(UntilNext(), services.Clock, stopping);

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

    private TimeSpan UntilNext()
    {
        lock (Lock)
        {
            var left = Times.Next.Earlier(Ended.At).Left(services.Clock);
            return left < TimeSpan.FromMilliseconds(1) ? TimeSpan.FromMilliseconds(1) : left;
        }
    }
}
