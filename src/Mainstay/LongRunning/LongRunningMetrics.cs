using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Mainstay.Internal;

internal static class LongRunningMetrics
{
    private static readonly ActivitySource source = new(OperationTelemetry.Name);
    private static readonly Meter meter = new(OperationTelemetry.Name);
    private static readonly Histogram<double> duration = meter.CreateHistogram<double>("mainstay.long_running.duration", "s", "Time of one run of a long-running command, by outcome.");

    public static void Ended(string operation, RunOutcome outcome, TimeSpan elapsed, Activity? activity)
    {
        duration.Record(elapsed.TotalSeconds, new TagList { { "mainstay.operation", operation }, { "mainstay.outcome", Name(outcome) } });
        activity?.SetTag("mainstay.outcome", Name(outcome));
        if (outcome is RunOutcome.Failed or RunOutcome.Retried)
            activity?.SetStatus(ActivityStatusCode.Error);
    }

    public static string Name(RunOutcome outcome) => outcome switch
    {
        RunOutcome.Succeeded => "succeeded",
        RunOutcome.Failed => "failed",
        RunOutcome.Cancelled => "cancelled",
        RunOutcome.Retried => "retried",
        RunOutcome.Released => "released",
        _ => "lost",
    };

    /// <summary>A span of its own, linked to the request that started the operation.</summary>
    public static Activity? StartRun(ClaimedOperation claimed)
    {
        ActivityLink[] links = ActivityContext.TryParse(claimed.Call.TraceParent, null, out var cause) ? [new ActivityLink(cause)] : [];
        return source.StartActivity(ActivityKind.Consumer, tags: [new("mainstay.operation", claimed.Name), new("mainstay.attempt", claimed.Attempt)], links: links, name: $"run {claimed.Name}");
    }
}
