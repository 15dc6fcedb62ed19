namespace Mainstay.Internal;

/// <summary>What a queue may do over all nodes.</summary>
/// <param name="Queue">Its name.</param>
/// <param name="AtMost">How many of its jobs may be leased at the same time; null for any number.</param>
/// <param name="Spacing">The time between two beginnings in the long run; null for none.</param>
/// <param name="Burst">How many may begin at once after a pause.</param>
internal sealed record QueueLimit(string Queue, int? AtMost, TimeSpan? Spacing, int Burst);
