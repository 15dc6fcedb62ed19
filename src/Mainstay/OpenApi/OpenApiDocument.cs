using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mainstay.Internal;

/// <summary>
/// The contract of one API version as an OpenAPI 3.1 document. It is written from the declarations that also drive the pipeline, so it cannot
/// promise what is not served; the same declarations give the same bytes.
/// </summary>
internal static class OpenApiDocument
{
    public const string SpecificationVersion = "3.1.1";

    private static readonly JsonSerializerOptions format = new() { WriteIndented = true, NewLine = "\n", Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <param name="source">What is documented.</param>
    /// <param name="version">A version that occurs in paths, for example <c>v1</c>. Paths without a version are in every document.</param>
    public static byte[] Write(OpenApiSource source, string version)
    {
        var operations = source.Operations.Where(operation => !operation.IsInternal && ApiVersions.Of(operation.Pattern) is var found && (found is null || found == version)).ToArray();
        var names = new OpenApiNames(operations, source.Resources);
        var components = new OpenApiComponents();
        var writer = new OpenApiOperations(names, components, source.Resources, source.KeyLifetime, source.Format);
        var document = new JsonObject
        {
            ["openapi"] = SpecificationVersion,
            ["info"] = source.About.Write(version, isStandard: source.Format.GetType() == typeof(WireFormat)),
            ["servers"] = new JsonArray(source.About.Server()),
            ["tags"] = new JsonArray([.. names.Tags()]),
            ["security"] = new JsonArray(new JsonObject { [OpenApiOperations.Bearer] = new JsonArray() }),
            ["paths"] = Paths(operations, writer),
        };
        components.Ref("securitySchemes", OpenApiOperations.Bearer, () => new JsonObject
        {
            ["type"] = "http",
            ["scheme"] = "bearer",
            ["description"] = "`Authorization: Bearer <key>`. In development the start prints a key for each role.",
        });
        document["components"] = components.Write();
        return JsonSerializer.SerializeToUtf8Bytes(document, format);
    }

    private static JsonObject Paths(IEnumerable<Operation> operations, OpenApiOperations writer)
    {
        var paths = new JsonObject();
        foreach (var path in operations.GroupBy(operation => operation.Pattern))
        {
            var item = new JsonObject();
            foreach (var operation in path)
                item[operation.Method.ToLowerInvariant()] = writer.Write(operation);
            paths[path.Key] = item;
        }
        return paths;
    }
}

/// <summary>What a document is made from.</summary>
internal sealed record OpenApiSource(OpenApiAbout About, IReadOnlyList<Operation> Operations, IReadOnlyList<ResourceModel> Resources)
{
    /// <summary>How long an idempotency key is remembered.</summary>
    public TimeSpan KeyLifetime { get; init; } = new IdempotencyOptions().Lifetime;

    /// <summary>How results and refusals are written.</summary>
    public WireFormat Format { get; init; } = new();
}

/// <summary>The versions that paths start with.</summary>
internal static class ApiVersions
{
    /// <summary>The version of a path, for example <c>v1</c>, or null.</summary>
    public static string? Of(string pattern) =>
        pattern.Split('/', 3) is ["", ['v', .. var number] version, ..] && number.Length is > 0 and < 9 && number.All(char.IsAsciiDigit) ? version : null;

    /// <summary>All versions, newest last. An application without any has the one version <c>v1</c>.</summary>
    public static IReadOnlyList<string> All(IEnumerable<Operation> operations) =>
        operations.Select(operation => Of(operation.Pattern)).OfType<string>().Distinct().OrderBy(version => int.Parse(version.AsSpan(1), System.Globalization.CultureInfo.InvariantCulture)).ToArray()
            is { Length: > 0 } versions ? versions : ["v1"];
}

/// <summary>Parts that are described once and referred to. Only what is referred to is written, in alphabetical order.</summary>
internal sealed class OpenApiComponents
{
    private readonly SortedDictionary<string, SortedDictionary<string, JsonObject>> _kinds = new(StringComparer.Ordinal);

    /// <summary>A reference to a component, made at its first use. A component may refer to itself.</summary>
    public JsonObject Ref(string kind, string name, Func<JsonObject> make)
    {
        if (!_kinds.TryGetValue(kind, out var known))
            _kinds[kind] = known = new SortedDictionary<string, JsonObject>(StringComparer.Ordinal);
        if (known.TryAdd(name, []))
            known[name] = make();
        return new JsonObject { ["$ref"] = $"#/components/{kind}/{name}" };
    }

    /// <summary>What a reference leads to.</summary>
    public JsonObject Find(string reference) => reference.Split('/') is [.., var kind, var name] ? _kinds[kind][name] : throw new KeyNotFoundException(reference);

    public JsonObject Write() => new(_kinds.Select(kind => KeyValuePair.Create(kind.Key,
        (JsonNode?)new JsonObject(kind.Value.Select(part => KeyValuePair.Create(part.Key, (JsonNode?)part.Value))))));
}
