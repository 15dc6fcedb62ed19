using System.Security.Cryptography;
using System.Text;

namespace Mainstay.Internal;

/// <summary>Where a page starts: behind the row with this sort value and id, within one question.</summary>
/// <param name="Value">The sort value's text form at full precision; null when the row has none, or when sorted by id.</param>
/// <param name="Id">The id of the last row of the page before.</param>
internal sealed record Position(string? Value, Guid Id)
{
    private const int BindingLength = 16;
    private const int IdLength = 16;
    private const int HeadLength = BindingLength + IdLength + 1;

    /// <summary>A short hash of everything that makes two questions different.</summary>
    public static byte[] BindingOf(params IEnumerable<string> parts) =>
        SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', parts.Select(part => $"{part.Length}:{part}"))))[..BindingLength];

    /// <summary>How many bytes <see cref="Pack"/> writes.</summary>
    public int PackedLength => HeadLength + (Value is null ? 0 : Encoding.UTF8.GetByteCount(Value));

    /// <summary><code>binding 16 | id 16 | has a value 1 | value …</code></summary>
    public void Pack(Span<byte> payload, ReadOnlySpan<byte> binding)
    {
        binding.CopyTo(payload);
        Id.TryWriteBytes(payload[BindingLength..], bigEndian: true, out _);
        payload[HeadLength - 1] = Value is null ? (byte)0 : (byte)1;
        Encoding.UTF8.GetBytes(Value ?? "", payload[HeadLength..]);
    }

    /// <returns>The position, or null when the payload belongs to another question.</returns>
    public static Position? Unpack(ReadOnlySpan<byte> payload, ReadOnlySpan<byte> binding) =>
        payload.Length >= HeadLength && payload[..BindingLength].SequenceEqual(binding)
            ? new Position(payload[HeadLength - 1] == 0 ? null : Encoding.UTF8.GetString(payload[HeadLength..]), new Guid(payload.Slice(BindingLength, IdLength), bigEndian: true))
            : null;
}
