using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

/// <summary>One line a minute for each policy, whatever the flood; the counter has the numbers.</summary>
internal static partial class RateLimitLog
{
    private static readonly TimeSpan interval = TimeSpan.FromMinutes(1);

    public static void Refused(ILogger log, RateLimitPolicy policy, TimeProvider clock)
    {
        if (policy.Refusals.Next(clock, interval) is { } refusals)
            Refused(log, policy.Name, refusals);
    }

    [LoggerMessage(50, LogLevel.Warning, "The rate limit {Policy} refuses requests: {Refusals} since this was last said.")]
    private static partial void Refused(ILogger log, string policy, long refusals);

    [LoggerMessage(52, LogLevel.Warning, "A replayed request was counted by the rate limit {Policy}, because it could not be given back.")]
    public static partial void NotReturned(ILogger log, string policy, Exception error);

    [LoggerMessage(51, LogLevel.Warning, "Counters of rate limits whose window has ended could not be removed; trying again later.")]
    public static partial void Postponed(ILogger log, Exception error);
}
