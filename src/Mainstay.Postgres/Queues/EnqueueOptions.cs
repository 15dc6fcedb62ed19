namespace Mainstay.Internal;

/// <summary>What whoever enqueues a job says about it.</summary>
internal sealed record EnqueueOptions
{
    /// <summary>How long after the commit's beginning it shall run; null for at once.</summary>
    public TimeSpan? After { get; init; }

    /// <summary>When it shall run; wins over <see cref="After"/>.</summary>
    public DateTimeOffset? At { get; init; }

    /// <summary>Its unique key; null for what the declaration computes.</summary>
    public string? Unique { get; init; }

    /// <summary>Its priority; null for that of the declaration.</summary>
    public JobPriority? Priority { get; init; }
}
