using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Mainstay.Internal;

/// <summary>Measures one operation: a span, a duration by operation and status, and the database's share.</summary>
internal readonly struct OperationTelemetry : IDisposable
{
    public const string Name = "Mainstay";

    private static readonly ActivitySource source = new(Name);
    private static readonly Meter meter = new(Name);
    private static readonly Histogram<double> duration = meter.CreateHistogram<double>("mainstay.operation.duration", "s", "Time from the start of an operation to its answer.");
    private static readonly Histogram<int> roundTrips = meter.CreateHistogram<int>("mainstay.operation.round_trips", "{round_trip}", "Round trips to the database of one operation.");

    private readonly Call _call;
    private readonly Activity? _activity;
    private readonly long _started;

    private OperationTelemetry(Call call)
    {
        _call = call;
        _started = call.Backend.Clock.GetTimestamp();
        _activity = source.StartActivity(call.Operation.Name, ActivityKind.Internal);
    }

    public static OperationTelemetry Start(Call call) => new(call);

    public void End(Answer answer)
    {
        if (duration.Enabled || roundTrips.Enabled || answer.IsReplayed)
            Record(answer);
        _activity?.SetTag("http.response.status_code", answer.Status).SetTag("mainstay.round_trips", _call.Usage.RoundTrips);
        if (answer.Status >= 500)
            _activity?.SetStatus(ActivityStatusCode.Error);
    }

    private void Record(Answer answer)
    {
        var tags = new TagList { { "mainstay.operation", _call.Operation.Name }, { "http.response.status_code", answer.Status } };
        duration.Record(_call.Backend.Clock.GetElapsedTime(_started).TotalSeconds, tags);
        roundTrips.Record(_call.Usage.RoundTrips, tags);
        if (answer.IsReplayed)
            IdempotencyMetrics.Replayed(tags);
    }

    public void Dispose() => _activity?.Dispose();
}
