using System.Diagnostics.Metrics;

namespace Mainstay.Internal;

internal static class ReadMetrics
{
    private static readonly Meter meter = new("Mainstay");
    private static readonly Histogram<int> batchSize = meter.CreateHistogram<int>("mainstay.reads.batch_size", "{read}", "Reads that shared one statement because they waited at the same time.");
    private static readonly Histogram<double> queueTime = meter.CreateHistogram<double>("mainstay.reads.queue_time", "s", "Time that a read waited for others of its kind before its shared statement began.");

    private static readonly Counter<int> failures = meter.CreateCounter<int>("mainstay.reads.shared_failures", "{statement}", "Shared statements that failed, so that each of their reads was run alone.");

    public static void Failed(Exception error) => failures.Add(1, new KeyValuePair<string, object?>("error.type", error.GetType().FullName));

    public static void Shared(int reads) => batchSize.Record(reads);

    public static void Waited(TimeSpan time) => queueTime.Record(time.TotalSeconds);
}
