namespace Mainstay.Internal;

/// <summary>Work for one handler, on its way into the table.</summary>
/// <param name="Id">Made here, so that the row is known before it is written.</param>
/// <param name="Handler">The stored name of the subscription or job.</param>
/// <param name="Message">The event's id, the same for all its subscriptions; of a job that somebody waits for, what the reply is found by; null for other jobs.</param>
/// <param name="Payload">The event or job as JSON.</param>
/// <param name="Origin">What caused it.</param>
internal sealed record JobRow(Guid Id, string Handler, Guid? Message, string Payload, Origin Origin)
{
    /// <summary>How long after the commit's beginning it shall run; null for at once.</summary>
    public TimeSpan? After { get; init; }

    /// <summary>When it shall run; wins over <see cref="After"/>.</summary>
    public DateTimeOffset? At { get; init; }

    /// <summary>What no other open job of the handler has; null for a job that is not unique.</summary>
    public UniqueKey? Unique { get; init; }

    /// <summary>What it has in common with others of its handler that it may have to wait for; null for work that waits for nobody.</summary>
    public string? Lane { get; init; }

    /// <summary>For whom it is, where the queue is shared fairly; null for work that stands in the order in which it came.</summary>
    public string? Tenant { get; init; }

    public JobPriority Priority { get; init; }

    /// <summary>The node that it is born under the lease of, because that node has room for it; null for a row that waits to be claimed.</summary>
    public Guid? Node { get; set; }

    /// <summary>The term of that lease.</summary>
    public int Term { get; set; }

    /// <summary>The handler of the job that ends with the commit, where this one goes on with the same matter: then it may have the slot of that, whoever waits. Null for work that waits for its turn.</summary>
    public string? Follows { get; init; }

    /// <summary>What whoever makes it knows already, for its run if that begins with the commit and on this node; null for nothing.</summary>
    public object? Known { get; init; }

    public bool IsDelayed => After is not null || At is not null;

    /// <summary>Whether it may be run by the process that commits it, without having stood in the queue.</summary>
    public bool MayBeBornLeased => !IsDelayed && Unique is null && !IsToBeAdmitted;

    /// <summary>Whether it is ready only when a node has decided about it.</summary>
    public bool IsToBeAdmitted => Lane is not null || Tenant is not null;
}

/// <summary>What makes a job unique.</summary>
/// <param name="Key">Its key among the jobs of the handler.</param>
/// <param name="For">For how long after it was enqueued no other one is wanted, even when it is done before; null for until it has ended.</param>
internal readonly record struct UniqueKey(string Key, TimeSpan? For);

/// <summary>A job that this node has the lease of.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Handler">The stored name of the subscription or job.</param>
/// <param name="Message">The event's id; null for a job.</param>
/// <param name="Payload">The event or job as JSON.</param>
/// <param name="Origin">What caused it, as JSON; null when plain SQL did not say.</param>
/// <param name="Attempt">The number of this run, from 1. Runs that were given back are not counted.</param>
/// <param name="Fence">The number of this claim, from 1. All are counted.</param>
/// <param name="Crashes">How many processes have died with it.</param>
/// <param name="Seq">Its place in the order of ready rows; 0 when it was born leased and never had one that mattered.</param>
/// <param name="Age">How long before the claim it was to run first, by the database's clock.</param>
/// <param name="Priority">With which other jobs of its handler it stood in one order.</param>
/// <param name="Steps">What its handler has done of it in earlier runs, as JSON; null for nothing.</param>
internal sealed record ClaimedJob(Guid Id, string Handler, Guid? Message, string Payload, string? Origin, int Attempt, int Fence, int Crashes, long Seq, TimeSpan Age, JobPriority Priority, string? Steps)
{
    /// <inheritdoc cref="JobRow.Known"/>
    public object? Known { get; init; }

    /// <summary>When it was claimed, by the clock of this process; null when it was born leased and runs at once.</summary>
    public long? ClaimedAt { get; init; }

    /// <summary>The term of the lease that it is held in.</summary>
    public required int Term { get; init; }

    public static ClaimedJob Born(JobRow row) => new(row.Id, row.Handler, row.Message, row.Payload, OriginJson.Write(row.Origin), 1, 1, 0, 0, TimeSpan.Zero, row.Priority, null) { Known = row.Known, Term = row.Term };

    /// <summary>The origin of what its handler changes and publishes: in the chain that one request began.</summary>
    /// <param name="origin">Its own.</param>
    /// <param name="operation">The name of what runs.</param>
    public Origin Cause(Origin origin, string operation) => origin with { Operation = operation, Actor = "system", CausationId = (Message ?? Id).ToString(), Asked = null };
}
