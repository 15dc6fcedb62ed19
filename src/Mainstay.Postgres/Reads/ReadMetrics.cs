using System.Diagnostics.Metrics;

namespace Mainstay.Internal;

internal static class ReadMetrics
{
    private static readonly Meter meter = new("Mainstay");
    private static readonly Histogram<int> batchSize = meter.CreateHistogram<int>("mainstay.reads.batch_size", "{read}", "Reads that shared one statement because they waited at the same time.");
    private static readonly Histogram<double> queueTime = meter.CreateHistogram<double>("mainstay.reads.queue_time", "s", "Time that a read waited for others of its kind before its shared statement began.");

    public static void Shared(int reads) => batchSize.Record(reads);

    public static void Waited(TimeSpan time) => queueTime.Record(time.TotalSeconds);
}
