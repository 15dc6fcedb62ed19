using System.Globalization;
using Microsoft.Extensions.Configuration;

namespace Mainstay.Internal;

/// <summary>The setting <c>Mainstay:RateLimit</c>: what each caller may do with all operations together that declare no limit of their own.</summary>
internal static class RateLimitSetting
{
    private const string Name = "Mainstay:RateLimit";

    /// <summary>Null when nothing is set.</summary>
    /// <exception cref="ConfigurationException">MST2202: it is malformed. MST2201: it cannot be kept.</exception>
    public static RateLimits? Of(IConfiguration configuration) => configuration[Name] is { } text && !string.IsNullOrWhiteSpace(text)
        ? new RateLimits(Name, [.. text.Split(',').Select(policy => Parse(text, policy.Trim()))])
        : null;

    private static RateLimitPolicy Parse(string whole, string text)
    {
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        if (slash < 1 || !int.TryParse(text.AsSpan(0, slash), NumberStyles.None, CultureInfo.InvariantCulture, out var requests) || Window(text[(slash + 1)..]) is not { } window)
            throw new ConfigurationException("MST2202", $"{Name} is '{whole}', expected requests per time such as 600/1m, several separated by commas. The time is a whole number of s, m, h or d.");
        return RateLimitPolicy.Create(Name, "default", requests, window, null);
    }

    private static TimeSpan? Window(string text)
    {
        var unit = text.Length == 0 ? 0 : text[^1] switch { 's' => 1, 'm' => 60, 'h' => 3600, 'd' => 86_400, _ => 0 };
        return unit > 0 && int.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? TimeSpan.FromSeconds((long)number * unit) : null;
    }
}
