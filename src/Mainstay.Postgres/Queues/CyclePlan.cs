namespace Mainstay.Internal;

/// <summary>What one turn of the loop shall do.</summary>
internal sealed record CyclePlan
{
    public required Guid Node { get; init; }

    /// <summary>The term of its lease.</summary>
    public required int Term { get; init; }

    public IReadOnlyList<(Guid Id, int Fence, string Handler)> Finished { get; init; } = [];

    /// <summary>What has been done and others may wait for: it is ended before anything is claimed.</summary>
    public IReadOnlyList<(Guid Id, int Fence, string Handler)> FinishedFirst { get; init; } = [];

    /// <summary>Whether to decide again about what waits behind it.</summary>
    public bool AsksForTurns { get; init; }

    /// <summary>Whose lanes to look at for what has arrived; null for nobody's.</summary>
    public IReadOnlyList<LaneRule>? Admits { get; init; }

    /// <summary>How much each queue has room for. A queue without room is not among them.</summary>
    public IReadOnlyList<(int Number, int Most, QueueLimit? Limit)> Queues { get; init; } = [];

    /// <summary>Queues with a rate that something is claimed from.</summary>
    public string[] Paced => [.. Queues.Where(queue => queue.Limit is { Spacing: not null }).Select(queue => queue.Limit!.Queue)];

    /// <summary>Who may run, with which priority, and from which place on to look; in the order in which they get the room.</summary>
    public IReadOnlyList<(string Name, int Queue, JobPriority Priority, long Floor)> Handlers { get; init; } = [];

    public int SuspectsMost { get; init; }

    /// <summary>Whether to make ready what is due, before claiming.</summary>
    public bool Promotes { get; init; }

    public bool AsksForNextDue { get; init; }
}

/// <summary>What one turn gave.</summary>
/// <param name="Claimed">In the order of their queue.</param>
/// <param name="NextDue">How long until something becomes due; null when nothing does, or it was not asked for.</param>
/// <param name="NextStart">How long until a queue with a rate may begin another job; null when all may.</param>
/// <param name="Admission">What was let into lanes.</param>
internal sealed record CycleResult(List<ClaimedJob> Claimed, TimeSpan? NextDue, TimeSpan? NextStart, Admission Admission);

/// <summary>What a node is told that has had nothing to do.</summary>
/// <param name="HasWork">Whether there is something to claim or to admit.</param>
/// <param name="NextDue">How long until something becomes due; null when nothing does.</param>
internal readonly record struct WorkFound(bool HasWork, TimeSpan? NextDue);

/// <summary>How to decide about what arrives for a handler.</summary>
/// <param name="Handler">Its stored name.</param>
/// <param name="Places">How many of one lane may be ready or running at the same time.</param>
/// <param name="AfterDeath">What a dead job means for those that wait behind it.</param>
/// <param name="Spacing">The time between two beginnings in one lane in the long run; null for none.</param>
/// <param name="Floor">From where on its ready rows are to be found.</param>
internal readonly record struct LaneRule(string Handler, int Places, DeadHead AfterDeath, TimeSpan? Spacing, long Floor = 0);

/// <summary>What was let into lanes.</summary>
/// <param name="LetIn">Whether something became ready.</param>
/// <param name="IsUnfinished">Whether something is left to look at again soon: another node was at it, or a job was just ending.</param>
internal readonly record struct Admission(bool LetIn, bool IsUnfinished);
