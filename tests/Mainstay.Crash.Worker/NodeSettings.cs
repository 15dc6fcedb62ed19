using System.Text.Json;

namespace Mainstay.Tests;

/// <summary>How a node of the fault tests is set up.</summary>
public sealed record NodeSettings
{
    /// <summary>The database, as the node reaches it.</summary>
    public required string ConnectionString { get; init; }

    /// <summary>The same database past everything that disturbs the node: the place where it calls out to.</summary>
    public required string Outside { get; init; }

    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(3);

    public TimeSpan Poll { get; init; } = TimeSpan.FromMilliseconds(250);

    public TimeSpan Drain { get; init; } = TimeSpan.FromSeconds(1);

    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(20);

    public int Workers { get; init; } = 4;

    /// <summary>Whether a handler that has called out goes no further until it is cancelled.</summary>
    public bool HoldsCalls { get; init; }

    /// <summary>Whether it declares the handlers that are limited or in order of a key, too. Claims of a queue with a limit are another statement.</summary>
    public bool HasLimits { get; init; }

    /// <summary>What becomes of the rest of a key when its head dies.</summary>
    public DeadHead DeadHead { get; init; }

    /// <summary>By how much the clock of the node is wrong.</summary>
    public TimeSpan ClockIsOffBy { get; init; }

    /// <summary>How often the scheduled job runs; null for none.</summary>
    public TimeSpan? TicksEvery { get; init; }

    /// <summary>Whether it makes journeys, which are sagas.</summary>
    public bool MakesJourneys { get; init; }

    /// <summary>Whether it keeps a ledger.</summary>
    public bool KeepsLedger { get; init; }

    /// <summary>Whether it makes purchases, which are sagas that move money in the ledger. Needs <see cref="KeepsLedger"/>.</summary>
    public bool MakesPurchases { get; init; }

    /// <summary>What becomes of differences of the schema at the start.</summary>
    public string Schema { get; init; } = "apply";

    /// <summary>Whether it is of the next release, which has a handler more.</summary>
    public bool IsNext { get; init; }

    public static NodeSettings Read(string[] args) => JsonSerializer.Deserialize<NodeSettings>(args[0])!;

    public string Write() => JsonSerializer.Serialize(this);
}

/// <summary>What a node says of itself.</summary>
public sealed class Voice(Action<string> say)
{
    public void Say(string what) => say("@ " + what);
}
