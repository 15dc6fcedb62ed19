namespace Mainstay.Internal;

/// <summary>What a unit of work or snapshot knows of the call it serves.</summary>
internal sealed record WorkContext
{
    public required User User { get; init; }

    public required DateTimeOffset Now { get; init; }

    public required CancellationToken Cancellation { get; init; }

    public required Tables Tables { get; init; }

    public required MessageCatalogue Messages { get; init; }

    public required JobDesk Desk { get; init; }

    public required Origin Origin { get; init; }

    /// <summary>Whether it is run again after a conflict.</summary>
    public bool IsRepeated { get; init; }

    /// <inheritdoc cref="TransactionRequest.IsHeldBack"/>
    public bool IsHeldBack { get; init; }
}

/// <summary>Where a change comes from: written beside audit entries and messages, so that each can be traced to its cause.</summary>
/// <param name="Operation">The declared name, for example <c>POST /v1/orders</c>.</param>
/// <param name="Actor">Id of the user, or of the part of the system that acts.</param>
/// <param name="RequestId">The request, or null for background work.</param>
/// <param name="TraceParent">W3C trace context, or null when nothing is traced.</param>
/// <param name="CausationId">The message whose handling caused this, or null.</param>
/// <param name="CorrelationId">The first cause of the chain: the request's id, carried on by every message.</param>
internal sealed record Origin(string Operation, string Actor, string? RequestId, string? TraceParent, string? CausationId, string? CorrelationId)
{
    /// <summary>Of a job that somebody waits for.</summary>
    public Asked? Asked { get; init; }

    /// <summary>Of what changes nothing, so that nothing is ever traced back to it.</summary>
    public static readonly Origin OfRead = new("read", "reader", null, null, null, null);
}
