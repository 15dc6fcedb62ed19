using System.Text;

namespace Mainstay.Internal;

/// <summary>Identifiers: one function makes names, one quotes them.</summary>
internal static class SqlName
{
    /// <summary>PostgreSQL cuts longer identifiers silently.</summary>
    public const int LongestLength = 63;

    /// <summary><c>PlacedAt</c> becomes <c>placed_at</c>.</summary>
    public static string SnakeCase(string name)
    {
        var text = new StringBuilder(name.Length + 8);
        for (var i = 0; i < name.Length; i++)
        {
            if (char.IsUpper(name[i]) && i > 0 && (!char.IsUpper(name[i - 1]) || (i + 1 < name.Length && char.IsLower(name[i + 1]))))
                text.Append('_');
            text.Append(char.ToLowerInvariant(name[i]));
        }
        return text.ToString();
    }

    public static string Quote(string identifier) =>
        identifier.Contains('\0') ? throw new ArgumentException("An identifier cannot contain U+0000.", nameof(identifier)) : $"\"{identifier.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    /// <summary>Something in a schema.</summary>
    public static string Quote(string schema, string identifier) => $"{Quote(schema)}.{Quote(identifier)}";

    /// <summary>A string as an SQL literal, for DDL, where parameters are not possible.</summary>
    public static string Literal(string value) => $"'{value.Replace("'", "''", StringComparison.Ordinal)}'";

    /// <summary>Joins the parts of a constraint's or index's name; a name that is too long ends in a hash of the whole.</summary>
    public static string Join(params IEnumerable<string> parts)
    {
        var name = string.Join('_', parts);
        var bytes = Encoding.UTF8.GetBytes(name);
        if (bytes.Length <= LongestLength)
            return name;
        // PostgreSQL counts bytes; a cut must not go through a character.
        var kept = name.Length;
        while (Encoding.UTF8.GetByteCount(name.AsSpan(0, kept)) > LongestLength - 9 || char.IsHighSurrogate(name[kept - 1]))
            kept--;
        return $"{name[..kept]}_{Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(bytes))[..8]}";
    }
}
