using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>Text as PostgreSQL can store it. JSON allows <c>"\u0000"</c> and unpaired surrogates; a database of UTF-8 text does not.</summary>
internal static class StrictText
{
    public static bool IsValid(string text)
    {
        for (var i = text.AsSpan().IndexOfAny(suspects); i >= 0 && i < text.Length; i++)
        {
            if (text[i] == '\0' || char.IsLowSurrogate(text[i]))
                return false;
            if (char.IsHighSurrogate(text[i]) && (++i == text.Length || !char.IsLowSurrogate(text[i])))
                return false;
        }
        return true;
    }

    /// <summary>The text of a JSON string, unless it cannot be stored.</summary>
    public static bool TryGet(JsonElement json, out string text)
    {
        try
        {
            text = json.GetString()!;
            return IsValid(text);
        }
        catch (InvalidOperationException)
        {
            // An escaped surrogate without its partner, or bytes that are not UTF-8.
            text = "";
            return false;
        }
    }

    public static bool TryGetName(JsonProperty member, out string name)
    {
        try
        {
            name = member.Name;
            return IsValid(name);
        }
        catch (InvalidOperationException)
        {
            name = "";
            return false;
        }
    }

    private static readonly System.Buffers.SearchValues<char> suspects =
        System.Buffers.SearchValues.Create([.. Enumerable.Range(0xD800, 0x800).Select(code => (char)code), '\0']);
}
