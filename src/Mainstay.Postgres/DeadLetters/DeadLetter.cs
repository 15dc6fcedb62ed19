using System.Text.Json;

namespace Mainstay;

/// <summary>Work that will not be tried again by itself: a delivery or a job as it was, with what went wrong.</summary>
/// <param name="Id">The id of the job. It stays the same when it is tried again, and so does <c>Outbound.Key</c>.</param>
/// <param name="Handler">The stored name of the subscription or job.</param>
/// <param name="Reason"><c>failed</c>: all attempts did. <c>unreadable</c>: the payload is not what the handler takes. <c>crashed</c>: three processes died with it. <c>expired</c>: it was not done in time.</param>
/// <param name="Attempts">How often it was tried.</param>
/// <param name="Crashes">How many processes died with it.</param>
/// <param name="CreatedAt">When it was enqueued.</param>
/// <param name="DeadAt">When it was given up.</param>
/// <param name="DiscardedAt">Since when nobody wants it any more; null while somebody may.</param>
/// <param name="Message">The event, the same for all its subscriptions; null for a job.</param>
/// <param name="Payload">The event or job.</param>
/// <param name="Origin">What caused it: operation, actor, request, trace. Null when plain SQL did not say.</param>
/// <param name="Errors">The last failures, at most ten, newest last.</param>
public sealed record DeadLetter(
    Guid Id, string Handler, string Reason, int Attempts, int Crashes, DateTimeOffset CreatedAt, DateTimeOffset DeadAt, DateTimeOffset? DiscardedAt,
    Guid? Message, JsonElement Payload, JsonElement? Origin, IReadOnlyList<DeadLetterError> Errors);

/// <summary>One failure.</summary>
/// <param name="Attempt">The number of the run, from 1. It begins again when a dead letter is tried again.</param>
/// <param name="At">When.</param>
/// <param name="Error">The type of the exception and its message, at most 2000 characters.</param>
public sealed record DeadLetterError(int Attempt, DateTimeOffset At, string Error)
{
    /// <summary>One of those that are kept with a job.</summary>
    internal static DeadLetterError Of(JsonElement error) => new(error.GetProperty("attempt").GetInt32(), error.GetProperty("at").GetDateTimeOffset(), error.GetProperty("error").GetString()!);
}

/// <summary>A line in a list of dead letters.</summary>
/// <param name="Id">The id of the job.</param>
/// <param name="Handler">The stored name of the subscription or job.</param>
/// <param name="Reason">See <see cref="DeadLetter.Reason"/>.</param>
/// <param name="Attempts">How often it was tried.</param>
/// <param name="Crashes">How many processes died with it.</param>
/// <param name="CreatedAt">When it was enqueued.</param>
/// <param name="DeadAt">When it was given up.</param>
/// <param name="DiscardedAt">Since when nobody wants it any more; null while somebody may.</param>
/// <param name="LastError">The last failure; null when there is none.</param>
public sealed record DeadLetterEntry(
    Guid Id, string Handler, string Reason, int Attempts, int Crashes, DateTimeOffset CreatedAt, DateTimeOffset DeadAt, DateTimeOffset? DiscardedAt, string? LastError);

/// <summary>Which dead letters. What is not said matches all.</summary>
public sealed record DeadLetterFilter
{
    /// <summary>The stored name of the subscription or job.</summary>
    public string? Handler { get; init; }

    /// <summary>See <see cref="DeadLetter.Reason"/>.</summary>
    public string? Reason { get; init; }

    /// <summary>Those that were given up then or later.</summary>
    public DateTimeOffset? From { get; init; }

    /// <summary>Those that were given up before then.</summary>
    public DateTimeOffset? Before { get; init; }

    /// <summary>A part of the text of any of the errors that are kept, in whatever letter case. No index helps to find it.</summary>
    public string? Error { get; init; }

    /// <summary>Those that were discarded instead of those that were not.</summary>
    public bool Discarded { get; init; }
}

/// <summary>What an action on a filter would touch.</summary>
/// <param name="Count">How many there are, at most 10,000.</param>
/// <param name="CountIsCapped">Whether there are more than that.</param>
/// <param name="Groups">What they are, of those that were counted, most frequent first.</param>
/// <param name="Sample">The ten newest.</param>
public sealed record DeadLetterPreview(int Count, bool CountIsCapped, IReadOnlyList<DeadLetterGroup> Groups, IReadOnlyList<DeadLetterEntry> Sample);

/// <summary>Dead letters of one handler that died for one reason.</summary>
/// <param name="Handler">The stored name of the subscription or job.</param>
/// <param name="Reason">See <see cref="DeadLetter.Reason"/>.</param>
/// <param name="Count">How many.</param>
public sealed record DeadLetterGroup(string Handler, string Reason, int Count);
