using System.Security.Cryptography;
using System.Text;

namespace Mainstay.Internal;

/// <summary>Keys for others, which are the same at every attempt and for nothing else.</summary>
internal static class StableKey
{
    /// <summary>A UUID (version 8, RFC 9562) of both.</summary>
    public static Guid Of(Guid whole, string part)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData([.. whole.ToByteArray(bigEndian: true), .. Encoding.UTF8.GetBytes(part)], hash);
        hash[6] = (byte)((hash[6] & 0x0F) | 0x80);
        hash[8] = (byte)((hash[8] & 0x3F) | 0x80);
        return new Guid(hash[..16], bigEndian: true);
    }
}
