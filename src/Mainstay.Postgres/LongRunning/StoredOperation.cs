namespace Mainstay.Internal;

internal enum OperationStatus { Pending, Running, Succeeded, Failed, Cancelled }

/// <summary>A long-running command as its caller sees it.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Name">The command, for example <c>POST /v1/reports</c>.</param>
/// <param name="Status">How far it is.</param>
/// <param name="CreatedAt">When it was accepted.</param>
/// <param name="StartedAt">When the present or last run began; null before.</param>
/// <param name="EndedAt">When it succeeded, failed or was cancelled.</param>
/// <param name="CancelRequestedAt">When somebody asked to cancel it.</param>
/// <param name="Attempt">How many runs have begun.</param>
/// <param name="Answer">What the command would have answered; null until it has succeeded or failed.</param>
internal sealed record StoredOperation(Guid Id, string Name, OperationStatus Status, DateTimeOffset CreatedAt, DateTimeOffset? StartedAt = null, DateTimeOffset? EndedAt = null,
    DateTimeOffset? CancelRequestedAt = null, int Attempt = 0, Answer? Answer = null)
{
    public const string IdPrefix = "op";

    public string PublicId => TypeId.Format(IdPrefix, Id);

    public bool HasEnded => Status is not (OperationStatus.Pending or OperationStatus.Running);
}

/// <summary>What a call of a long-running command was, so that it can be made again from the start.</summary>
/// <param name="Caller">Who called, with the roles and permissions of that moment.</param>
/// <param name="Route">Names and values from the path, in turn.</param>
/// <param name="Query">The query string.</param>
/// <param name="Body">The body as it arrived.</param>
/// <param name="RequestId">The request that started it.</param>
/// <param name="TraceParent">Its W3C trace context, or null.</param>
internal sealed record StoredCall(User Caller, string[] Route, string Query, ReadOnlyMemory<byte> Body, string RequestId, string? TraceParent);

/// <summary>An operation that this node has the lease of.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Name">The command.</param>
/// <param name="Call">What was asked.</param>
/// <param name="Attempt">The number of this run, from 1. Runs that were given back are not counted.</param>
/// <param name="Fence">The number of this claim, from 1. All are counted.</param>
/// <param name="IsCancelRequested">Whether it was to be cancelled already when it was claimed.</param>
internal sealed record ClaimedOperation(Guid Id, string Name, StoredCall Call, int Attempt, int Fence, bool IsCancelRequested);
