using System.Text.Json;

namespace Mainstay;

/// <summary>How a saga stands.</summary>
public enum SagaStatus
{
    /// <summary>It goes forward: a step is to be done.</summary>
    Running,

    /// <summary>It waits for an event, or for the time after which it does not.</summary>
    Waiting,

    /// <summary>It goes back: a step is to be undone.</summary>
    Compensating,

    /// <summary>A step cannot be undone, or has taken processes with it: somebody has to decide.</summary>
    Stuck,

    /// <summary>It has come to its end.</summary>
    Completed,

    /// <summary>It has gone back to its beginning: what was done is undone.</summary>
    Compensated,
}

/// <summary>What can happen to a saga.</summary>
public enum SagaEvent
{
    /// <summary>A step was done.</summary>
    Done,

    /// <summary>A step said that it cannot be done, and that nothing has happened.</summary>
    Refused,

    /// <summary>A step was given up after all of its attempts. What reaches out of the process may have happened.</summary>
    Failed,

    /// <summary>A step was to be done, and was not begun any more when the saga turned.</summary>
    Withdrawn,

    /// <summary>Somebody decided that it goes on without this step being done, or undone.</summary>
    Skipped,

    /// <summary>A step was undone.</summary>
    Undone,

    /// <summary>An event came that the saga waits for, perhaps before it waited.</summary>
    Received,

    /// <summary>An event did not come in time.</summary>
    TimedOut,

    /// <summary>A branch was taken because its condition holds.</summary>
    Then,

    /// <summary>The other branch was taken because it does not.</summary>
    Otherwise,

    /// <summary>The saga goes back from here.</summary>
    Turned,

    /// <summary>Somebody had it tried again.</summary>
    Retried,
}

/// <summary>What has happened to a saga at one moment.</summary>
/// <param name="Item">The step, wait or branch; null for what is about all of it.</param>
/// <param name="Event">What.</param>
/// <param name="At">When.</param>
/// <param name="Result">What the step gave, or the event that was received.</param>
/// <param name="Note">Why: the error, or what somebody wrote who decided.</param>
/// <param name="By">Who decided, when it was somebody.</param>
public sealed record SagaEntry(string? Item, SagaEvent Event, DateTimeOffset At, JsonElement? Result = null, string? Note = null, string? By = null);

/// <summary>A line in a list of sagas.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Saga">The stored name.</param>
/// <param name="Version">The version of the definition that it goes by.</param>
/// <param name="Key">What events find it by.</param>
/// <param name="Status">How it stands.</param>
/// <param name="StartedAt">When it began.</param>
/// <param name="Deadline">When it goes back unless it has come to its end; null for never.</param>
/// <param name="EndedAt">When it ended; null while it is open.</param>
public sealed record SagaSummary(Guid Id, string Saga, int Version, string Key, SagaStatus Status, DateTimeOffset StartedAt, DateTimeOffset? Deadline, DateTimeOffset? EndedAt);

/// <summary>A saga with everything that has happened to it.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Saga">The stored name.</param>
/// <param name="Version">The version of the definition that it goes by.</param>
/// <param name="Key">What events find it by.</param>
/// <param name="Status">How it stands.</param>
/// <param name="StartedAt">When it began.</param>
/// <param name="Deadline">When it goes back unless it has come to its end; null for never.</param>
/// <param name="EndedAt">When it ended; null while it is open.</param>
/// <param name="Input">What began it.</param>
/// <param name="Turned">Why it goes, or went, back; null while it goes forward.</param>
/// <param name="Next">What is to be done, undone or received next; several for steps that are done together.</param>
/// <param name="Timeline">What has happened, oldest first.</param>
public sealed record SagaInstance(
    Guid Id, string Saga, int Version, string Key, SagaStatus Status, DateTimeOffset StartedAt, DateTimeOffset? Deadline, DateTimeOffset? EndedAt,
    JsonElement Input, string? Turned, IReadOnlyList<SagaNext> Next, IReadOnlyList<SagaEntry> Timeline);

/// <summary>A job of an open saga, and how it fares.</summary>
/// <param name="Item">The step or wait that it is of.</param>
/// <param name="Handler">The stored name of what runs it, for example <c>fulfil order: undo charge card</c>.</param>
/// <param name="Job">Its id, by which it is found among the dead letters when it is one.</param>
/// <param name="Attempts">How often it was tried, with the run that goes on just now.</param>
/// <param name="DueAt">When it is tried next, or when the wait is over; null when it runs, is about to, or is dead.</param>
/// <param name="LastError">Why it failed last; null when it has not.</param>
public sealed record SagaNext(string Item, string Handler, Guid Job, int Attempts, DateTimeOffset? DueAt, DeadLetterError? LastError);

/// <summary>Which sagas. What is not said matches all.</summary>
public sealed record SagaFilter
{
    /// <summary>The stored name.</summary>
    public string? Saga { get; init; }

    /// <summary>What events find them by.</summary>
    public string? Key { get; init; }

    /// <summary>How they stand. Default: all that are open.</summary>
    public SagaStatus? Status { get; init; }
}
