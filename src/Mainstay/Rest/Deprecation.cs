using System.Globalization;
using Microsoft.AspNetCore.Http;

namespace Mainstay.Internal;

/// <summary>
/// An operation on its way out: <c>Deprecation</c> (RFC 9745), <c>Sunset</c> (RFC 8594) and links, on every answer of it, refusals included. Made once, because a
/// declaration does not change.
/// </summary>
internal sealed class Deprecation
{
    private readonly string _since;
    private readonly DateTimeOffset? _sunset;
    private readonly string? _sunsetField;
    private readonly string? _links;
    private readonly string? _successor;

    private Deprecation(DateTimeOffset since, DateTimeOffset? sunset, string? info, string? successor)
    {
        _since = "@" + since.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        _sunset = sunset;
        _sunsetField = sunset?.ToString("R", CultureInfo.InvariantCulture);
        _successor = successor;
        string?[] links =
        [
            info is null ? null : $"<{info}>; rel=\"deprecation\"; type=\"text/html\"",
            info is null || sunset is null ? null : $"<{info}>; rel=\"sunset\"; type=\"text/html\"",
            successor is null ? null : $"<{successor}>; rel=\"successor-version\"",
        ];
        _links = links.Any(link => link is not null) ? string.Join(", ", links.Where(link => link is not null)) : null;
    }

    public bool HasSunset => _sunset is not null;

    public bool HasLinks => _links is not null;

    /// <exception cref="ConfigurationException">MST1022</exception>
    public static Deprecation Of(string what, DateOnly since, DateOnly? sunset, string? info, string? successor)
    {
        if (sunset < since)
            throw new ConfigurationException("MST1022", $"{what} is deprecated since {since:yyyy-MM-dd} and gone from {sunset:yyyy-MM-dd} on, expected a sunset on that day or later. Correct one of the dates.");
        if (info is not null && !IsAddress(info, isPathAllowed: false))
            throw new ConfigurationException("MST1022", $"{what} is deprecated with the page '{info}', expected an address such as https://example.com/changes#v1.");
        if (successor is not null && !IsAddress(successor, isPathAllowed: true))
            throw new ConfigurationException("MST1022", $"{what} is deprecated with the successor '{successor}', expected a path such as /v2/products, or an address.");
        return new Deprecation(Midnight(since), sunset is { } last ? Midnight(last) : null, info, successor);
    }

    /// <summary>Sets the headers, and ends the call when its time is over.</summary>
    /// <exception cref="ProblemException"><c>gone</c></exception>
    public void Announce(IHeaderDictionary headers, TimeProvider clock)
    {
        headers["Deprecation"] = _since;
        if (_sunsetField is not null)
            headers["Sunset"] = _sunsetField;
        if (_links is not null)
            headers.Append("Link", _links);
        if (_sunset <= clock.GetUtcNow())
            throw ProblemCatalogue.Gone.Because($"This operation was served until {_sunsetField}.{(_successor is null ? "" : $" Use {_successor} instead.")}");
    }

    private static DateTimeOffset Midnight(DateOnly day) => new(day.ToDateTime(TimeOnly.MinValue), TimeSpan.Zero);

    /// <summary>What may stand between angle brackets in a Link.</summary>
    private static bool IsAddress(string text, bool isPathAllowed) => !text.AsSpan().ContainsAny("<>\" \\") && !text.AsSpan().ContainsAnyExceptInRange('!', '~')
        && ((isPathAllowed && text is ['/', not '/', ..]) || (Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme is "https" or "http"));
}
