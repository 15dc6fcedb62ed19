using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Mainstay.Internal;

/// <summary>The signals of queues. Those that the semantic conventions of OpenTelemetry for messaging know have their names: a destination is a subscription or a job.</summary>
internal static class QueueMetrics
{
    private static readonly ActivitySource source = new(OperationTelemetry.Name);
    private static readonly Meter meter = new(OperationTelemetry.Name);
    private static readonly ConcurrentDictionary<QueueWatch, bool> watches = [];

    private static readonly Histogram<double> duration = meter.CreateHistogram<double>("messaging.process.duration", "s", "Time of one run of a subscription or job, by outcome.");
    private static readonly Histogram<double> claim = meter.CreateHistogram<double>("messaging.client.operation.duration", "s", "Time of one claim, for all queues of the node.");
    private static readonly Counter<long> claimed = meter.CreateCounter<long>("messaging.client.consumed.messages", "{message}", "Runs that began.");
    private static readonly Histogram<int> attempts = meter.CreateHistogram<int>("mainstay.queue.attempts", "{attempt}", "Attempts until a job was done or given up.");
    private static readonly Counter<long> retries = meter.CreateCounter<long>("mainstay.queue.retries", "{retry}", "Failed runs that are followed by another one.");
    private static readonly Counter<long> dead = meter.CreateCounter<long>("mainstay.queue.dead_letters", "{message}", "Jobs that were given up, by reason.");
    private static readonly Counter<long> crashes = meter.CreateCounter<long>("mainstay.queue.crashes", "{run}", "Runs whose process died, found by this node.");
    private static readonly Counter<long> stuck = meter.CreateCounter<long>("mainstay.queue.stuck", "{run}", "Runs that went on although their timeout was over.");
    private static readonly Histogram<double> asked = meter.CreateHistogram<double>("mainstay.request.duration", "s", "Time from the asking of a request to its reply, by outcome.");
    private static readonly Counter<long> fired = meter.CreateCounter<long>("mainstay.schedule.runs", "{run}", "Runs of schedules, by what came of their planned time.");

    private static readonly ObservableGauge<long> depth = meter.CreateObservableGauge("mainstay.queue.depth", static () => Measure(static watch => watch.Depths.Select(depth => (depth.Key, depth.Value))),
        "{message}", "Jobs that are ready. Exact up to 1000, else an estimate from a sample.");

    private static readonly ObservableGauge<double> age = meter.CreateObservableGauge("mainstay.queue.oldest.age", static () => Measure(static watch => watch.Last?.Ages.Select(age => (age.Key, age.Value?.TotalSeconds ?? 0)) ?? []),
        "s", "How long the job that has waited longest has done so, ready or in a lane; 0 when none does.");

    private static readonly ObservableGauge<long> stopped = meter.CreateObservableGauge("mainstay.queue.stopped_lanes", static () => Measure(static watch => watch.Stopped),
        "{lane}", "Keys in which nothing goes on until a dead letter is redriven or discarded.");

    /// <summary>Whether anybody asks how many jobs are ready.</summary>
    public static bool WantsDepths => depth.Enabled;

    public static void Stuck(string handler) => stuck.Add(1, new TagList { { "mainstay.handler", handler } });

    public static void Fired(string schedule, FiredTimes times)
    {
        if (times.Runs > 0)
            fired.Add(times.Runs, new TagList { { "mainstay.handler", schedule }, { "mainstay.outcome", "enqueued" } });
        if (times.Skipped > 0)
            fired.Add(times.Skipped, new TagList { { "mainstay.handler", schedule }, { "mainstay.outcome", "skipped" } });
    }

    public static void Claimed(TimeSpan elapsed) => claim.Record(elapsed.TotalSeconds, new TagList { { "messaging.system", "mainstay" }, { "messaging.operation.name", "claim" }, { "messaging.operation.type", "receive" } });

    /// <summary>The process of a run has died, and the job with it if it was the last time.</summary>
    public static void Crashed(string handler, bool isDead)
    {
        crashes.Add(1, new TagList { { "mainstay.handler", handler } });
        if (isDead)
            Died(handler, "crashed");
    }

    public static void Died(string handler, string reason) => dead.Add(1, new TagList { { "mainstay.handler", handler }, { "mainstay.reason", reason } });

