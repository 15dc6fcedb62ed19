using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Mainstay.Internal;

internal static class LedgerMetrics
{
    private static readonly ActivitySource source = new(OperationTelemetry.Name);
    private static readonly Meter meter = new(OperationTelemetry.Name);
    private static readonly Histogram<double> duration = meter.CreateHistogram<double>("mainstay.ledger.transfer.duration", "s", "Time until a transfer was recorded or refused, by outcome.");
    private static readonly Histogram<int> grouped = meter.CreateHistogram<int>("mainstay.ledger.group.size", "{transfer}", "Transfers that shared a commit.");
    private static readonly Counter<long> folded = meter.CreateCounter<long>("mainstay.ledger.folds", "{fold}", "Times that a deferred account got numbers for its entries.");
    private static readonly Counter<long> expired = meter.CreateCounter<long>("mainstay.ledger.holds.expired", "{hold}", "Holds that were released because their time was over.");

    public static async Task<LedgerPosting> MeasureAsync(Func<Task<LedgerPosting>> transfer)
    {
        var began = Stopwatch.GetTimestamp();
        using var activity = source.StartActivity("ledger transfer");
        try
        {
            var posting = await transfer();
            activity?.SetTag("mainstay.ledger.transfer", posting.Transfer.ToString());
            Ended(activity, began, posting.IsNew ? "recorded" : "repeated");
            return posting;
        }
        catch (Exception e)
        {
            Ended(activity, began, e is ProblemException problem ? problem.Type.Code : "failed");
            activity?.SetStatus(ActivityStatusCode.Error);
            throw;
        }
    }

    public static void Grouped(int transfers) => grouped.Record(transfers);

    public static void Folded() => folded.Add(1);

    public static void Expired(int holds) => expired.Add(holds);

    private static void Ended(Activity? activity, long began, string outcome)
    {
        activity?.SetTag("mainstay.outcome", outcome);
        duration.Record(Stopwatch.GetElapsedTime(began).TotalSeconds, new TagList { { "mainstay.outcome", outcome } });
    }
}
