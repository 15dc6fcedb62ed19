using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>What caused a job, as it is kept beside it. Members that are null are left out.</summary>
internal static class OriginJson
{
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
        if (origin.Within is { } within)
            writer.WriteNumber("withinMilliseconds", within.TotalMilliseconds);
        writer.WriteEndObject();
        return json.ToString();
    }

    /// <summary>Reads what <see cref="Write"/> wrote, and whatever plain SQL put there instead: what is missing is unknown.</summary>
    public static Origin Read(string? json)
    {
        if (json is null)
            return new Origin("unknown", "unknown", null, null, null, null);
        using var document = JsonDocument.Parse(json);
        var root = document.RootElement;
        string? Text(string name) => root.ValueKind == JsonValueKind.Object && root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        return new Origin(Text("operation") ?? "unknown", Text("actor") ?? "unknown", Text("requestId"), Text("traceParent"), Text("causationId"), Text("correlationId"))
        {
            Within = root.ValueKind == JsonValueKind.Object && root.TryGetProperty("withinMilliseconds", out var within) && within.TryGetDouble(out var milliseconds) ? TimeSpan.FromMilliseconds(milliseconds) : null,
        };
    }

    private static void Text(Utf8JsonWriter writer, string name, string? value)
    {
        if (value is not null)
            writer.WriteString(name, value);
    }
}
