namespace Mainstay.Internal;

/// <summary>One method of one path of a document.</summary>
internal sealed record ContractOperation(string Method, string Path, ContractPart Part, ContractPart Item)
{
    private static readonly string[] methods = ["get", "put", "post", "delete", "options", "head", "patch", "trace", "query"];

    public string Name => $"{Method} {Path}";

    /// <summary>Names of path parameters do not tell routes apart.</summary>
    public string Key => $"{Method} {RoutePatterns.Nameless(Path)}";

    public string? Id => Part.Text("operationId");

    public static IReadOnlyList<ContractOperation> AllOf(ContractPart document) =>
    [
        .. from path in document.Find("paths")?.Members() ?? []
           from member in path.Part.Members()
           where methods.Contains(member.Name)
           select new ContractOperation(member.Name.ToUpperInvariant(), path.Name, member.Part, path.Part),
    ];

    /// <summary>Parameters by what identifies them: a path parameter by its position, a header without regard to case.</summary>
    public IReadOnlyDictionary<string, ContractPart> Parameters()
    {
        var found = new SortedDictionary<string, ContractPart>(StringComparer.Ordinal);
        foreach (var parameter in (Item.Find("parameters")?.Elements() ?? []).Concat(Part.Find("parameters")?.Elements() ?? []))
            found[KeyOf(parameter)] = parameter;
        return found;
    }

    private string KeyOf(ContractPart parameter)
    {
        var (place, name) = (parameter.Text("in"), parameter.Text("name") ?? "");
        return place switch
        {
            "path" => $"path {Array.FindIndex(Path.Split('/'), segment => segment.Contains($"{{{name}}}", StringComparison.Ordinal))}",
            "header" => $"header {name.ToLowerInvariant()}",
            _ => $"{place} {name}",
        };
    }

    /// <summary>What a caller must prove: one of these sets of schemes and scopes. A set without any admits everybody.</summary>
    public IReadOnlyList<HashSet<string>> Security(ContractPart document)
    {
        var alternatives = (Part.Find("security") ?? document.Find("security"))?.Elements().ToArray() ?? [];
        return alternatives.Length == 0 ? [[]]
            : [.. alternatives.Select(alternative => alternative.Members().SelectMany(scheme => alternative.Texts(scheme.Name).Select(scope => $"{scheme.Name} {scope}").Prepend(scheme.Name)).ToHashSet())];
    }
}
