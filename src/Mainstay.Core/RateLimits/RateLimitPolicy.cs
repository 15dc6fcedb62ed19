using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Mainstay.Internal;

/// <summary>How many requests each caller may make within a window, and out of which budget. A window begins with a caller's first request.</summary>
internal sealed class RateLimitPolicy
{
    /// <summary>Larger integers are no integers in structured fields, and no limit anybody would notice.</summary>
    public const int RequestsMost = 1_000_000_000;

    public const int NameLengthMost = 64;

    public static readonly TimeSpan WindowMost = TimeSpan.FromDays(31);

    private RateLimitPolicy(string budget, int requests, TimeSpan window, string name)
    {
        Requests = requests;
        Window = window;
        Name = name;
        // The numbers are left out: a limit that a deployment raises goes on with what has been used.
        Key = BinaryPrimitives.ReadUInt128BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes($"{budget}\n{name}")));
        Field = string.Create(CultureInfo.InvariantCulture, $"\"{name}\";q={requests};w={(long)window.TotalSeconds}");
    }

    public int Requests { get; }

    public TimeSpan Window { get; }

    /// <summary>On the wire, in metrics and in the log.</summary>
    public string Name { get; }

    /// <summary>Which counters: those of one operation, of one resource, or of the application. The same on every node.</summary>
    public UInt128 Key { get; }

    /// <summary>Refusals since they were last said.</summary>
    public SampledCount Refusals { get; } = new();

    /// <summary>The item of <c>RateLimit-Policy</c>.</summary>
    public string Field { get; }

    /// <summary>
    /// How many requests a node may take at once for a caller who keeps coming: one in twenty, so that what lies unused on a node is little, and
    /// nothing but the one that is asked for where the limit is small.
    /// </summary>
    public int Lease => Math.Clamp(Requests / 20, 1, 1000);

    /// <param name="place">What the limit was declared on, for messages.</param>
    /// <param name="budget">Which requests count together.</param>
    /// <param name="requests">How many.</param>
    /// <param name="window">Within which time.</param>
    /// <param name="name">The name on the wire. Null: made from the numbers, such as <c>30/1m</c>.</param>
    /// <exception cref="ConfigurationException">MST2201: it cannot be kept, or cannot be told to clients.</exception>
    public static RateLimitPolicy Create(string place, string budget, int requests, TimeSpan window, string? name)
    {
        if (requests is < 1 or > RequestsMost)
            throw Mistake(place, $"{requests} requests", $"1 to {RequestsMost}");
        if (window < TimeSpan.FromSeconds(1) || window > WindowMost || window.Ticks % TimeSpan.TicksPerSecond != 0)
            throw Mistake(place, $"the window {window}", $"whole seconds from 1 s to {WindowMost.Days} days, because that is what clients are told");
        if (name is not null && (name.Length is 0 or > NameLengthMost || name.AsSpan().ContainsAnyExceptInRange(' ', '~') || name.AsSpan().ContainsAny('"', '\\')))
            throw Mistake(place, $"the name '{name}'", $"1 to {NameLengthMost} printable ASCII characters without quotes and backslashes, such as burst");
        return new RateLimitPolicy(budget, requests, window, name ?? $"{requests}/{Short(window)}");
    }

    public static ConfigurationException Mistake(string place, string what, string expected) => new("MST2201", $"The rate limit of {place} has {what}, expected {expected}. Write for example .RateLimit(30, per: TimeSpan.FromMinutes(1)).");

    private static string Short(TimeSpan window)
    {
        var seconds = (long)window.TotalSeconds;
        return (seconds % 60, seconds % 3600, seconds % 86_400) switch
        {
            (_, _, 0) => $"{seconds / 86_400}d",
            (_, 0, _) => $"{seconds / 3600}h",
            (0, _, _) => $"{seconds / 60}m",
            _ => $"{seconds}s",
        };
    }
}
