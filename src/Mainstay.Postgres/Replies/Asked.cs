namespace Mainstay.Internal;

/// <summary>What a job knows of whoever waits for it.</summary>
/// <param name="Within">For how long, from its recording on.</param>
/// <param name="Key">What makes it the same request when it is asked again; null for nothing.</param>
internal sealed record Asked(TimeSpan Within, Guid? Key);
