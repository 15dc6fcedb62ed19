using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Mainstay.Internal;

/// <summary>
/// Who is counted, as 128 bits: a user wherever it calls from, everybody else by the address. Hashed, so that ids of any length cost the same, nobody
/// can choose which others share a place with him, and no table holds names or addresses as text.
/// </summary>
internal static class CallerKey
{
    /// <summary>A network is one caller: providers give each customer at least a /64, so that single IPv6 addresses are free for the taking.</summary>
    private const int NetworkBytes = 8;

    public static UInt128 OfUser(string id) => Hash(MemoryMarshal.AsBytes(id.AsSpan()), 1);

    /// <param name="address">Null where there is none, as on a Unix socket; all such callers are one.</param>
    public static UInt128 OfAddress(IPAddress? address)
    {
        Span<byte> bytes = stackalloc byte[16];
        if (address is null || !address.TryWriteBytes(bytes, out var length))
            return Hash([], 2);
        if (address.IsIPv4MappedToIPv6)
            return Hash(bytes[12..], 2);
        return address.AddressFamily == AddressFamily.InterNetworkV6 ? Hash(bytes[..NetworkBytes], 3) : Hash(bytes[..length], 2);
    }

    private static UInt128 Hash(ReadOnlySpan<byte> bytes, byte kind)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(bytes, hash);
        // A user who is called like an address is not that address.
        hash[0] = kind;
        return BinaryPrimitives.ReadUInt128BigEndian(hash);
    }
}
