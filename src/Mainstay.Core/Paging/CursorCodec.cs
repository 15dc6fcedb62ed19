using System.Buffers.Text;
using System.Security.Cryptography;

namespace Mainstay.Internal;

/// <summary>
/// Makes cursors that only this application can have made: base64url of a payload and its HMAC-SHA256, cut to 128 bits. The payload says where
/// the next page starts and to which question it belongs, so that a cursor of another question is refused instead of giving a wrong page.
/// </summary>
internal sealed class CursorCodec(byte[] key)
{
    /// <summary>Longest cursor that is looked at, in characters: a sort value of 1000 characters of four bytes fits, and so does the request line it travels in.</summary>
    public const int LengthMost = 6000;

    private const int MacLength = 16;

    public string Seal(ReadOnlySpan<byte> payload)
    {
        Span<byte> mac = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(key, payload, mac);
        return Base64Url.EncodeToString([.. payload, .. mac[..MacLength]]);
    }

    public bool TryOpen(string cursor, out byte[] payload)
    {
        payload = [];
        if (cursor.Length is 0 or > LengthMost || !Base64Url.IsValid(cursor))
            return false;
        var bytes = Base64Url.DecodeFromChars(cursor);
        if (bytes.Length <= MacLength)
            return false;
        Span<byte> mac = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(key, bytes.AsSpan(0, bytes.Length - MacLength), mac);
        if (!CryptographicOperations.FixedTimeEquals(mac[..MacLength], bytes.AsSpan(bytes.Length - MacLength)))
            return false;
        payload = bytes[..^MacLength];
        return true;
    }
}
