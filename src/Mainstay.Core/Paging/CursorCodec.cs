using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;

namespace Mainstay.Internal;

/// <summary>What became of a cursor that came back.</summary>
internal enum CursorVerdict
{
    /// <summary>This application has made it.</summary>
    Opened,

    /// <summary>Nobody has made it, or it was changed, or another application has made it.</summary>
    Forged,

    /// <summary>Its key is older than all that are kept, or its form is that of another release.</summary>
    Outdated,

    /// <summary>Its key is newer than those known here: forged, or this node has not heard of the key yet.</summary>
    UnknownKey,
}

/// <summary>
/// Makes cursors that only this application can have made, in base64url:
/// <code>version 1 | id of the key 4 | payload … | HMAC-SHA256 of all before, cut to 128 bits</code>
/// The payload says where the next page starts and to which question it belongs, so that a cursor of another question is refused instead of
/// giving a wrong page. A cursor has one spelling.
/// </summary>
internal sealed class CursorCodec(CursorKeys keys, TimeProvider clock)
{
    /// <summary>Longest cursor that is looked at, in characters: a sort value of 1000 characters of four bytes fits, and so does the request line it travels in.</summary>
    public const int LengthMost = 6000;

    /// <summary>The form of cursors and the meaning of their payload. A release that changes either takes the next number, and refuses the cursors of the one before.</summary>
    private const byte Version = 1;

    private const int HeadLength = 1 + sizeof(int);
    private const int MacLength = 16;

    /// <summary>What nearly all cursors fit into, decoded.</summary>
    private const int UsualLength = 256;

    // Replaced as a whole, so that a request sees one list.
    private volatile CursorKeys _keys = keys;

    public CursorKeys Keys
    {
        get => _keys;
        set => _keys = value;
    }

    /// <summary>The cursor of a position within a question.</summary>
    public string Seal(Position position, ReadOnlySpan<byte> binding)
    {
        var length = position.PackedLength;
        Span<byte> payload = length <= UsualLength ? stackalloc byte[UsualLength] : new byte[length];
        position.Pack(payload, binding);
        return Seal(payload[..length]);
    }

    public string Seal(ReadOnlySpan<byte> payload)
    {
        var key = _keys.Current(clock.GetUtcNow());
        var length = HeadLength + payload.Length + MacLength;
        Span<byte> bytes = length <= UsualLength ? stackalloc byte[UsualLength] : new byte[length];
        bytes = bytes[..length];
        bytes[0] = Version;
        BinaryPrimitives.WriteInt32BigEndian(bytes[1..], key.Id);
        payload.CopyTo(bytes[HeadLength..]);
        Span<byte> mac = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(key.Secret, bytes[..^MacLength], mac);
        mac[..MacLength].CopyTo(bytes[^MacLength..]);
        return Base64Url.EncodeToString(bytes);
    }

    public CursorVerdict Open(string cursor, out ReadOnlySpan<byte> payload)
    {
        payload = [];
        if (cursor.Length is 0 or > LengthMost || !Base64Url.IsValid(cursor))
            return CursorVerdict.Forged;
        var bytes = Base64Url.DecodeFromChars(cursor);
        if (bytes.Length <= HeadLength + MacLength || !IsSpellingOf(bytes, cursor))
            return CursorVerdict.Forged;
        if (bytes[0] != Version)
            return CursorVerdict.Outdated;
        var keys = _keys;
        var id = BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(1));
        if (keys.Find(id) is not { } key)
            return id > keys.Newest ? CursorVerdict.UnknownKey : CursorVerdict.Outdated;
        Span<byte> mac = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(key.Secret, bytes.AsSpan(0, bytes.Length - MacLength), mac);
        if (!CryptographicOperations.FixedTimeEquals(mac[..MacLength], bytes.AsSpan(bytes.Length - MacLength)))
            return CursorVerdict.Forged;
        payload = bytes.AsSpan()[HeadLength..^MacLength];
        return CursorVerdict.Opened;
    }

    /// <summary>Whether a text is the one that these bytes are encoded as: the decoder also takes white space, padding, and other values of the last character's unused bits.</summary>
    private static bool IsSpellingOf(ReadOnlySpan<byte> bytes, ReadOnlySpan<char> text)
    {
        var length = Base64Url.GetEncodedLength(bytes.Length);
        if (length != text.Length)
            return false;
        Span<char> encoded = bytes.Length <= UsualLength ? stackalloc char[2 * UsualLength] : new char[length];
        return Base64Url.TryEncodeToChars(bytes, encoded, out var written) && encoded[..written].SequenceEqual(text);
    }
}
