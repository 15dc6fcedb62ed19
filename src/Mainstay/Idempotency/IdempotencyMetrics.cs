using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Mainstay.Internal;

internal static class IdempotencyMetrics
{
    private static readonly Meter meter = new(OperationTelemetry.Name);
    private static readonly Counter<long> replays = meter.CreateCounter<long>("mainstay.idempotency.replays", "{request}", "Answers repeated from a receipt.");

    public static void Replayed(in TagList tags) => replays.Add(1, tags);

    public static void Replayed(string? route, int status) => Replayed(new TagList { { "http.route", route }, { "http.response.status_code", status } });
}
