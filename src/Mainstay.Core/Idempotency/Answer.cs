namespace Mainstay.Internal;

/// <summary>A complete answer to a call, as bytes: what is sent, what a receipt keeps, and what a replay repeats.</summary>
internal sealed record Answer(int Status, ReadOnlyMemory<byte> Body)
{
    public IReadOnlyList<KeyValuePair<string, string>> Headers { get; init; } = [];

    /// <summary>Whether it comes from a receipt.</summary>
    public bool IsReplayed { get; init; }
}
