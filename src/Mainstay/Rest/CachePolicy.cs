using System.Globalization;

namespace Mainstay.Internal;

/// <summary>
/// How long answers to reads may be kept, as Cache-Control. There is no stale-while-revalidate: asking again costs one round trip and a 304, and
/// what is old is never shown without asking.
/// </summary>
internal sealed class CachePolicy
{
    /// <summary>Keep it, but ask every time whether it is still true.</summary>
    public static readonly CachePolicy Revalidate = new("no-cache", "private, no-cache");

    private static readonly TimeSpan most = TimeSpan.FromDays(365);

    private readonly string _forAnyone;
    private readonly string _forCaller;

    private CachePolicy(string forAnyone, string forCaller)
    {
        _forAnyone = forAnyone;
        _forCaller = forCaller;
    }

    /// <exception cref="ConfigurationException">MST1021</exception>
    public static CachePolicy For(string what, TimeSpan maxAge)
    {
        if (maxAge <= TimeSpan.Zero || maxAge > most || maxAge.Ticks % TimeSpan.TicksPerSecond != 0)
            throw new ConfigurationException("MST1021", $"{what} may be kept for {maxAge}, expected whole seconds, more than zero and at most {most.TotalDays} days. Without Cache, answers are asked for every time.");
        var seconds = maxAge.TotalSeconds.ToString(CultureInfo.InvariantCulture);
        return new CachePolicy($"public, max-age={seconds}", $"private, max-age={seconds}");
    }

    /// <summary>The value of Cache-Control.</summary>
    public string Field(bool isForAnyone) => isForAnyone ? _forAnyone : _forCaller;
}
