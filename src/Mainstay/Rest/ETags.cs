using System.Globalization;

namespace Mainstay.Internal;

/// <summary>
/// Entity tags: <c>"v7"</c> for a whole row, <c>"v7-f0.2"</c> for a part of it. The version in front is what a write compares, so that a tag
/// of any representation is a valid precondition; a read compares all of it.
/// </summary>
internal static class ETags
{
    public static string Of(long version, string representation = "") => $"\"v{version.ToString(CultureInfo.InvariantCulture)}{representation}\"";

    /// <summary>If-None-Match: weak comparison, any of a list, or <c>*</c>.</summary>
    public static bool MatchesWeakly(string header, string etag) =>
        header.Trim() == "*" || Parse(header).Any(tag => tag.Opaque == etag);

    /// <summary>If-Match: strong comparison of the version. A malformed or weak tag matches nothing.</summary>
    public static bool MatchesVersion(string header, long version) =>
        header.Trim() == "*" || Parse(header).Any(tag => !tag.IsWeak && VersionOf(tag.Opaque) == version);

    private static long? VersionOf(string opaque)
    {
        var text = opaque.AsSpan().Trim('"');
        if (text is not ['v', ..])
            return null;
        var end = text.IndexOf('-');
        return long.TryParse(end < 0 ? text[1..] : text[1..end], NumberStyles.None, CultureInfo.InvariantCulture, out var version) ? version : null;
    }

    private static List<(bool IsWeak, string Opaque)> Parse(string header)
    {
        var tags = new List<(bool, string)>();
        for (var i = 0; i < header.Length && tags.Count < 32;)
        {
            if (header[i] is ' ' or '\t' or ',')
            {
                i++;
                continue;
            }
            var isWeak = header.AsSpan(i).StartsWith("W/");
            var start = isWeak ? i + 2 : i;
            var end = start < header.Length && header[start] == '"' ? header.IndexOf('"', start + 1) : -1;
            if (end < 0)
                return []; // malformed: a conditional field that cannot be understood never counts as a match
            tags.Add((isWeak, header[start..(end + 1)]));
            i = end + 1;
        }
        return tags;
    }
}
