using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Mainstay.Internal;

internal static class InboxMetrics
{
    private static readonly Meter meter = new(OperationTelemetry.Name);
    private static readonly Counter<long> messages = meter.CreateCounter<long>("mainstay.inbox.messages", "{message}", "Messages from outside, by source and by whether they were received before.");

    public static void Received(string source, bool isNew) => messages.Add(1, new TagList { { "mainstay.source", source }, { "mainstay.outcome", isNew ? "accepted" : "duplicate" } });
}
