using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mainstay.Tests;

/// <summary>Results as by default; refusals as <c>{"error": {"code", "message", "details"}}</c> in ordinary JSON.</summary>
internal sealed class ErrorEnvelope : WireFormat
{
    public override string ProblemMediaType => "application/json";

    public override void WriteProblem(Utf8JsonWriter writer, ProblemException problem, string requestId)
    {
        writer.WriteStartObject();
        writer.WriteStartObject("error");
        writer.WriteString("code", problem.Type.Code.ToUpperInvariant().Replace('-', '_'));
        writer.WriteString("message", problem.Message);
        writer.WriteStartArray("details");
        foreach (var error in problem.Errors)
        {
            writer.WriteStartObject();
            writer.WriteString("field", error.Parameter ?? error.Pointer!.TrimStart('#', '/'));
            writer.WriteString("issue", error.Detail);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    public override JsonObject ProblemSchema() => JsonNode.Parse("""
        {"type": "object", "required": ["error"], "additionalProperties": false, "properties": {"error": {
            "type": "object", "required": ["code", "message", "details"], "additionalProperties": false, "properties": {
                "code": {"type": "string", "maxLength": 100}, "message": {"type": "string", "maxLength": 10000},
                "details": {"type": "array", "maxItems": 100, "items": {"type": "object", "required": ["field", "issue"], "properties": {"field": {"type": "string", "maxLength": 2000}, "issue": {"type": "string", "maxLength": 2000}}}}}}}}
        """)!.AsObject();
}

/// <summary>A contract of another house: rows under their own name, a count beside lists, faults by field, and 422 for whatever is wrong with the input.</summary>
internal sealed class NamedEnvelope : WireFormat
{
    public override string ProblemMediaType => "application/json";

    public override int StatusOf(ProblemType type) => type.Code is "validation-failed" or "already-exists" ? 422 : base.StatusOf(type);

    public override void BeginItem(Utf8JsonWriter writer, ResultSubject subject)
    {
        writer.WriteStartObject();
        writer.WritePropertyName(subject.Item ?? "result");
    }

    public override void EndItem(Utf8JsonWriter writer, ResultSubject subject, string? requestId) => writer.WriteEndObject();

    public override void BeginList(Utf8JsonWriter writer, ResultSubject subject)
    {
        writer.WriteStartObject();
        writer.WriteStartArray(subject.Collection ?? "results");
    }

    public override void EndPage(Utf8JsonWriter writer, ResultSubject subject, in ResultPage page) => EndList(writer, subject, page.Count, null);

    public override void EndBatch(Utf8JsonWriter writer, ResultSubject subject, IReadOnlyList<string> tags, string requestId) => EndList(writer, subject, tags.Count, requestId);

    public override void EndList(Utf8JsonWriter writer, ResultSubject subject, int count, string? requestId)
    {
        writer.WriteEndArray();
        writer.WriteNumber($"{subject.Collection ?? "results"}Count", count);
        writer.WriteEndObject();
    }

    public override void WriteProblem(Utf8JsonWriter writer, ProblemException problem, string requestId)
    {
        writer.WriteStartObject();
        writer.WriteStartObject("errors");
        foreach (var field in problem.Errors.DefaultIfEmpty(new FieldError(null, "body", "", problem.Message)).GroupBy(error => error.Parameter ?? error.Pointer!.TrimStart('#', '/')))
        {
            writer.WriteStartArray(field.Key);
            foreach (var error in field)
                writer.WriteStringValue(error.Detail);
            writer.WriteEndArray();
        }
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    public override JsonObject ItemSchema(ResultSubject subject, JsonObject value) => Object((subject.Item ?? "result", value));

    public override JsonObject PageSchema(ResultSubject subject, JsonObject rows) => ListSchema(subject, rows);

    public override JsonObject ListSchema(ResultSubject subject, JsonObject elements) =>
        Object((subject.Collection ?? "results", elements), ($"{subject.Collection ?? "results"}Count", new JsonObject { ["type"] = "integer", ["minimum"] = 0, ["maximum"] = 1_000_000 }));

    public override JsonObject ProblemSchema() => Object(("errors", new JsonObject
    {
        ["type"] = "object", ["additionalProperties"] = new JsonObject { ["type"] = "array", ["maxItems"] = 100, ["items"] = new JsonObject { ["type"] = "string", ["maxLength"] = 2000 } },
    }));

    private static JsonObject Object(params (string Name, JsonObject Schema)[] members) => new()
    {
        ["type"] = "object",
        ["required"] = new JsonArray([.. members.Select(member => JsonValue.Create(member.Name))]),
        ["additionalProperties"] = false,
        ["properties"] = new JsonObject(members.Select(member => KeyValuePair.Create(member.Name, (JsonNode?)member.Schema))),
    };
}

/// <summary>Writes another form than its document says.</summary>
internal sealed class UndescribedEnvelope : WireFormat
{
    public override void EndItem(Utf8JsonWriter writer, ResultSubject subject, string? requestId) => writer.WriteEndObject();

    public override void WriteProblem(Utf8JsonWriter writer, ProblemException problem, string requestId) => writer.WriteNullValue();
}

/// <summary>Fails while it writes.</summary>
internal sealed class BrokenEnvelope : WireFormat
{
    public override void BeginItem(Utf8JsonWriter writer, ResultSubject subject) => throw new InvalidOperationException("The envelope is broken.");

    public override JsonObject? ItemSchema(ResultSubject subject, JsonObject value) => null;
}
