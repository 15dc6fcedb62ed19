using System.Globalization;

namespace Mainstay.Internal;

/// <summary>Reads decimals without rounding: a number that a decimal cannot hold exactly is refused, because money that is altered silently is wrong.</summary>
internal static class ExactDecimal
{
    private const int LengthMost = 64;

    public static bool TryParse(ReadOnlySpan<char> text, out decimal value)
    {
        value = default;
        if (text.Length is 0 or > LengthMost || text[0] == '+'
            || !decimal.TryParse(text, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out var parsed))
            return false;
        Span<char> shown = stackalloc char[LengthMost], given = stackalloc char[LengthMost], kept = stackalloc char[LengthMost];
        parsed.TryFormat(shown, out var length, provider: CultureInfo.InvariantCulture);
        var exponent = text.IndexOfAny('e', 'E');
        // Rounding changes the digits, wherever the point is.
        if (!Digits(exponent < 0 ? text : text[..exponent], given).SequenceEqual(Digits(shown[..length], kept)))
            return false;
        value = parsed;
        return true;
    }

    /// <summary>The digits from the first to the last that is not zero.</summary>
    private static ReadOnlySpan<char> Digits(ReadOnlySpan<char> text, Span<char> buffer)
    {
        var length = 0;
        foreach (var character in text)
            if (char.IsAsciiDigit(character))
                buffer[length++] = character;
        return buffer[..length].Trim('0');
    }
}
