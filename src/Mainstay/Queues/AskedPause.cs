using System.Globalization;

namespace Mainstay.Internal;

/// <summary>How long a failure says to leave the other side alone.</summary>
internal static class AskedPause
{
    private const string Name = "Retry-After";

    private static readonly TimeSpan longest = TimeSpan.FromDays(1);

    /// <returns>At most a day; null when nothing was asked for.</returns>
    public static TimeSpan? In(Exception error)
    {
        for (var cause = error; cause is not null; cause = cause.InnerException)
            if (Said(cause) is { } asked)
                return asked < longest ? asked : longest;
        return null;
    }

    private static TimeSpan? Said(Exception error) => error switch
    {
        RetryAfterException { After: var after } => after,
        ProblemException { RetryAfter: { } after } => after,
        HttpRequestException when error.Data[Name] is TimeSpan after => after,
        HttpRequestException when error.Data[Name] is string text && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) => TimeSpan.FromSeconds(seconds),
        _ => null,
    };
}
