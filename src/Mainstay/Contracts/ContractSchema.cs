using System.Text.Json.Nodes;

namespace Mainstay.Internal;

/// <summary>
/// One form that a value may have, with exactly one JSON type or with none when any is allowed. A schema is a list of such forms:
/// <code>
/// { "anyOf": [{ "$ref": "#/components/schemas/Product" }, { "type": "null" }] }   →   object Product | null
/// { "type": ["string", "null"], "maxLength": 40 }                                →   string, maxLength 40 | null
/// { "allOf": [A, { "properties": … }] }                                          →   object with the members of both
/// </code>
/// Comparing forms instead of schemas makes the spelling of a schema irrelevant.
/// </summary>
internal sealed class ContractSchema
{
    // What one part of an allOf says about a member is a list, because another part may say more: all of it counts.
    private readonly SortedDictionary<string, List<ContractPart>> _members = new(StringComparer.Ordinal);

    private ContractSchema(string pointer, string? name) => (Pointer, Name) = (pointer, name);

    public string Pointer { get; private init; }

    /// <summary>The name of the component that it is, or null for a form that is written in place.</summary>
    public string? Name { get; private init; }

    /// <summary><c>string</c>, <c>object</c> and so on; null when any is allowed.</summary>
    public string? Type { get; private set; }

    /// <summary>The allowed values, or null for all of the type.</summary>
    public IReadOnlyList<JsonNode?>? Values { get; private set; }

    /// <summary>Keywords that bound the value and have no reader of their own above: lengths, ranges, patterns.</summary>
    public SortedDictionary<string, JsonNode?> Keywords { get; } = new(StringComparer.Ordinal);

    public IReadOnlyDictionary<string, List<ContractPart>> Members => _members;

    public HashSet<string> Required { get; } = new(StringComparer.Ordinal);

    public List<ContractPart> Elements { get; } = [];

    /// <summary>Schemas of members that have no name in the contract.</summary>
    public List<ContractPart> Others { get; } = [];

    /// <summary>Whether members that the contract does not name are refused.</summary>
    public bool IsClosed { get; private set; }

    /// <summary>Keywords that say nothing about which values are right.</summary>
    private static readonly HashSet<string> remarks =
    [
        "title", "description", "examples", "example", "$comment", "$id", "$schema", "$anchor", "deprecated", "default", "readOnly", "writeOnly", "externalDocs", "xml", "discriminator", "$defs",
    ];

    /// <summary>All forms of a value of which several schemas are true at once.</summary>
    public static IReadOnlyList<ContractSchema> FormsOf(IReadOnlyList<ContractPart> schemas) =>
        schemas.Count == 0 ? [new ContractSchema("", null)] : All(schemas.Select(schema => Forms(schema, [])));

    /// <summary>A remark such as <c>default</c> about a value, wherever its schemas make it.</summary>
    public static JsonNode? Remark(IReadOnlyList<ContractPart> schemas, string keyword) => schemas.SelectMany(schema => Spread(schema, [])).Select(part => (part.Node as JsonObject)?[keyword]).FirstOrDefault(node => node is not null);

    /// <summary>The schema, what it refers to, and the parts of its allOf.</summary>
    private static IEnumerable<ContractPart> Spread(ContractPart schema, HashSet<string> seen)
    {
        if (!seen.Add(schema.Pointer))
            yield break;
        yield return schema;
        if (schema.Text("$ref") is { } reference)
            foreach (var part in Spread(schema.Follow(reference), seen))
                yield return part;
        foreach (var part in (schema.Find("allOf")?.Elements() ?? []).SelectMany(part => Spread(part, seen)))
            yield return part;
    }

    private static ContractSchema[] Forms(ContractPart schema, HashSet<string> above)
    {
        if (schema.Node is not JsonObject)
            return schema.RequireValue<bool>("a schema") ? [new ContractSchema(schema.Pointer, null)] : [];
        // A schema that consists of itself adds nothing to itself. Members and elements start anew, they are recursive rightly.
        if (!above.Add(schema.Pointer))
            return [new ContractSchema(schema.Pointer, schema.Name)];
        List<IReadOnlyList<ContractSchema>> all = [Own(schema)];
        if (schema.Text("$ref") is { } reference)
            all.Insert(0, Forms(schema.Follow(reference), above));
        foreach (var part in schema.Find("allOf")?.Elements() ?? [])
            all.Add(Forms(part, above));
        foreach (var choice in new[] { "anyOf", "oneOf" })
            if (schema.Find(choice) is { } choices)
                all.Add([.. choices.Elements().SelectMany(part => Forms(part, above))]);
        above.Remove(schema.Pointer);
        return All(all);
    }

