using System.Buffers;
using Microsoft.AspNetCore.Routing.Patterns;

namespace Mainstay.Internal;

/// <summary>
/// Paths have one spelling. The router ignores case and a slash at the end, and the server resolves dot segments before the router sees them; here
/// the difference is found. Percent-encoded characters that need no encoding are the same character (RFC 3986, 6.2.2.2), so those are equal.
/// </summary>
internal static class PathSpelling
{
    /// <summary>What stands in a path as it is: unreserved characters, sub-delimiters, colon, at, and the slash between segments.</summary>
    private static readonly SearchValues<char> plain = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/");

    public enum Fault
    {
        None,

        /// <summary>No path at all: broken percent-encoding, bytes that are not UTF-8, control characters, characters that must be encoded.</summary>
        Malformed,

        /// <summary>A path, but of nothing here: dot segments, or a slash or backslash hidden in a segment.</summary>
        Other,
    }

    /// <summary>Whether a path fits a pattern letter by letter, with nothing behind it.</summary>
    public static bool IsExact(RoutePattern pattern, ReadOnlySpan<char> path)
    {
        foreach (var segment in pattern.PathSegments)
        {
            if (path is not ['/', ..])
                return segment.Parts[0] is RoutePatternParameterPart { IsCatchAll: true } && path.IsEmpty;
            path = path[1..];
            var end = path.IndexOf('/');
            var text = end < 0 ? path : path[..end];
            if (text.IsEmpty || (segment.IsSimple && segment.Parts[0] is RoutePatternLiteralPart literal && !text.SequenceEqual(literal.Content)))
                return false;
            if (segment.IsSimple && segment.Parts[0] is RoutePatternParameterPart { IsCatchAll: true })
                return true;
            path = path[text.Length..];
        }
        return path.IsEmpty || (path is "/" && pattern.PathSegments.Count == 0);
    }

    /// <summary>What is wrong with a path as it was sent. Most requests are answered by comparing two lengths and one look at the characters.</summary>
    /// <param name="sent">The request target.</param>
    /// <param name="path">The path that the server made of it.</param>
    /// <param name="query">The query with its question mark.</param>
    public static Fault FaultOf(string sent, string path, string query) =>
        // Decoding and removing dot segments only ever shorten, so equal lengths mean that nothing was changed.
        sent.Length == path.Length + query.Length && !path.AsSpan().ContainsAnyExcept(plain) ? Fault.None : FaultIn(PathOf(sent));

    /// <summary>The path of a request target as it was sent, also in absolute form (<c>http://host/path</c>); the server has compared the host already.</summary>
    public static ReadOnlySpan<char> PathOf(ReadOnlySpan<char> target)
    {
        if (target is not ['/', ..] && target.IndexOf("://") is var scheme and >= 0)
        {
            target = target[(scheme + 3)..];
            target = target.IndexOfAny('/', '?') is var start and >= 0 && target[start] == '/' ? target[start..] : "/";
        }
        var end = target.IndexOf('?');
        return end < 0 ? target : target[..end];
    }

    private static Fault FaultIn(ReadOnlySpan<char> path)
    {
        Span<byte> segment = path.Length <= 1024 ? stackalloc byte[1024] : new byte[path.Length];
        var fault = Fault.None;
        foreach (var range in path.Split('/'))
        {
            if (!TryDecode(path[range], segment, out var length) || !System.Text.Unicode.Utf8.IsValid(segment[..length]) || segment[..length].ContainsAnyInRange((byte)0, (byte)0x1f) || segment[..length].Contains((byte)0x7f))
                return Fault.Malformed;
            if (segment[..length] is [(byte)'.'] or [(byte)'.', (byte)'.'] || segment[..length].ContainsAny((byte)'/', (byte)'\\'))
                fault = Fault.Other;
        }
        return fault;
    }

    private static bool TryDecode(ReadOnlySpan<char> text, Span<byte> bytes, out int length)
    {
        length = 0;
        for (var i = 0; i < text.Length; i++)
            if (text[i] == '%')
            {
                if (i + 2 >= text.Length || !char.IsAsciiHexDigit(text[i + 1]) || !char.IsAsciiHexDigit(text[i + 2]))
                    return false;
                bytes[length++] = byte.Parse(text.Slice(i + 1, 2), System.Globalization.NumberStyles.AllowHexSpecifier);
                i += 2;
            }
            else if (!plain.Contains(text[i]))
                return false;
            else
                bytes[length++] = (byte)text[i];
        return true;
    }
}
