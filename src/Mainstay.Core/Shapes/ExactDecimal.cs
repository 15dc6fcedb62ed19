using System.Globalization;

namespace Mainstay.Internal;

/// <summary>Reads decimals without rounding: a number that a decimal cannot hold exactly is refused, because money that is altered silently is wrong.</summary>
internal static class ExactDecimal
{
    private const int DigitsMost = 28;

    public static bool TryParse(ReadOnlySpan<char> text, out decimal value)
    {
        value = default;
        if (text.Length is 0 or > 64)
            return false;
        var exponentAt = text.IndexOfAny('e', 'E');
        var mantissa = exponentAt < 0 ? text : text[..exponentAt];
        var exponent = 0;
        if (exponentAt >= 0 && !int.TryParse(text[(exponentAt + 1)..], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out exponent))
            return false;

        // 00120.0340e2: digits 120034 from the first that counts, 4 of them behind the point, 2 of those moved before it.
        var (significant, fraction, isFraction) = (0, 0, false);
        foreach (var character in mantissa.TrimStart('-'))
        {
            if (character == '.' && !isFraction)
            {
                isFraction = true;
                continue;
            }
            if (!char.IsAsciiDigit(character))
                return false;
            if (character != '0' || significant > 0)
                significant++;
            if (isFraction)
                fraction++;
        }
        if (significant == 0)
            return decimal.TryParse(mantissa, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out value);
        var scale = fraction - (long)exponent;
        return significant <= DigitsMost && scale <= DigitsMost && significant - scale <= DigitsMost
            && decimal.TryParse(text, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out value);
    }
}
