using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Mainstay.Internal;

/// <summary>
/// Entity tags, one for each sequence of bytes: <c>"v7-3fa9c10e"</c> is version 7 of a row in its present shape, <c>"v7-3fa9c10e-f0.2"</c> a part of it,
/// <c>"v7-3fa9c10e-br"</c> its compressed form. Reads compare all of it. Writes compare the version in front, so that a tag of any representation of
/// the row will do.
/// </summary>
internal static class ETags
{
    /// <summary>Of a hash, in hexadecimal digits: 96 bits.</summary>
    private const int HashLength = 24;

    public static string OfRow(long version, string shape, string part = "") => $"\"v{version.ToString(CultureInfo.InvariantCulture)}-{shape}{part}\"";

    /// <summary>The tag of a row and what stands beside it, which has versions of its own.</summary>
    public static string OfRow(long version, ReadOnlySpan<byte> bytes)
    {
        Span<char> hash = stackalloc char[HashLength];
        Hash(bytes, hash);
        return string.Create(CultureInfo.InvariantCulture, $"\"v{version}-{hash}\"");
    }

    /// <summary>The tag of what has no version but its bytes.</summary>
    public static string OfBytes(ReadOnlySpan<byte> bytes)
    {
        Span<char> hash = stackalloc char[HashLength];
        Hash(bytes, hash);
        return $"\"{hash}\"";
    }

    /// <summary>The tag of the same representation in a content coding.</summary>
    public static string InCoding(string etag, string coding) => $"{etag.AsSpan(0, etag.Length - 1)}-{coding}\"";

    /// <summary>
    /// A short hash of what decides how a row of one version is written: its members, and the code that writes them. A release that adds a column changes the
    /// bytes and not the version, and nobody shall be told that the old bytes are still true. All processes of one build agree.
    /// </summary>
    public static string ShapeOf(TableModel table, WireFormat format)
    {
        var text = new StringBuilder($"{typeof(ETags).Module.ModuleVersionId} {format.GetType()} {format.GetType().Module.ModuleVersionId}");
        foreach (var column in table.Columns)
            text.Append('\n').Append(column.Member.Name).Append(' ').Append(column.Member.Property.PropertyType).Append(' ').Append(column.Member.Scalar?.Expected);
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())).AsSpan(0, 4));
    }

    private static void Hash(ReadOnlySpan<byte> bytes, Span<char> text)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(bytes, hash);
        Convert.TryToHexStringLower(hash[..(HashLength / 2)], text, out _);
    }

    /// <summary>The version in front of a row's tag, or null when it is another kind of tag.</summary>
    public static long? VersionOf(ReadOnlySpan<char> opaque)
    {
        if (opaque is not ['"', 'v', .., '"'])
            return null;
        var text = opaque[2..^1];
        var end = text.IndexOf('-');
        return long.TryParse(end < 0 ? text : text[..end], NumberStyles.None, CultureInfo.InvariantCulture, out var version) ? version : null;
    }
}

/// <summary>The value of If-Match or If-None-Match: a star, or a list of tags. One that cannot be understood matches nothing.</summary>
internal sealed class EntityTags
{
    private readonly List<(bool IsWeak, string Opaque)> _tags = [];

    private EntityTags()
    {
    }

    public bool IsAny { get; private init; }

    public bool IsWellFormed { get; private init; } = true;

    /// <param name="field">The field's value; several lines are joined by commas.</param>
    public static EntityTags Parse(string field)
    {
        if (field.AsSpan().Trim(" \t") is "*")
            return new EntityTags { IsAny = true };
        var tags = new EntityTags();
        return tags.Read(field) ? tags : new EntityTags { IsWellFormed = false };
    }

    /// <summary>Strong comparison: neither tag is weak.</summary>
    public bool MatchesStrongly(string? etag) => IsAny || _tags.Exists(tag => !tag.IsWeak && tag.Opaque == etag);

    /// <summary>Weak comparison. Ours are all strong, so only the mark of the other one is passed over.</summary>
    public bool MatchesWeakly(string etag) => IsAny || _tags.Exists(tag => tag.Opaque == etag);

    /// <summary>Whether one of them is a tag of this version of a row.</summary>
    public bool MatchesVersion(long version, bool isStrong) => IsAny || _tags.Exists(tag => !(isStrong && tag.IsWeak) && ETags.VersionOf(tag.Opaque) == version);

    /// <summary>Tags between commas; elements may be empty.</summary>
    private bool Read(ReadOnlySpan<char> rest)
    {
        while (true)
        {
            rest = rest.TrimStart(" \t,");
            if (rest.IsEmpty)
                return _tags.Count > 0;
            var isWeak = rest.StartsWith("W/");
            var tag = isWeak ? rest[2..] : rest;
            var length = tag is ['"', ..] ? tag[1..].IndexOf('"') + 2 : 0;
            if (length < 2 || tag[1..(length - 1)].ContainsAnyInRange('\0', ' ') || tag[1..(length - 1)].Contains('\x7f'))
                return false;
            _tags.Add((isWeak, tag[..length].ToString()));
            rest = tag[length..].TrimStart(" \t");
            if (rest is not ([] or [',', ..]))
                return false;
        }
    }
}
