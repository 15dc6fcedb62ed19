namespace Mainstay.Internal;

/// <summary>Which members of a resource an answer shows, and what beside them.</summary>
/// <param name="Fields">The chosen members' columns by ordinal, or null for all.</param>
/// <param name="Includes">What is shown beside each row.</param>
internal sealed record Representation(IReadOnlySet<int>? Fields, IReadOnlyList<ResourceInclude> Includes)
{
    public static readonly Representation Full = new(null, []);

    /// <summary>A short text that differs between representations of one row, for its ETag. Empty for the full one.</summary>
    public string Tag => Fields is null ? "" : "-f" + string.Join('.', Fields.Order());

    public static Representation Read(ResourceModel resource, QueryParameters parameters, InputFaults faults)
    {
        HashSet<int>? fields = null;
        if (parameters.Find("fields") is { } names)
        {
            fields = [];
            foreach (var name in names.Split(','))
            {
                var ordinal = resource.Table.Columns.ToList().FindIndex(column => column.Member.Name == name);
                if (ordinal < 0)
                    faults.Add(FieldError.In("fields", "unknown", $"There is no member '{Shown(name)}'.{Suggestion.For(name, resource.Table.Columns.Select(column => column.Member.Name))}"));
                else
                    fields.Add(ordinal);
            }
        }
        var includes = new List<ResourceInclude>();
        if (parameters.Find("include") is { } included)
            foreach (var name in included.Split(',').Distinct(StringComparer.Ordinal))
                if (resource.Includes.FirstOrDefault(known => known.Name == name) is { } include)
                    includes.Add(include);
                else
                    faults.Add(FieldError.In("include", "unknown", resource.Includes.Count == 0
                        ? "Nothing can be included here."
                        : $"Expected one of {string.Join(", ", resource.Includes.Select(known => known.Name))}.{Suggestion.For(name, resource.Includes.Select(known => known.Name))}"));
        return new Representation(fields, includes);
    }

    private static string Shown(string name) => name.Length <= 64 ? name : name[..64] + "…";
}
