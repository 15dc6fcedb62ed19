namespace Mainstay;

/// <summary>When <see cref="TestBackend.DrainAsync"/> is content.</summary>
public sealed record DrainOptions
{
    /// <summary>Whether work may have died meanwhile. Default: no; new dead letters are a failure, once.</summary>
    public bool AllowsDeadLetters { get; init; }

    /// <summary>How long it may take, by the machine's clock, before what is still open is a failure. Default: 30 s.</summary>
    public TimeSpan Within { get; init; } = TimeSpan.FromSeconds(30);
}
