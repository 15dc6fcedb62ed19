namespace Mainstay;

/// <summary>What a scheduled job may ask for as its input.</summary>
/// <param name="PlannedAt">The planned time that this run is for. It runs then or later; of a run that somebody asked for, the time of the asking.</param>
public sealed record Tick(DateTimeOffset PlannedAt);
