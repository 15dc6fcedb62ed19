using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Mainstay.Internal;

internal static class QueueMetrics
{
    private static readonly ActivitySource source = new(OperationTelemetry.Name);
    private static readonly Meter meter = new(OperationTelemetry.Name);
    private static readonly Histogram<double> duration = meter.CreateHistogram<double>("mainstay.queue.duration", "s", "Time of one run of a subscription or job, by outcome.");

    private static readonly Counter<long> fired = meter.CreateCounter<long>("mainstay.schedule.runs", "{run}", "Runs of schedules, by what came of their planned time.");

    private static readonly Counter<long> stuck = meter.CreateCounter<long>("mainstay.queue.stuck", "{run}", "Runs that went on although their timeout was over.");

    public static void Stuck(string handler) => stuck.Add(1, new TagList { { "mainstay.handler", handler } });

    public static void Fired(string schedule, FiredTimes times)
    {
        if (times.Runs > 0)
            fired.Add(times.Runs, new TagList { { "mainstay.handler", schedule }, { "mainstay.outcome", "enqueued" } });
        if (times.Skipped > 0)
            fired.Add(times.Skipped, new TagList { { "mainstay.handler", schedule }, { "mainstay.outcome", "skipped" } });
    }

    public static void Ended(string handler, JobOutcome outcome, TimeSpan elapsed) =>
        duration.Record(elapsed.TotalSeconds, new TagList { { "mainstay.handler", handler }, { "mainstay.outcome", Name(outcome) } });

    /// <summary>A span of its own, linked to the request that caused it.</summary>
    public static Activity? StartRun(ClaimedJob job, string? traceParent)
    {
        if (!source.HasListeners())
            return null;
        ActivityLink[] links = ActivityContext.TryParse(traceParent, null, out var cause) ? [new ActivityLink(cause)] : [];
        return source.StartActivity(ActivityKind.Consumer, tags: [new("mainstay.handler", job.Handler), new("mainstay.attempt", job.Attempt)], links: links, name: $"run {job.Handler}");
    }

    /// <summary>Several together have several causes, so their span is linked to none.</summary>
    public static Activity? StartBatch(string handler, int count) => source.HasListeners()
        ? source.StartActivity(ActivityKind.Consumer, tags: [new("mainstay.handler", handler), new("messaging.batch.message_count", count)], name: $"run {handler}")
        : null;

    private static string Name(JobOutcome outcome) => outcome switch
    {
        JobOutcome.Done => "done",
        JobOutcome.Retried => "retried",
        JobOutcome.Snoozed => "snoozed",
        JobOutcome.Dead => "dead",
        JobOutcome.Released => "released",
        _ => "lost",
    };
}
