using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mainstay.Internal;

/// <summary>JSON merge patch inside a document column, by the algorithm of RFC 7396, section 2.</summary>
internal static class MergePatchDocument
{
    public static JsonElement? Apply(JsonElement? target, JsonElement? patch)
    {
        if (patch is not { ValueKind: not JsonValueKind.Null } change)
            return null;
        var merged = Merge(target is { } present ? Node(present) : null, change);
        return merged is null ? null : JsonSerializer.SerializeToElement(merged);
    }

    private static JsonNode? Merge(JsonNode? target, JsonElement patch)
    {
        if (patch.ValueKind != JsonValueKind.Object)
            return Node(patch);
        var merged = target as JsonObject ?? [];
        foreach (var member in patch.EnumerateObject())
            if (member.Value.ValueKind == JsonValueKind.Null)
                merged.Remove(member.Name);
            else
            {
                merged.Remove(member.Name, out var present);
                merged[member.Name] = Merge(present, member.Value);
            }
        return merged;
    }

    private static JsonNode? Node(JsonElement element) => JsonNode.Parse(element.GetRawText());
}
