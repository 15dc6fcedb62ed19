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
        Require<JsonObject>("an object").Select(member => (member.Key, At(member.Value, member.Key)));

    public IEnumerable<ContractPart> Elements() =>
        Require<JsonArray>("an array").Select((element, i) => At(element, i.ToString(System.Globalization.CultureInfo.InvariantCulture)));

    public string? Text(string name) => (Node as JsonObject)?[name] is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;

    public bool IsTrue(string name) => Find(name)?.RequireValue<bool>("true or false") == true;

    /// <summary>The same part, known to be of a kind of JSON without which it says nothing.</summary>
    /// <exception cref="ContractFormatException">It is something else.</exception>
    public T Require<T>(string expected) where T : JsonNode => Node as T ?? throw Unexpected(expected);

    /// <summary>The same for a single value.</summary>
    public T RequireValue<T>(string expected) => Node is JsonValue value && value.TryGetValue<T>(out var known) ? known : throw Unexpected(expected);

    public void RequireNumber()
    {
        if (Node?.GetValueKind() != System.Text.Json.JsonValueKind.Number)
            throw Unexpected("a number");
    }

    private ContractFormatException Unexpected(string expected) => new($"{(Pointer.Length == 0 ? "the document" : Pointer)} is {Node?.ToJsonString(ContractFormat.Text) ?? "null"}, expected {expected}");

    public IEnumerable<string> Texts(string name) => Find(name)?.Elements().Select(text => text.RequireValue<string>("a text")) ?? [];

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
        if (!reference.StartsWith("#/", StringComparison.Ordinal))
            throw new ContractFormatException($"{Pointer}/$ref is '{reference}', expected a place in the same document such as #/components/schemas/Order");
        JsonNode? node = Document;
        var steps = reference[2..].Split('/').Select(step => Uri.UnescapeDataString(step).Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal)).ToArray();
        foreach (var step in steps)
            node = (node as JsonObject)?[step];
        return new ContractPart(Document, node, reference[1..]) { Name = steps is ["components", _, var name] ? name : null };
    }

    public static string Escape(string step) => step.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);
}

/// <summary>A place of a document holds something that OpenAPI does not put there.</summary>
internal sealed class ContractFormatException(string message) : Exception(message);
