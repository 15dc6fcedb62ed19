using System.Security.Cryptography;
using System.Text;

namespace Mainstay.Internal;

/// <summary>Where a page starts: behind the row with this sort value and id, within one question.</summary>
/// <param name="Value">The sort member's text form at full precision; empty when sorted by id.</param>
/// <param name="Id">The id of the last row of the page before.</param>
internal sealed record Position(string Value, Guid Id)
{
    private const byte Version = 1;
    private const int BindingLength = 12;

    /// <summary>A short hash of everything that makes two questions different.</summary>
    public static byte[] BindingOf(params IEnumerable<string> parts) =>
        SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', parts.Select(part => $"{part.Length}:{part}"))))[..BindingLength];

    /// <summary><code>version 1 | binding 12 | id 16 | value …</code></summary>
    public byte[] Pack(ReadOnlySpan<byte> binding)
    {
        var payload = new byte[1 + BindingLength + 16 + Encoding.UTF8.GetByteCount(Value)];
        payload[0] = Version;
        binding.CopyTo(payload.AsSpan(1));
        Id.TryWriteBytes(payload.AsSpan(1 + BindingLength), bigEndian: true, out _);
        Encoding.UTF8.GetBytes(Value, payload.AsSpan(1 + BindingLength + 16));
        return payload;
    }

    /// <returns>The position, or null when the payload belongs to another question or another version.</returns>
    public static Position? Unpack(ReadOnlySpan<byte> payload, ReadOnlySpan<byte> binding) =>
        payload.Length >= 1 + BindingLength + 16 && payload[0] == Version && payload.Slice(1, BindingLength).SequenceEqual(binding)
            ? new Position(Encoding.UTF8.GetString(payload[(1 + BindingLength + 16)..]), new Guid(payload.Slice(1 + BindingLength, 16), bigEndian: true))
            : null;
}
