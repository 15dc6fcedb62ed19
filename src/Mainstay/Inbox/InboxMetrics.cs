using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Mainstay.Internal;

internal static class InboxMetrics
{
    private static readonly Meter meter = new(OperationTelemetry.Name);
    private static readonly Counter<long> messages = meter.CreateCounter<long>("mainstay.inbox.messages", "{message}", "Messages from outside, by source and by whether they were received before.");

    public static void Received(string source, Reception reception) => messages.Add(1, new TagList { { "mainstay.source", source }, { "mainstay.outcome", Outcome(reception) } });

    private static string Outcome(Reception reception) => reception switch
    {
        Reception.New => "accepted",
        Reception.Duplicate => "duplicate",
        Reception.Late => "late",
        _ => throw new UnreachableException(),
    };
}

/// <summary>What a message from outside turns out to be.</summary>
internal enum Reception
{
    New,

    /// <summary>Received before, and answered as it was then.</summary>
    Duplicate,

    /// <summary>Received before, but longer ago than that is remembered, so that it is handled again.</summary>
    Late,
}
