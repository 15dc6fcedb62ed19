namespace Mainstay.Tests;

/// <summary>One project under src: what it may reference and why no more. A package boundary exists only where a dependency boundary exists.</summary>
/// <param name="Project">Name of project, folder and assembly.</param>
/// <param name="Ours">Projects of ours it may reference.</param>
/// <param name="Packages">Packages it may reference; a trailing or inner * stands for any characters.</param>
/// <param name="Because">Reason, printed with a forbidden edge.</param>
internal sealed record Room(string Project, string[] Ours, string[] Packages, string Because)
{
    /// <summary>Whether it may use the ASP.NET Core shared framework.</summary>
    public bool Web { get; init; }

    /// <summary>Whether applications compile against it, so that its public surface is a promise.</summary>
    public bool IsLibrary { get; init; } = true;
}

internal static class Rooms
{
    /// <summary>Part of the platform: contracts without an implementation, released with .NET.</summary>
    public const string Abstractions = "Microsoft.Extensions.*.Abstractions";

    /// <summary>Core ← Postgres ← Mainstay ← Testing; transports and exporters hang on the side.</summary>
    public static IReadOnlyList<Room> All { get; } =
    [
        new("Mainstay.Core", [], [Abstractions],
            "Core is vocabulary and pure algorithms, usable in a worker or a client without a database driver or a web framework."),
        new("Mainstay.Postgres", ["Mainstay.Core"], [Abstractions, "Npgsql"],
            "Postgres speaks SQL and nothing else, so that a service without HTTP can use outbox, queues and receipts."),
        new("Mainstay", ["Mainstay.Core", "Mainstay.Postgres"], [Abstractions, "Npgsql", "Swashbuckle.AspNetCore.SwaggerUI"],
            "Mainstay is the framework on the ASP.NET Core shared framework; every further package would reach every application.") { Web = true },
        new("Mainstay.OpenTelemetry", ["Mainstay.Core", "Mainstay.Postgres", "Mainstay"], [Abstractions, "OpenTelemetry*"],
            "The exporter is optional: the framework itself emits ActivitySource and Meter.") { Web = true },
        new("Mainstay.RabbitMQ", ["Mainstay.Core", "Mainstay.Postgres"], [Abstractions, "Npgsql", "RabbitMQ.Client"],
            "A transport carries messages of the outbox and needs no web framework."),
        new("Mainstay.Testing", ["Mainstay.Core", "Mainstay.Postgres", "Mainstay"], [Abstractions, "Npgsql", "Microsoft.AspNetCore.*"],
            "Test support must not decide the user's test framework.") { Web = true },
        new("Mainstay.Analyzers", [], ["Microsoft.CodeAnalysis*"],
            "Analyzers are loaded by the compiler, which brings nothing else.") { IsLibrary = false },
    ];
}
