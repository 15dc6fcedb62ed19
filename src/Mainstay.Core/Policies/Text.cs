namespace Mainstay.Internal;

/// <summary>What a text column can hold.</summary>
internal static class Text
{
    /// <summary>False for a NUL, which PostgreSQL refuses, and for half a surrogate pair, which is not UTF-8.</summary>
    public static bool IsStorable(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '\0' || char.IsLowSurrogate(text[i]))
                return false;
            if (!char.IsHighSurrogate(text[i]))
                continue;
            if (i + 1 == text.Length || !char.IsLowSurrogate(text[i + 1]))
                return false;
            i++;
        }

        return true;
    }
}
