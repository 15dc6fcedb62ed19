using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Configuration;

namespace Mainstay.Internal;

/// <summary>One version of the application's contract, and what became of it since its document was written.</summary>
/// <param name="Version">For example <c>v1</c>.</param>
/// <param name="Before">The checked-in document, or null when there is none.</param>
/// <param name="After">The document of the declarations, or null when they have no such version any more.</param>
/// <param name="Changes">The differences, as far as clients are concerned.</param>
internal sealed record ContractCheck(string Version, string? Before, string? After, IReadOnlyList<ContractChange> Changes)
{
    public bool IsUpToDate => Before == After;

    public bool IsBreaking => Changes.Any(change => change.IsBreaking);

    /// <summary>Compares all versions that are declared or checked in.</summary>
    public static IReadOnlyList<ContractCheck> All(Backend backend, BackendModel model, ContractFolder folder)
    {
        var declared = Documents(backend, model);
        return [.. folder.Versions().Union(declared.Keys).Order(StringComparer.Ordinal).Select(version => Of(version, folder, declared.GetValueOrDefault(version)))];
    }

    private static ContractCheck Of(string version, ContractFolder folder, string? after)
    {
        var before = folder.Read(version);
        if (before is null || before == after)
            return new ContractCheck(version, before, after, []);
        var document = folder.Parse(version, before);
        if (after is null)
            return new ContractCheck(version, before, after, [new ContractChange(ContractRating.Breaking, $"all of {version}", "", $"The version {version} is gone.", $"every client of {version}", "Keep the version until its sunset has passed.")]);
        try
        {
            return new ContractCheck(version, before, after, ContractComparison.Compare(document, JsonNode.Parse(after)!.AsObject()));
        }
        catch (ContractFormatException e)
        {
            throw folder.Unreadable(version, e.Message, e); // ours has no such place
        }
    }

    /// <summary>The documents of all versions. What settings say (title, address, contact) differs from place to place and is left out.</summary>
    private static Dictionary<string, string> Documents(Backend backend, BackendModel model)
    {
        var about = OpenApiAbout.Of(backend.Name, new ConfigurationBuilder().Build(), backend.Builder.Environment) with { Environment = "Any environment", IsInternal = false };
        var source = new OpenApiSource(about, model.Operations, backend.Resources) { Format = backend.Wire };
        return ApiVersions.All(model.Operations).ToDictionary(version => version, version => Encoding.UTF8.GetString(OpenApiDocument.Write(source, version)) + "\n");
    }
}
