using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Mainstay.Internal;

internal static class RateLimitMetrics
{
    private static readonly Meter meter = new(OperationTelemetry.Name);
    private static readonly Counter<long> requests = meter.CreateCounter<long>("mainstay.rate_limits.requests", "{request}", "Requests that a rate limit decided about, by policy and outcome.");

    public static void Decided(string policy, bool isAdmitted) =>
        requests.Add(1, new TagList { { "mainstay.rate_limit", policy }, { "mainstay.outcome", isAdmitted ? "admitted" : "refused" } });
}
