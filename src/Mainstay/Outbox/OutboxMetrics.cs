using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Mainstay.Internal;

internal static class OutboxMetrics
{
    private static readonly ActivitySource source = new(OperationTelemetry.Name);
    private static readonly Meter meter = new(OperationTelemetry.Name);
    private static readonly Counter<long> deliveries = meter.CreateCounter<long>("mainstay.outbox.deliveries", "{delivery}", "Attempts to deliver a message, by outcome.");

    public static void Delivered(string subscription) => Count(subscription, "delivered");

    public static void Failed(string subscription, bool isDead) => Count(subscription, isDead ? "dead" : "failed");

    private static void Count(string subscription, string outcome) =>
        deliveries.Add(1, new TagList { { "mainstay.subscription", subscription }, { "mainstay.outcome", outcome } });

    /// <summary>A span of its own, linked to the request that published the message.</summary>
    public static Activity? StartDelivery(string subscription, string @event, string? traceParent)
    {
        ActivityLink[] links = ActivityContext.TryParse(traceParent, null, out var cause) ? [new ActivityLink(cause)] : [];
        return source.StartActivity(ActivityKind.Consumer, tags: [new("messaging.destination.name", @event), new("mainstay.subscription", subscription)], links: links, name: $"deliver {subscription}");
    }
}
