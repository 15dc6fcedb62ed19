using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Mainstay.Tests;

/// <summary>As much of JSON Schema 2020-12 as the document uses. A keyword that it does not know is a finding, so that nothing passes unread.</summary>
internal sealed class SchemaCheck(JsonNode document)
{
    private static readonly HashSet<string> annotations = ["description", "format", "examples", "default", "readOnly", "contentEncoding", "title"];

    public List<string> Findings { get; } = [];

    public JsonNode Resolve(JsonNode node) => node["$ref"]?.GetValue<string>() is { } reference ? Resolve(Follow(reference)) : node;

    public JsonNode Follow(string reference) => reference[2..].Split('/').Aggregate(document, (node, name) =>
        node[name.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal)] ?? throw new KeyNotFoundException($"{reference} leads nowhere."));

    public void Check(JsonNode? value, JsonNode schema, string at)
    {
        foreach (var (keyword, rule) in schema.AsObject())
            if (!annotations.Contains(keyword) && !Holds(keyword, rule!, value, schema, at))
                Findings.Add($"{at}: {value?.ToJsonString() ?? "null"} breaks {keyword} {rule?.ToJsonString()}");
    }

    private bool Holds(string keyword, JsonNode rule, JsonNode? value, JsonNode schema, string at)
    {
        switch (keyword)
        {
            case "$ref":
                Check(value, Follow(rule.GetValue<string>()), at);
                return true;
            case "type":
                return rule is JsonArray types ? types.Any(type => Is(value, type!.GetValue<string>())) : Is(value, rule.GetValue<string>());
            case "enum":
                return rule.AsArray().Any(allowed => JsonNode.DeepEquals(allowed, value));
            case "anyOf":
                return rule.AsArray().Any(option => Passes(value, option!));
            case "not":
                return !Passes(value, rule);
            case "allOf":
                foreach (var part in rule.AsArray())
                    Check(value, part!, at);
                return true;
            case "required":
                return value is not JsonObject given || rule.AsArray().All(name => given.ContainsKey(name!.GetValue<string>()));
            case "properties":
                if (value is JsonObject members)
                    foreach (var (name, member) in members)
                        if (rule[name] is { } known)
                            Check(member, known, $"{at}/{name}");
                return true;
            case "additionalProperties":
                if (value is not JsonObject all)
                    return true;
                var others = all.Where(member => schema["properties"]?[member.Key] is null).ToArray();
                if (rule is not JsonObject)
                    return rule.GetValue<bool>() || others.Length == 0;
                foreach (var (name, member) in others)
                    Check(member, rule, $"{at}/{name}");
                return true;
            case "items":
                if (value is JsonArray items)
                    for (var i = 0; i < items.Count; i++)
                        Check(items[i], rule, $"{at}/{i}");
                return true;
            case "minItems":
                return value is not JsonArray few || few.Count >= rule.GetValue<int>();
            case "maxItems":
                return value is not JsonArray many || many.Count <= rule.GetValue<int>();
            case "minLength":
                return Text(value) is not { } shortest || shortest.Length >= rule.GetValue<int>();
            case "maxLength":
                return Text(value) is not { } longest || longest.Length <= rule.GetValue<int>();
            case "pattern":
                return Text(value) is not { } text || Regex.IsMatch(text, rule.GetValue<string>(), RegexOptions.ECMAScript | RegexOptions.None, TimeSpan.FromSeconds(1));
            case "minimum":
                return Number(value) is not { } least || least >= double.Parse(rule.ToJsonString(), System.Globalization.CultureInfo.InvariantCulture);
            case "maximum":
                return Number(value) is not { } most || most <= double.Parse(rule.ToJsonString(), System.Globalization.CultureInfo.InvariantCulture);
            default:
                return false;
        }
    }

    private bool Passes(JsonNode? value, JsonNode schema)
    {
        var attempt = new SchemaCheck(document);
        attempt.Check(value, schema, "");
        return attempt.Findings.Count == 0;
    }

    private static bool Is(JsonNode? value, string type) => type switch
    {
        "null" => value is null,
        "object" => value is JsonObject,
        "array" => value is JsonArray,
        "string" => Text(value) is not null,
        "boolean" => value is JsonValue truth && truth.TryGetValue<bool>(out _),
        "integer" => Number(value) is { } whole && whole == Math.Floor(whole),
        _ => Number(value) is not null,
    };

    private static string? Text(JsonNode? value) => value is JsonValue text && text.TryGetValue<string>(out var content) ? content : null;

    private static double? Number(JsonNode? value) => value is JsonValue number && number.GetValueKind() == System.Text.Json.JsonValueKind.Number ? number.GetValue<double>() : null;
}
