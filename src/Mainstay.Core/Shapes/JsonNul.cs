namespace Mainstay.Internal;

/// <summary>Finds texts with U+0000 in JSON. PostgreSQL has no such texts.</summary>
internal static class JsonNul
{
    public static bool IsIn(ReadOnlySpan<byte> json) => IsIn(json, @"\u0000"u8);

    public static bool IsIn(ReadOnlySpan<char> json) => IsIn(json, @"\u0000");

    private static bool IsIn<T>(ReadOnlySpan<T> json, ReadOnlySpan<T> escape) where T : IEquatable<T>
    {
        for (var at = json.IndexOf(escape); at >= 0;)
        {
            // Behind an odd number of backslashes it is the text of one that was itself escaped.
            if ((at - json[..at].TrimEnd(escape[0]).Length) % 2 == 0)
                return true;
            var next = json[(at + 1)..].IndexOf(escape);
            at = next < 0 ? -1 : at + 1 + next;
        }
        return false;
    }
}
