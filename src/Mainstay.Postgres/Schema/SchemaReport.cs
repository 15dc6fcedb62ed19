namespace Mainstay.Internal;

/// <summary>What a start does about differences between the declared and the existing tables.</summary>
internal enum SchemaMode
{
    /// <summary>Makes additive changes; refuses to start when others are needed.</summary>
    Apply,

    /// <summary>Changes nothing; refuses to start when there is any difference.</summary>
    Check,

    /// <summary>Does not look.</summary>
    Off,
}

/// <summary>What the start-up step did.</summary>
/// <param name="Applied">The changes it made, in order.</param>
/// <param name="Notes">What it found undeclared and left alone.</param>
/// <param name="Version">The number of the newest file of Mainstay's own tables; 0 when nobody looked.</param>
internal sealed record SchemaReport(IReadOnlyList<SchemaChange> Applied, IReadOnlyList<string> Notes, int Version)
{
    public static readonly SchemaReport NotLooked = new([], [], 0);

    /// <summary>For the banner: a few words.</summary>
    public string Summary => (Version, Applied.Count) switch
    {
        (0, _) => "not checked",
        (_, 0) => "up to date",
        (_, 1) => "1 change applied",
        (_, var count) => $"{count} changes applied",
    };
}

/// <summary>How long the start-up step is patient.</summary>
internal sealed record SchemaLimits
{
    /// <summary>How long one statement may wait for a lock. All queries of that table wait behind it meanwhile. Default: 5 s, tried three times.</summary>
    public TimeSpan Lock { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long one statement may run. Building an index on a large table takes the longest. Default: 10 min.</summary>
    public TimeSpan Statement { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long to wait while another node does this step. Default: 60 s.</summary>
    public TimeSpan OtherNode { get; init; } = TimeSpan.FromSeconds(60);
}
