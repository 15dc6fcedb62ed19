namespace Mainstay.Internal;

/// <summary>What a backend runs within: a process of its own on a machine, unless a test puts something in the place of that.</summary>
internal sealed record Surroundings
{
    /// <summary>What shows the time and runs the timers.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <inheritdoc cref="Database.LeaseClock"/>
    public TimeProvider LeaseClock { get => field ?? Clock; init; }

    /// <inheritdoc cref="Database.Faults"/>
    public IFaultPoints? Faults { get; init; }

    /// <summary>Whether the days of the history are made and dropped. That of a test ends with its database, and is kept in the partitions for the rest.</summary>
    public bool KeepsHistory { get; init; } = true;

    /// <summary>Gives the connection string, once it is known what is declared. Null: the configuration says it, or there is a private server.</summary>
    public Func<BackendModel, Task<string>>? FindDatabase { get; init; }
}
