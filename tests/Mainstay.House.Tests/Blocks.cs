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
        new("Audit") { Guide = "docs/guide/commands.md", Sample = "samples/shop.cs", Because = "Every change is audited; there is nothing to declare." },
        new("Authentication") { Guide = "docs/operate/configuration.md", Sample = "samples/shop.cs", Tests = "Policies", Because = "Until there is a sign-in, there are development keys and ASP.NET Core's own schemes." },
        Block.Machinery("Configuration", "Deadlines, which users set by Timeout."),
        new("Checks") { Guide = "docs/guide/testing.md", Sample = "samples/testing.cs", Because = "A part of the testing kit." },
        new("Cors") { Sample = null, Because = "One line that only a browser notices; the guide shows it." },
        new("Contracts") { Sample = "samples/shop.cs", Because = "The contract of the shop is checked in beside it." },
        new("DeadLetters") { Sample = "samples/jobs.cs", Because = "What becomes of jobs that fail; the sample of jobs has them." },
        new("Declarations") { Guide = "docs/guide/commands.md", Sample = "samples/shop.cs", Because = "Declarations are what all guides are about; commands and queries are the ones without a block of their own." },
        new("Dependencies") { Sample = "samples/modular/shop/Fulfilment/PaymentProvider.cs", Because = "A call needs somebody who is called; the larger application has two." },
        new("Factories") { Guide = "docs/guide/testing.md", Sample = "samples/testing.cs", Because = "A part of the testing kit." },
        new("Fakes") { Guide = "docs/guide/testing.md", Sample = "samples/testing.cs", Because = "A part of the testing kit." },
        new("Health") { Guide = "docs/operate/configuration.md", Sample = "samples/shop.cs", Tests = "Hosting", Because = "Two probes, always on." },
        new("Hosting") { Guide = "docs/operate/configuration.md", Sample = "samples/shop.cs", Because = "How a process starts and stops is for operators." },
        new("Idempotency"),
        new("Ids") { Guide = "docs/reference/http.md", Sample = "samples/shop.cs", Because = "Ids are part of the contract." },
        new("Inbox"),
        new("Jobs"),
        new("Ledger"),
        new("Logging") { Guide = "docs/operate/configuration.md", Sample = "samples/shop.cs", Because = "Every application logs; there is nothing to declare." },
        new("LongRunning"),
        Block.Machinery("Nodes", "The lease of a process; what it means is told where something is held under it."),
        new("OpenApi") { Guide = "docs/guide/openapi.md", Sample = "samples/shop.cs", Because = "Written from the declarations of every sample." },
        new("Operators") { Guide = "docs/guide/dead-letters.md", Sample = null, Tests = "DeadLetters", Because = "One line that says who; dead letters are what there is to look after, and their guide shows it." },
        new("Outbox"),
        new("Paging") { Guide = "docs/reference/http.md", Sample = "samples/shop.cs", Tests = "Resources", Because = "Cursors are part of lists." },
        Block.Machinery("Pipeline", "The sequence around every handler; its steps are tested where they are seen."),
        new("Policies") { Sample = "samples/shop.cs", Because = "A policy needs something to protect." },
        new("Problems")
        {
            Guide = "docs/errors/README.md", Sample = null, Tests = null,
            Because = "The index of the errors is their guide, every sample shows them, and each block tests the ones it raises.",
        },
        new("Queues") { Sample = "samples/queue.cs", Because = "The sample shows what one queue is told." },
        new("RateLimits"),
        new("Reads") { Guide = "docs/guide/resources.md", Sample = "samples/shop.cs", Because = "How lists and single rows are asked for; there is nothing to declare." },
        new("Replies"),
        new("Requests") { Guide = "docs/reference/http.md", Sample = "samples/shop.cs", Tests = "Rest", Because = "The query string is part of the contract." },
        new("Resources") { Sample = "samples/shop.cs", Because = "The shop is the example of resources." },
        new("Rest") { Guide = "docs/reference/http.md", Sample = "samples/shop.cs", Because = "The contract is its guide." },
        new("Sagas") { Sample = "samples/saga.cs", Because = "The sample shows one saga." },
        new("Schedules") { Sample = "samples/shop.cs", Because = "The shop has a nightly job; alone, schedules are declared where jobs are." },
        new("Schema") { Guide = "docs/operate/schema.md", Sample = "samples/shop.cs", Because = "For operators; nothing to declare beyond the resources." },
        new("Server") { Guide = "docs/internals/embedded-postgres.md", Sample = "samples/shop.cs", Because = "It runs without being asked." },
        Block.Machinery("Shapes", "How types are read and written; seen through every request."),
        Block.Machinery("Tables", "The model behind resources and schema."),
        new("Signatures"),
        new("WireFormats"),
        new("Transactions") { Guide = "docs/guide/commands.md", Sample = "samples/shop.cs", Because = "Units of work are met in commands." },
    ];
}
