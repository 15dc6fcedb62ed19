namespace Mainstay.Internal;

/// <summary>Which members of a resource an answer shows, and what beside them.</summary>
/// <param name="Fields">The chosen members' columns by ordinal, or null for all.</param>
/// <param name="Includes">What is shown beside each row.</param>
internal sealed record Representation(IReadOnlySet<int>? Fields, IReadOnlyList<ResourceInclude> Includes)
{
    /// <summary>The most names in <c>fields</c> or <c>include</c>.</summary>
    public const int NamesMost = 100;

    public static readonly Representation Full = new(null, []);

    /// <summary>A short text that differs between representations of one row, for its ETag. Empty for the full one.</summary>
    public string Tag => Fields is null ? "" : "-f" + string.Join('.', Fields.Order());

    public static Representation Read(ResourceModel resource, QueryParameters parameters, InputFaults faults)
    {
        if (parameters.Find("fields") is null && parameters.Find("include") is null)
            return Full;
        HashSet<int>? fields = null;
        if (parameters.Find("fields") is { } names)
        {
            fields = [];
            foreach (var name in Names("fields", names, faults))
            {
                var ordinal = resource.Table.Columns.ToList().FindIndex(column => column.Member.Name == name);
                if (ordinal < 0)
                    faults.Add(FieldError.In("fields", "unknown", $"There is no member '{Shown(name)}'.{Suggestion.For(name, resource.Table.Columns.Select(column => column.Member.Name))}"));
                else if (!fields.Add(ordinal))
                    faults.Add(FieldError.In("fields", "duplicate", $"'{name}' is named twice."));
            }
        }
        var includes = new List<ResourceInclude>();
        if (parameters.Find("include") is { } included)
            foreach (var name in Names("include", included, faults))
                if (resource.Includes.FirstOrDefault(known => known.Name == name) is { } include)
                {
                    if (includes.Contains(include))
                        faults.Add(FieldError.In("include", "duplicate", $"'{name}' is named twice."));
                    else
                        includes.Add(include);
                }
                else
                    faults.Add(FieldError.In("include", "unknown", resource.Includes.Count == 0
                        ? "Nothing can be included here."
                        : $"Expected one of {string.Join(", ", resource.Includes.Select(known => known.Name))}.{Suggestion.For(name, resource.Includes.Select(known => known.Name))}"));
        return new Representation(fields, includes);
    }

    /// <summary>The names of a list; none where there is nothing in it, or more than a row could have.</summary>
    private static string[] Names(string parameter, string text, InputFaults faults)
    {
        var names = text.Split(',', NamesMost + 2);
        if (text.Length > 0 && names.Length <= NamesMost)
            return names;
        faults.Add(text.Length == 0
            ? FieldError.In(parameter, "minItems", "Expected at least one name. Leave the parameter out for everything that is shown without it.")
            : FieldError.In(parameter, "maxItems", $"Expected at most {NamesMost} names."));
        return [];
    }

    private static string Shown(string name) => name.Length <= 64 ? name : name[..64] + "…";
}
