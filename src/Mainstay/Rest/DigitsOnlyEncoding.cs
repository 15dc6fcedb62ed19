using System.Text;

namespace Mainstay.Internal;

/// <summary>
/// Makes Kestrel refuse <c>Content-Length: +5</c>. It reads the field as a signed number, a proxy may ignore the line, and then both disagree about
/// where the request ends. The encoding of a field can be chosen, so this one has no signs.
/// </summary>
internal sealed class DigitsOnlyEncoding : Encoding
{
    private static readonly DigitsOnlyEncoding instance = new();

    /// <summary>For <c>KestrelServerOptions.RequestHeaderEncodingSelector</c>: all other fields are UTF-8, as by default.</summary>
    public static Encoding? Select(string header) => header == "Content-Length" ? instance : null;

    public override int GetChars(ReadOnlySpan<byte> bytes, Span<char> chars)
    {
        if (bytes.Length > chars.Length)
        {
            chars[0] = '?'; // more digits than a length has
            return 1;
        }
        for (var i = 0; i < bytes.Length; i++)
            chars[i] = char.IsAsciiDigit((char)bytes[i]) ? (char)bytes[i] : '?';
        return bytes.Length;
    }

    public override int GetChars(byte[] bytes, int byteIndex, int byteCount, char[] chars, int charIndex) => GetChars(bytes.AsSpan(byteIndex, byteCount), chars.AsSpan(charIndex));

    public override int GetCharCount(byte[] bytes, int index, int count) => count;

    public override int GetMaxCharCount(int byteCount) => byteCount;

    public override int GetByteCount(char[] chars, int index, int count) => count;

    public override int GetBytes(char[] chars, int charIndex, int charCount, byte[] bytes, int byteIndex) => ASCII.GetBytes(chars, charIndex, charCount, bytes, byteIndex);

    public override int GetMaxByteCount(int charCount) => charCount;
}
