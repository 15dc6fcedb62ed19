using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>What caused a job, as it is kept beside it. Members that are null are left out.</summary>
internal static class OriginJson
{
    private static readonly Origin unknown = new("unknown", "unknown", null, null, null, null);

    public static string Write(Origin origin)
    {
        using var json = JsonScratch.Rent();
        var writer = json.Writer;
        writer.WriteStartObject();
        Text(writer, "operation", origin.Operation);
        Text(writer, "actor", origin.Actor);
        Text(writer, "requestId", origin.RequestId);
        Text(writer, "traceParent", origin.TraceParent);
        Text(writer, "causationId", origin.CausationId);
        Text(writer, "correlationId", origin.CorrelationId);
        if (origin.Asked is { } asked)
        {
            writer.WriteStartObject("asked");
            writer.WriteNumber("withinMilliseconds", asked.Within.TotalMilliseconds);
            if (asked.Key is { } key)
                writer.WriteString("key", key);
            writer.WriteEndObject();
        }
        writer.WriteEndObject();
        return json.ToString();
    }

    /// <summary>Reads what <see cref="Write"/> wrote, and whatever plain SQL put there instead: what is missing is unknown.</summary>
    public static Origin Read(string? json)
    {
        if (json is null)
            return unknown;
        try
        {
            return ReadWhatIs(json);
        }
        // Too deep, or half of a surrogate pair: PostgreSQL takes it.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return unknown;
        }
    }

    private static Origin ReadWhatIs(string json)
    {
        using var document = JsonDocument.Parse(json);
        var root = document.RootElement;
        string? Text(string name) => root.ValueKind == JsonValueKind.Object && root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        return new Origin(Text("operation") ?? "unknown", Text("actor") ?? "unknown", Text("requestId"), Text("traceParent"), Text("causationId"), Text("correlationId"))
        {
            Asked = root.ValueKind == JsonValueKind.Object && root.TryGetProperty("asked", out var asked) ? ReadAsked(asked) : null,
        };
    }

    private static Asked? ReadAsked(JsonElement asked) =>
        asked.ValueKind == JsonValueKind.Object && asked.TryGetProperty("withinMilliseconds", out var within) && within.ValueKind == JsonValueKind.Number && within.TryGetDouble(out var milliseconds)
            && milliseconds is >= 0 and <= int.MaxValue
            ? new Asked(TimeSpan.FromMilliseconds(milliseconds), asked.TryGetProperty("key", out var key) && key.ValueKind == JsonValueKind.String && key.TryGetGuid(out var known) ? known : null)
            : null;

    private static void Text(Utf8JsonWriter writer, string name, string? value)
    {
        if (value is not null)
            writer.WriteString(name, value);
    }
}
