namespace Mainstay.Internal;

/// <summary>A reply as it is stored: what the handler gave, or why there is none.</summary>
/// <param name="Reply">JSON.</param>
/// <param name="Problem">JSON.</param>
internal sealed record StoredReply(string? Reply, string? Problem);
