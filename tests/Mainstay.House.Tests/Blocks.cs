namespace Mainstay.Tests;

/// <summary>
/// One block: a folder of that name under a project of src, and by the same stem its guide page, its sample and its folder of tests.
/// A part that lies elsewhere is named; a part that does not exist is null, and <see cref="Because"/> says why.
/// </summary>
internal sealed record Block(string Stem)
{
    /// <summary>The page that explains the block to its users. Default: docs/guide/stem.md.</summary>
    public string? Guide { get; init; } = $"docs/guide/{Kebab(Stem)}.md";

    /// <summary>The program that uses the block alone. Default: samples/stem.cs.</summary>
    public string? Sample { get; init; } = $"samples/{Kebab(Stem)}.cs";

    /// <summary>The folder of its tests, in any project under tests. Default: Stem.</summary>
    public string? Tests { get; init; } = Stem;

    /// <summary>Why a part is missing or lies elsewhere.</summary>
    public string? Because { get; init; }

    /// <summary>Parts of the engine room that no user meets under this name.</summary>
    public static Block Machinery(string stem, string because) => new(stem) { Guide = null, Sample = null, Tests = null, Because = because };

    /// <summary>RateLimits is rate-limits in addresses and file names.</summary>
    private static string Kebab(string stem) => string.Concat(stem.Select((letter, i) => char.IsUpper(letter) && i > 0 && !char.IsUpper(stem[i - 1]) ? $"-{letter}" : $"{letter}")).ToLowerInvariant();
}

internal static class Blocks
{
    /// <summary>Every folder directly under a project of src. Whoever adds a folder adds a row.</summary>
    public static IReadOnlyList<Block> All { get; } =
    [
        new("Idempotency"),
        new("Outbox"),
        new("Problems")
        {
            Guide = "docs/errors/README.md", Sample = null, Tests = null,
            Because = "The index of the errors is their guide, every sample shows them, and each block tests the ones it raises.",
        },
    ];
}
