using System.Globalization;
using System.Text.Json.Nodes;

namespace Mainstay.Internal;

/// <summary>Examples made from schemas: values that they admit. Where a text must match a pattern of the application's own, there is none.</summary>
internal sealed class OpenApiExamples(OpenApiComponents components)
{
    // Records that contain themselves end somewhere.
    private const int DepthMost = 5;

    /// <summary>Whether there is an example; null may be one.</summary>
    public bool TryMake(JsonObject schema, out JsonNode? example) => TryMake(schema, 0, out example);

    private bool TryMake(JsonObject schema, int depth, out JsonNode? example)
    {
        example = null;
        if (schema["$ref"]?.GetValue<string>() is { } reference)
            return TryMake(components.Find(reference), depth, out example);
        if (schema["anyOf"] is JsonArray choices)
        {
            if (depth >= DepthMost && choices.Any(choice => choice!["type"] is JsonValue type && type.GetValue<string>() == "null"))
                return true;
            foreach (var choice in choices)
                if (TryMake((JsonObject)choice!, depth, out example))
                    return true;
            return false;
        }
        if ((schema["examples"] ?? schema["enum"]) is JsonArray { Count: > 0 } shown)
        {
            example = shown[0]?.DeepClone();
            return true;
        }
        if (schema.TryGetPropertyValue("default", out var standard))
        {
            example = standard?.DeepClone();
            return true;
        }
        var types = schema["type"] switch { JsonArray several => several.Select(type => type!.GetValue<string>()).ToArray(), JsonValue one => [one.GetValue<string>()], _ => [] };
        if (types.Contains("null") && depth >= DepthMost)
            return true;
        example = types.FirstOrDefault() switch
        {
            null => new JsonObject(),   // any JSON
            "object" => Members(schema, depth),
            "array" => Elements(schema, depth),
            "string" => Text(schema),
            "boolean" => true,
            "null" => null,
            _ => Number(schema),
        };
        return example is not null || types.Contains("null");
    }

    private JsonObject? Members(JsonObject schema, int depth)
    {
        var required = (schema["required"] as JsonArray)?.Select(name => name!.GetValue<string>()).ToHashSet() ?? [];
        var made = new JsonObject();
        foreach (var (name, member) in (JsonObject?)schema["properties"] ?? [])
            if (required.Contains(name) || (required.Count == 0 && depth < DepthMost))
            {
                if (TryMake((JsonObject)member!, depth + 1, out var value))
                    made[name] = value;
                else if (required.Contains(name))
                    return null;
            }
        return made;
    }

    private JsonArray? Elements(JsonObject schema, int depth)
    {
        var least = schema["minItems"]?.GetValue<int>() ?? 0;
        if ((depth >= DepthMost && least == 0) || !TryMake((JsonObject)schema["items"]!, depth + 1, out var element))
            return least == 0 ? [] : null;
        return new JsonArray([.. Enumerable.Range(0, Math.Max(1, least)).Select(_ => element?.DeepClone())]);
    }

    private static string? Text(JsonObject schema)
    {
        var (least, most) = (schema["minLength"]?.GetValue<int>() ?? 0, schema["maxLength"]?.GetValue<int>() ?? int.MaxValue);
        var text = schema["format"]?.GetValue<string>() switch
        {
            "date" => "2026-01-31",
            "date-time" => "2026-01-31T09:30:00Z",
            "time-local" => "09:30:00",
            "timespan" => "PT1H30M",
            "uuid" => "01890a5d-ac96-774b-bcce-b302099a8057",
            "email" => "ada@example.com",
            "uri" => "https://example.com/",
            _ when schema["contentEncoding"] is not null => most < 4 ? "" : "AAEC",
            _ when schema["pattern"]?.GetValue<string>() is null or OpenApiScalars.AnyText => "text"[..Math.Min(4, most)].PadRight(least, '.'),
            _ => null,
        };
        return text is not null && text.Length >= least && text.Length <= most ? text : null;
    }

    /// <summary>One, or the bound nearest to it.</summary>
    private static JsonValue? Number(JsonObject schema)
    {
        var value = 1m;
        if (Bound(schema["minimum"]) is { } from)
            value = Math.Max(value, from);
        if (Bound(schema["exclusiveMinimum"]) is { } above)
            value = Math.Max(value, above + 1);
        if (Bound(schema["maximum"]) is { } to)
            value = Math.Min(value, to);
        if (Bound(schema["exclusiveMaximum"]) is { } below && value >= below)
            value = below - 1;
        return Bound(schema["minimum"]) > value || Bound(schema["exclusiveMinimum"]) >= value ? null : JsonValue.Create(value);
    }

    /// <summary>A bound beyond what a decimal holds is none here.</summary>
    private static decimal? Bound(JsonNode? bound) => bound is not null && decimal.TryParse(bound.ToJsonString(), NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && Math.Abs(number) < 1e27m ? number : null;
}
