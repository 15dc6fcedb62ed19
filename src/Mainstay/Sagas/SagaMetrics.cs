using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Mainstay.Internal;

/// <summary>The signals of sagas. Their steps have those of jobs too.</summary>
internal static class SagaMetrics
{
    private static readonly Meter meter = new(OperationTelemetry.Name);
    private static readonly Counter<long> started = meter.CreateCounter<long>("mainstay.saga.started", "{saga}", "Sagas that began.");
    private static readonly Counter<long> ended = meter.CreateCounter<long>("mainstay.saga.ended", "{saga}", "Sagas that ended, by outcome.");
    private static readonly Counter<long> events = meter.CreateCounter<long>("mainstay.saga.events", "{event}", "Events and starts that moved no saga on, by what became of them.");
    private static readonly Gauge<long> stuck = meter.CreateGauge<long>("mainstay.saga.stuck", "{saga}", "Sagas that stand until somebody decides.");

    public static void Started(string saga) => started.Add(1, Of(saga));

    public static void Ended(string saga, SagaStatus outcome) => ended.Add(1, new TagList(Of(saga)) { { "mainstay.outcome", outcome == SagaStatus.Completed ? "completed" : "compensated" } });

    /// <summary>One with the same key is open.</summary>
    public static void Repeated(string saga) => Count(saga, "repeated");

    /// <summary>The event is kept for an instance that has not begun.</summary>
    public static void Parked(string saga) => Count(saga, "kept");

    /// <summary>The event had come before, or its time was over, or the saga had turned.</summary>
    public static void Late(string saga) => Count(saga, "late");

    public static void Stuck(string saga, long count) => stuck.Record(count, Of(saga));

    private static void Count(string saga, string outcome) => events.Add(1, new TagList(Of(saga)) { { "mainstay.outcome", outcome } });

    private static KeyValuePair<string, object?>[] Of(string saga) => [new("mainstay.saga", saga)];
}
