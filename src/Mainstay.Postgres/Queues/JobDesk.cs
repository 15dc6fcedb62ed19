namespace Mainstay.Internal;

/// <summary>Where this process hands in what it commits, and learns which of it the process may run itself.</summary>
internal sealed class JobDesk
{
    /// <summary>What runs jobs on this node; null while it starts, and on a node that runs none.</summary>
    public IJobRunner? Runner { get; set; }

    /// <summary>Tells other nodes; null while this one starts.</summary>
    public NodeHints? Others { get; set; }

    /// <summary>Makes what sees to the schedules look at them; null while this node starts.</summary>
    public Action? Scheduler { get; set; }

    /// <summary>Makes what goes on with redrives look for them; null while this node starts.</summary>
    public Action? Redrives { get; set; }

    /// <summary>Who waits here for what a job comes to.</summary>
    public ReplyDesk Replies { get; } = new();

    /// <summary>Which handlers are so far behind that nothing more shall be enqueued for them.</summary>
    public QueuePressure Pressure { get; } = new();

    /// <summary>Lets rows be born leased where the runner has room for them. Every call is followed by <see cref="Committed"/> or <see cref="Dropped"/>.</summary>
    public void Reserve(IReadOnlyList<JobRow> rows)
    {
        if (Runner is not { } runner)
            return;
        foreach (var row in rows)
            if (row.MayBeBornLeased)
                runner.Reserve(row);
    }

    public void Committed(IReadOnlyList<JobRow> rows)
    {
        if (Runner is not { } runner || runner.Committed(rows))
            Others?.Raise();
    }

    /// <param name="rows">What was not committed.</param>
    /// <param name="isInDoubt">The connection broke during the commit, so that the rows may be there after all.</param>
    public void Dropped(IReadOnlyList<JobRow> rows, bool isInDoubt) => Runner?.Dropped(rows, isInDoubt);

    /// <summary>There may be work. Said after a commit that was not made here.</summary>
    public void Wake()
    {
        Runner?.Wake();
        Others?.Raise();
    }
}

/// <summary>What runs jobs on a node, as seen by those who write them.</summary>
internal interface IJobRunner
{
    /// <summary>Under whose lease it runs jobs.</summary>
    Guid Node { get; }

    /// <summary>Lets the row be born under the lease of the node, with a slot kept for it; does nothing when it shall wait in the queue.</summary>
    void Reserve(JobRow row);

    /// <returns>Whether something of it waits that another node might begin sooner.</returns>
    bool Committed(IReadOnlyList<JobRow> rows);

    void Dropped(IReadOnlyList<JobRow> rows, bool isInDoubt);

    void Wake();
}
