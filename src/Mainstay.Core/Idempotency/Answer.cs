using System.Collections.Frozen;

namespace Mainstay.Internal;

/// <summary>A complete answer to a call, as bytes: what is sent, what a receipt keeps, and what a replay repeats.</summary>
internal sealed record Answer(int Status, ReadOnlyMemory<byte> Body)
{
    /// <summary>Headers that belong to one response and not to the answer. The cookie of a repetition would be another one's session.</summary>
    private static readonly FrozenSet<string> once = FrozenSet.ToFrozenSet(
        ["Set-Cookie", "Date", "Request-Id", "RateLimit", "RateLimit-Policy", "Server", "Connection", "Keep-Alive", "Transfer-Encoding", "Trailer", "Content-Length"], StringComparer.OrdinalIgnoreCase);

    public IReadOnlyList<KeyValuePair<string, string>> Headers { get; init; } = [];

    /// <summary>What the bytes lie in, when they were lent: to be disposed once they have been sent.</summary>
    public IDisposable? Rented { get; init; }

    /// <summary>Whether it comes from a receipt.</summary>
    public bool IsReplayed { get; init; }

    /// <summary>Whether a header is repeated with the answer.</summary>
    public static bool IsKept(string header) => !once.Contains(header);
}
