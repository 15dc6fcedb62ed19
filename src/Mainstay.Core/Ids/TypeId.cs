using System.Buffers;
using System.Buffers.Binary;
using System.Numerics;

namespace Mainstay.Internal;

/// <summary>The text form of ids: TypeID 0.3, a prefix and a UUID in base32.</summary>
/// <remarks>
/// <code>
/// purchase_order_01h455vb4pex5vsknk084sn02q
/// └── prefix ──┘ └ 26 × 5 bits = 00 + UUID ┘
/// </code>
/// Strict in both directions: one UUID has one text, so texts may be compared, cached and used as keys. The order of the texts is the
/// order of the UUID's bytes.
/// </remarks>
internal static class TypeId
{
    public const int SuffixLength = 26;
    public const int PrefixLengthMax = 63;
    public const int LengthMax = PrefixLengthMax + 1 + SuffixLength;

    private const byte NotADigit = 255;

    private static ReadOnlySpan<byte> Digits => "0123456789abcdefghjkmnpqrstvwxyz"u8;

    private static readonly SearchValues<char> prefixCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz_");
    private static readonly byte[] valueOfDigit = ValuesOfDigits();

    public static int LengthWith(string prefix) => prefix.Length == 0 ? SuffixLength : prefix.Length + 1 + SuffixLength;

    public static string Format(string prefix, Guid value) => string.Create(LengthWith(prefix), (prefix, value), static (text, id) => TryFormat(id.prefix, id.value, text, out _));

    public static bool TryFormat(string prefix, Guid value, Span<char> destination, out int written) => TryFormatAs(prefix, value, destination, out written);

    public static bool TryFormat(string prefix, Guid value, Span<byte> destination, out int written) => TryFormatAs(prefix, value, destination, out written);

    /// <summary>Reads an id whose prefix is known.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, string prefix, out Guid value)
    {
        value = default;
        return text.Length == LengthWith(prefix)
            && text.StartsWith(prefix, StringComparison.Ordinal)
            && (prefix.Length == 0 || text[prefix.Length] == '_')
            && TryDecode(text[^SuffixLength..], out value);
    }

    /// <summary>Reads any id and tells its prefix.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out ReadOnlySpan<char> prefix, out Guid value)
    {
        prefix = default;
        value = default;
        if (text.Length < SuffixLength || !TryDecode(text[^SuffixLength..], out value))
            return false;

        var rest = text[..^SuffixLength];
        if (rest.IsEmpty)
            return true;

        prefix = rest[..^1];
        return rest[^1] == '_' && IsPrefix(prefix);
    }

    /// <summary>Whether the text is a prefix that can stand before a separator: <c>[a-z]([a-z_]{0,61}[a-z])?</c>.</summary>
    public static bool IsPrefix(ReadOnlySpan<char> text) =>
        text.Length is >= 1 and <= PrefixLengthMax
        && text[0] != '_'
        && text[^1] != '_'
        && !text.ContainsAnyExcept(prefixCharacters);

    private static bool TryFormatAs<TChar>(string prefix, Guid value, Span<TChar> destination, out int written) where TChar : unmanaged, IBinaryInteger<TChar>
    {
        written = 0;
        if (destination.Length < LengthWith(prefix))
            return false;

        foreach (var character in prefix)
            destination[written++] = TChar.CreateTruncating(character);
        if (prefix.Length > 0)
            destination[written++] = TChar.CreateTruncating('_');

        Encode(value, destination.Slice(written, SuffixLength));
        written += SuffixLength;
        return true;
    }

    // The digits 25 to 14 hold 60 bits of the low half, digit 13 holds four low bits and one high bit, the digits 12 to 0 hold the other 63.
    private static void Encode<TChar>(Guid value, Span<TChar> suffix) where TChar : unmanaged, IBinaryInteger<TChar>
    {
        Span<byte> bytes = stackalloc byte[16];
        value.TryWriteBytes(bytes, bigEndian: true, out _);
        var high = BinaryPrimitives.ReadUInt64BigEndian(bytes);
        var low = BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]);

        for (var i = 25; i >= 14; i--, low >>= 5)
            suffix[i] = TChar.CreateTruncating(Digits[(int)(low & 31)]);
        suffix[13] = TChar.CreateTruncating(Digits[(int)(low | ((high & 1) << 4))]);
        high >>= 1;
        for (var i = 12; i >= 0; i--, high >>= 5)
            suffix[i] = TChar.CreateTruncating(Digits[(int)(high & 31)]);
    }

    private static bool TryDecode(ReadOnlySpan<char> suffix, out Guid value)
    {
        value = default;
        if (suffix[0] > '7')    // More than 128 bits.
            return false;

        var number = UInt128.Zero;
        foreach (var character in suffix)
        {
            var digit = character < valueOfDigit.Length ? valueOfDigit[character] : NotADigit;
            if (digit == NotADigit)
                return false;
            number = (number << 5) | digit;
        }

        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, number);
        value = new Guid(bytes, bigEndian: true);
        return true;
    }

    private static byte[] ValuesOfDigits()
    {
        var values = new byte[128];
        values.AsSpan().Fill(NotADigit);
        for (var i = 0; i < Digits.Length; i++)
            values[Digits[i]] = (byte)i;
        return values;
    }
}
