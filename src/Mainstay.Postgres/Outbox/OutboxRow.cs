namespace Mainstay.Internal;

/// <summary>One event on its way to one subscription.</summary>
/// <param name="Id">The event's id, the same for all its subscriptions.</param>
/// <param name="Subscription">The stored name of the subscription.</param>
/// <param name="Event">The stored name of the event.</param>
/// <param name="Body">The event as JSON.</param>
/// <param name="Origin">What caused it.</param>
internal sealed record OutboxRow(Guid Id, string Subscription, string Event, string Body, Origin Origin);