    /// <summary>Each form of one with each form of the other, as far as there are values of both.</summary>
    private static ContractSchema[] All(IEnumerable<IReadOnlyList<ContractSchema>> parts) =>
        parts.Aggregate((left, right) => [.. left.SelectMany(_ => right, (one, other) => one.And(other)).OfType<ContractSchema>()]).Where(form => form.Values is not { Count: 0 }).ToArray();

    /// <summary>What the keywords of this schema alone say: one form for each of its types.</summary>
    private static IReadOnlyList<ContractSchema> Own(ContractPart schema)
    {
        string?[] named = schema.Find("type") switch
        {
            null => [null],
            { Node: JsonArray } types => [.. types.Elements().Select(type => type.RequireValue<string>("the name of a type"))],
            var type => [type.RequireValue<string>("the name of a type")],
        };
        return [.. named.Select(type => Own(schema, type))];
    }

    private static ContractSchema Own(ContractPart schema, string? type)
    {
        var form = new ContractSchema(schema.Pointer, schema.Name) { Type = type };
        foreach (var (keyword, part) in schema.Members())
            switch (keyword)
            {
                case "enum":
                    form.Values = [.. part.Require<JsonArray>("an array of values").Where(value => type is null || value is null == (type == "null"))];
                    break;
                case "const":
                    form.Values = [part.Node];
                    break;
                case "properties":
                    foreach (var (name, member) in part.Members())
                        form._members[name] = [member];
                    break;
                case "required":
                    form.Required.UnionWith(schema.Texts("required"));
                    break;
                case "items":
                    form.Elements.Add(part);
                    break;
                case "additionalProperties" or "unevaluatedProperties":
                    if (part.Node is JsonObject)
                        form.Others.Add(part);
                    else
                        form.IsClosed = !part.RequireValue<bool>("a schema");
                    break;
                case "type" or "$ref" or "allOf" or "anyOf" or "oneOf":
                    break;
                default:
                    if (ContractNumbers.IsUpper(keyword) || ContractNumbers.IsLower(keyword))
                        part.RequireNumber();
                    if (!remarks.Contains(keyword) && !keyword.StartsWith("x-", StringComparison.Ordinal) && Concerns(keyword, type))
                        form.Keywords[keyword] = part.Node;
                    break;
            }
        return form;
    }

    /// <summary>A bound of another type says nothing: null has no length.</summary>
    private static bool Concerns(string keyword, string? type) => keyword switch
    {
        "minLength" or "maxLength" or "pattern" or "format" or "contentEncoding" or "contentMediaType" => type is null or "string" || (keyword == "format" && type is "integer" or "number"),
        "minimum" or "maximum" or "exclusiveMinimum" or "exclusiveMaximum" or "multipleOf" => type is null or "integer" or "number",
        "minItems" or "maxItems" or "uniqueItems" => type is null or "array",
        _ => type != "null",
    };

    /// <summary>The form of values that have both, or null when none can.</summary>
    private ContractSchema? And(ContractSchema other)
    {
        if (Type is not null && other.Type is not null && Type != other.Type && !(Type is "integer" or "number" && other.Type is "integer" or "number"))
            return null;
        var isPlain = other.IsEmpty;
        var both = new ContractSchema(IsEmpty && !isPlain ? other.Pointer : Pointer, IsEmpty && !isPlain ? other.Name : isPlain ? Name ?? other.Name : Name)
        {
            Type = Type == "integer" || other.Type == "integer" ? "integer" : Type ?? other.Type,
            Values = Values is null ? other.Values : other.Values is null ? Values : [.. Values.Where(value => other.Values.Any(known => JsonNode.DeepEquals(known, value)))],
            IsClosed = IsClosed || other.IsClosed,
        };
        foreach (var form in new[] { this, other })
        {
            foreach (var (keyword, value) in form.Keywords)
                both.Keywords[keyword] = both.Keywords.TryGetValue(keyword, out var known) ? Both(keyword, known, value) : value;
            foreach (var (name, schemas) in form._members)
                both._members[name] = [.. both._members.GetValueOrDefault(name) ?? [], .. schemas];
            both.Required.UnionWith(form.Required);
            both.Elements.AddRange(form.Elements);
            both.Others.AddRange(form.Others);
        }
        return both;
    }

    /// <summary>Of two bounds the narrower one. Two of anything else are a list of both.</summary>
    private static JsonNode? Both(string keyword, JsonNode? one, JsonNode? other) =>
        JsonNode.DeepEquals(one, other) ? one
        : ContractNumbers.IsUpper(keyword) ? ContractNumbers.Compare(one!, other!) < 0 ? one : other
        : ContractNumbers.IsLower(keyword) ? ContractNumbers.Compare(one!, other!) > 0 ? one : other
        : new JsonArray(one?.DeepClone(), other?.DeepClone());

    private bool IsEmpty => Type is null && Values is null && Keywords.Count == 0 && _members.Count == 0 && Required.Count == 0 && Elements.Count == 0 && Others.Count == 0 && !IsClosed;
}