    public static void Ended(ClaimedJob job, QueueHandler handler, JobOutcome outcome, TimeSpan elapsed, Exception? error)
    {
        if (duration.Enabled)
        {
            var tags = Tags(job, handler, outcome);
            if (error is not null)
                tags.Add("error.type", error.GetType().FullName);
            duration.Record(elapsed.TotalSeconds, tags);
        }
        if (outcome == JobOutcome.Retried)
            retries.Add(1, new TagList { { "mainstay.handler", job.Handler } });
        if (outcome is JobOutcome.Done or JobOutcome.GivenUp or JobOutcome.Dead && attempts.Enabled)
            attempts.Record(job.Attempt, new TagList { { "mainstay.handler", job.Handler }, { "mainstay.outcome", Name(outcome) } });
    }

    /// <summary>The span of one who waits for a reply. The run of the job is linked to it.</summary>
    public static Activity? StartAsking(string handler) => source.HasListeners()
        ? source.StartActivity(ActivityKind.Client, name: $"ask {handler}", tags:
        [
            new("messaging.system", "mainstay"), new("messaging.operation.name", "ask"), new("messaging.operation.type", "send"), new("messaging.destination.name", handler),
        ])
        : null;

    public static void Asked(Activity? activity, string handler, string outcome, TimeSpan elapsed)
    {
        activity?.SetTag("mainstay.outcome", outcome);
        asked.Record(elapsed.TotalSeconds, new TagList { { "mainstay.handler", handler }, { "mainstay.outcome", outcome } });
    }

    /// <summary>Whether anybody wants spans.</summary>
    public static bool IsTraced => source.HasListeners();

    /// <summary>A span of its own, linked to the request that caused it.</summary>
    public static Activity? StartRun(ClaimedJob job, QueueHandler handler, string? traceParent)
    {
        if (claimed.Enabled)
            claimed.Add(1, Claims(job.Handler));
        if (!source.HasListeners())
            return null;
        ActivityLink[] links = ActivityContext.TryParse(traceParent, null, out var cause) ? [new ActivityLink(cause)] : [];
        return source.StartActivity(ActivityKind.Consumer, links: links, name: $"process {job.Handler}", tags:
        [
            new("messaging.system", "mainstay"), new("messaging.operation.name", "process"), new("messaging.operation.type", "process"), new("messaging.destination.name", job.Handler),
            new("messaging.message.id", (job.Message ?? job.Id).ToString()), new("mainstay.queue", handler.Queue), new("mainstay.attempt", job.Attempt),
        ]);
    }

    public static void End(Activity activity, JobOutcome outcome, Exception? error)
    {
        activity.SetTag("mainstay.outcome", Name(outcome));
        if (error is null || outcome is JobOutcome.Snoozed or JobOutcome.Released)
            return;
        activity.SetTag("error.type", error.GetType().FullName);
        activity.SetStatus(ActivityStatusCode.Error, error.Message);
    }

    /// <summary>Lets the gauges show what a node's watch sees, until it is disposed of.</summary>
    public static IDisposable Watch(QueueWatch watch)
    {
        watches[watch] = true;
        return new Watched(watch);
    }

    private static IEnumerable<Measurement<T>> Measure<T>(Func<QueueWatch, IEnumerable<(string Handler, T Value)>> of) where T : struct =>
        watches.Keys.SelectMany(of).Select(seen => new Measurement<T>(seen.Value, new KeyValuePair<string, object?>("mainstay.handler", seen.Handler)));

    private static TagList Tags(ClaimedJob job, QueueHandler handler, JobOutcome outcome) => new()
    {
        { "messaging.system", "mainstay" }, { "messaging.operation.name", "process" }, { "messaging.destination.name", job.Handler }, { "mainstay.queue", handler.Queue }, { "mainstay.outcome", Name(outcome) },
    };

    /// <summary>Several together have several causes, so their span is linked to none.</summary>
    public static Activity? StartBatch(string handler, int count)
    {
        if (claimed.Enabled)
            claimed.Add(count, Claims(handler));
        return source.HasListeners()
            ? source.StartActivity(ActivityKind.Consumer, name: $"process {handler}", tags:
            [
                new("messaging.system", "mainstay"), new("messaging.operation.name", "process"), new("messaging.operation.type", "process"), new("messaging.destination.name", handler),
                new("messaging.batch.message_count", count),
            ])
            : null;
    }

    private static TagList Claims(string handler) => new() { { "messaging.system", "mainstay" }, { "messaging.operation.name", "claim" }, { "messaging.destination.name", handler } };

    private static string Name(JobOutcome outcome) => outcome switch
    {
        JobOutcome.Done => "done",
        JobOutcome.Retried => "retried",
        JobOutcome.Snoozed => "snoozed",
        JobOutcome.GivenUp => "given up",
        JobOutcome.Dead => "dead",
        JobOutcome.Released => "released",
        _ => "lost",
    };

    private sealed class Watched(QueueWatch watch) : IDisposable
    {
        public void Dispose() => watches.TryRemove(watch, out _);
    }
}
