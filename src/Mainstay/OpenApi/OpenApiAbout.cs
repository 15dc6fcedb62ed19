using System.Text.Json.Nodes;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;

namespace Mainstay.Internal;

/// <summary>What the declarations do not say about an API: title, contact, licence and address, from configuration under <c>Mainstay:Api</c>.</summary>
internal sealed record OpenApiAbout
{
    public required string Title { get; init; }

    public string? Description { get; init; }

    public required string ContactName { get; init; }

    public string? ContactUrl { get; init; }

    public string? ContactEmail { get; init; }

    /// <summary>The SPDX identifier of the licence of the API's description. Default: <c>LicenseRef-Proprietary</c>, which grants nothing.</summary>
    public string License { get; init; } = "LicenseRef-Proprietary";

    /// <summary>The address that clients call. Default: <c>/</c>, where the document came from.</summary>
    public string ServerUrl { get; init; } = "/";

    /// <summary>The environment in which the document is served, for example Production.</summary>
    public required string Environment { get; init; }

    /// <summary>Whether the API is for people of the house alone. Default: in development, and nowhere else.</summary>
    public bool IsInternal { get; init; }

    public static OpenApiAbout Of(string name, IConfiguration configuration, IHostEnvironment environment)
    {
        var section = configuration.GetSection("Mainstay:Api");
        return new OpenApiAbout
        {
            Title = section["Title"] ?? char.ToUpperInvariant(name[0]) + name[1..],
            Description = section["Description"],
            ContactName = section["Contact:Name"] ?? name,
            ContactUrl = section["Contact:Url"],
            ContactEmail = section["Contact:Email"],
            License = section["License"] ?? "LicenseRef-Proprietary",
            Environment = environment.EnvironmentName,
            IsInternal = section["Internal"] is { Length: > 0 } text ? text.Equals("true", StringComparison.OrdinalIgnoreCase) : environment.IsDevelopment(),
            ServerUrl = section["Url"]?.TrimEnd('/') is { Length: > 0 } url ? url : "/",
        };
    }

    /// <param name="version">The version of the API.</param>
    /// <param name="isStandard">Whether results and refusals have the default form.</param>
    public JsonObject Write(string version, bool isStandard)
    {
        var contact = new JsonObject { ["name"] = ContactName };
        if (ContactUrl is not null)
            contact["url"] = ContactUrl;
        if (ContactEmail is not null)
            contact["email"] = ContactEmail;
        return new JsonObject
        {
            ["title"] = Title,
            ["version"] = version,
            ["description"] = (Description is null ? "" : Description + "\n\n") + (isStandard ? Forms + Conventions : Conventions),
            ["contact"] = contact,
            ["license"] = new JsonObject { ["name"] = License == "LicenseRef-Proprietary" ? "Proprietary" : License, ["identifier"] = License },
        };
    }

    public JsonObject Server() => new()
    {
        ["url"] = ServerUrl,
        ["description"] = $"{(Environment == "Development" ? "Local development" : Environment)}: {(ServerUrl == "/" ? "the server that this document came from" : "the server of this API")}.",
        ["x-internal"] = IsInternal,
    };

    private const string Forms = """
        Results are `{"data": …, "meta": …}`; refusals are `application/problem+json` with a stable `code`, and `type` leads to a page about it.

        - Lists have pages: pass `meta.nextCursor` as `cursor` until it is `null`.

        """;

    private const string Conventions = """
        - Send `Idempotency-Key` with every change; the same request with the same key is applied once and answered alike.
        - Send the `ETag` back as `If-Match` to change only what you have seen, or as `If-None-Match` to get `304` when nothing is new.
        - Unknown parameters and members are refused. Every `GET` also answers `HEAD`.
        - `Request-Id` is on every answer. Quote it when you report a problem.
        """;
}
