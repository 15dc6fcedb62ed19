using System.Globalization;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;

namespace Mainstay.Internal;

/// <summary>Media types in Accept and Content-Type.</summary>
internal static class MediaTypes
{
    /// <summary>
    /// Whether an Accept header admits a type with a weight above zero. The most specific range decides. Ranges that are malformed
    /// (<c>q=abc</c>, <c>q=2</c>) count for nothing, the others still do.
    /// </summary>
    public static bool Accepts(StringValues accept, string type)
    {
        if (accept.Count == 1 && (accept[0] == "*/*" || accept[0] == type))
            return true;
        if (!MediaTypeHeaderValue.TryParseList((IList<string>)accept.ToArray()!, out var ranges))
            return false;
        var best = (Rank: 0, Weight: 0.0);
        foreach (var range in ranges)
            if (TryWeight(range, out var weight) && Rank(range, type) is var rank && (rank > best.Rank || (rank == best.Rank && weight > best.Weight)))
                best = (rank, weight);
        return best.Rank > 0 && best.Weight > 0;
    }

    /// <summary>Whether a Content-Type is one of the given, in UTF-8 if it says anything about that, and says nothing twice.</summary>
    public static bool Matches(string? contentType, IReadOnlyList<string> types)
    {
        foreach (var type in types)
            if (type == contentType)
                return true;
        return contentType is not null && MediaTypeHeaderValue.TryParse(contentType, out var parsed)
            && types.Any(type => parsed.MediaType.Equals(type, StringComparison.OrdinalIgnoreCase))
            && (!parsed.Charset.HasValue || HeaderUtilities.RemoveQuotes(parsed.Charset).Equals("utf-8", StringComparison.OrdinalIgnoreCase))
            && parsed.Parameters.Select(parameter => parameter.Name.ToString()).Distinct(StringComparer.OrdinalIgnoreCase).Count() == parsed.Parameters.Count;
    }

    private static int Rank(MediaTypeHeaderValue range, string type) =>
        range.MediaType.Equals(type, StringComparison.OrdinalIgnoreCase) || range.MediaType.Equals(WireFormat.ProblemJson, StringComparison.OrdinalIgnoreCase) ? 3
        : range.MediaType.Equals("application/*", StringComparison.OrdinalIgnoreCase) ? 2
        : range.MatchesAllTypes ? 1
        : 0;

    /// <summary>From 0 to 1 with at most three decimals. The form <c>.2</c> is no grammar, but Java's own client sends it with every request.</summary>
    private static bool TryWeight(MediaTypeHeaderValue range, out double weight)
    {
        weight = 1;
        var given = 0;
        foreach (var parameter in range.Parameters)
            if (parameter.Name.Equals("q", StringComparison.OrdinalIgnoreCase) && (++given > 1 || parameter.Value.Length is 0 or > 5
                || !double.TryParse(parameter.Value.AsSpan(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out weight) || weight > 1))
                return false;
        return true;
    }
}
