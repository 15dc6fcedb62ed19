using System.Numerics;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>Integers as JSON Schema counts them: by their value. <c>1.0</c> and <c>1e2</c> are integers, <c>1.5</c> is none; nothing is rounded.</summary>
internal static class JsonInteger
{
    /// <summary>More digits than any integer type of a shape has.</summary>
    private const int DigitsMost = 20;

    public static bool TryGet<T>(JsonElement json, out T value) where T : struct, IBinaryInteger<T>, IMinMaxValue<T>
    {
        value = default;
        if (!json.TryGetInt64(out var number) && !TryParse(JsonMarshal.GetRawUtf8Value(json), out number))
            return false;
        if (number < long.CreateChecked(T.MinValue) || number > long.CreateChecked(T.MaxValue))
            return false;
        value = T.CreateChecked(number);
        return true;
    }

    /// <summary>Whether the number has no fraction, however large it is.</summary>
    public static bool IsIntegral(ReadOnlySpan<byte> number) => Parts(number) is var parts && (parts.Digits == 0 || parts.Scale >= 0);

    private static bool TryParse(ReadOnlySpan<byte> number, out long value)
    {
        value = 0;
        var (_, digits, scale) = Parts(number);
        if (digits == 0)
            return true;
        if (scale < 0 || digits + scale > DigitsMost)
            return false;
        Int128 sum = 0;
        foreach (var digit in number[..Exponent(number)])
            if (char.IsAsciiDigit((char)digit) && digits > 0 && (sum > 0 || digit != '0'))
            {
                sum = (sum * 10) + (digit - '0');
                digits--;
            }
        for (; scale > 0; scale--)
            sum *= 10;
        if (number[0] == '-')
            sum = -sum;
        if (sum < long.MinValue || sum > long.MaxValue)
            return false;
        value = (long)sum;
        return true;
    }

    /// <summary>A number as its significant digits (from the first to the last that is not zero) and the power of ten behind them: 120.0 is two digits and a scale of 1.</summary>
    private static (int First, int Digits, int Scale) Parts(ReadOnlySpan<byte> number)
    {
        var exponentAt = Exponent(number);
        var mantissa = number[..exponentAt];
        int first = -1, last = -1, seen = 0, beforePoint = -1;
        foreach (var character in mantissa)
            if (character == '.')
                beforePoint = seen;
            else if (character != '-')
            {
                if (character != '0')
                {
                    first = first < 0 ? seen : first;
                    last = seen;
                }
                seen++;
            }
        if (first < 0)
            return (0, 0, 0);
        var exponent = 0;
        if (exponentAt < number.Length)
        {
            foreach (var character in number[(exponentAt + 1)..])
                if (char.IsAsciiDigit((char)character))
                    exponent = Math.Min(1_000_000, (exponent * 10) + (character - '0'));
            exponent = number[exponentAt + 1] == '-' ? -exponent : exponent;
        }
        return (first, last - first + 1, (beforePoint < 0 ? seen : beforePoint) - last - 1 + exponent);
    }

    private static int Exponent(ReadOnlySpan<byte> number) => number.IndexOfAny((byte)'e', (byte)'E') is var at && at < 0 ? number.Length : at;
}
