namespace Mainstay;

/// <summary>What a check that found nothing came to.</summary>
/// <param name="Name">The name of the check.</param>
/// <param name="Skipped">Why it could not look; null when it did.</param>
public sealed record CheckResult(string Name, string? Skipped);
