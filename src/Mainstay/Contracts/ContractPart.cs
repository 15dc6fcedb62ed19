using System.Text.Json.Nodes;

namespace Mainstay.Internal;

/// <summary>A place in an OpenAPI document. Reading goes through references, so whoever compares two documents never meets one.</summary>
/// <param name="Document">The whole document.</param>
/// <param name="Node">What is at the place.</param>
/// <param name="Pointer">The JSON Pointer of the place, behind the last reference.</param>
internal sealed record ContractPart(JsonObject Document, JsonNode? Node, string Pointer)
{
    // A chain this long can only be a circle.
    private const int ReferencesMost = 32;

    /// <summary>The name of the component that a reference led to, else null: what generated clients call the type.</summary>
    public string? Name { get; init; }

    public static ContractPart Of(JsonObject document) => new(document, document, "");

    /// <summary>A member, or null when it is not there.</summary>
    public ContractPart? Find(string name) => Node is JsonObject members && members.TryGetPropertyValue(name, out var node) ? At(node, name) : null;

    public IEnumerable<(string Name, ContractPart Part)> Members() =>
        Node is JsonObject members ? members.Select(member => (member.Key, At(member.Value, member.Key))) : [];

    public IEnumerable<ContractPart> Elements() =>
        Node is JsonArray elements ? elements.Select((element, i) => At(element, i.ToString(System.Globalization.CultureInfo.InvariantCulture))) : [];

    public string? Text(string name) => (Node as JsonObject)?[name] is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;

    public bool IsTrue(string name) => (Node as JsonObject)?[name] is JsonValue value && value.TryGetValue<bool>(out var isTrue) && isTrue;

    public IEnumerable<string> Texts(string name) => (Node as JsonObject)?[name] is JsonArray texts ? texts.OfType<JsonValue>().Select(text => text.ToString()) : [];

    private ContractPart At(JsonNode? node, string step)
    {
        var part = new ContractPart(Document, node, $"{Pointer}/{Escape(step)}");
        for (var i = 0; i < ReferencesMost && part.IsReference; i++)
            part = Follow(part.Text("$ref")!);
        return part;
    }

    /// <summary>Whether there is nothing but a reference, and words about it. A schema may have more beside it, which <see cref="ContractSchema"/> reads.</summary>
    private bool IsReference => Text("$ref") is { } reference && reference.StartsWith("#/", StringComparison.Ordinal)
        && Node!.AsObject().All(member => member.Key is "$ref" or "summary" or "description");

    /// <summary>What a reference of this document leads to; a part without a node when it leads nowhere.</summary>
    public ContractPart Follow(string reference)
    {
        JsonNode? node = Document;
        var steps = reference[2..].Split('/').Select(step => Uri.UnescapeDataString(step).Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal)).ToArray();
        foreach (var step in steps)
            node = (node as JsonObject)?[step];
        return new ContractPart(Document, node, reference[1..]) { Name = steps is ["components", _, var name] ? name : null };
    }

    public static string Escape(string step) => step.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);
}
