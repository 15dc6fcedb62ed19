#!/usr/bin/env dotnet
#:sdk Microsoft.NET.Sdk.Web
#:project ../src/Mainstay

// The contract of an older service, served exactly: rows under their own name, refusals as {"error": {…}} in ordinary JSON, failed validation as 422.

using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mainstay;

var library = Backend.Create("library", args);

library.Resource<Book>("/v1/books")
    .Unique(book => book.Isbn)
    .AllowRead(Policy.Anyone)
    .AllowWrite(Policy.Anyone);

return await library.Format(new OlderContract()).RunAsync();

record Book(Id<Book> Id, [MaxLength(17)] string Isbn, [MaxLength(200)] string Title);

class OlderContract : WireFormat
{
    public override string ProblemMediaType => "application/json";

    public override int StatusOf(ProblemType type) => type.Code == "validation-failed" ? 422 : base.StatusOf(type);

    // {"book": {…}}
    public override void BeginItem(Utf8JsonWriter writer, ResultSubject subject)
    {
        writer.WriteStartObject();
        writer.WritePropertyName(subject.Item ?? "result");
    }

    public override void EndItem(Utf8JsonWriter writer, ResultSubject subject, string? requestId) => writer.WriteEndObject();

    // {"error": {"code": "VALIDATION_FAILED", "message": "…", "details": [{"field": "title", "issue": "…"}]}}
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

    // What is written is also described, so that /openapi.json stays true.
    public override JsonObject ItemSchema(ResultSubject subject, JsonObject value) => Object((subject.Item ?? "result", value));

    public override JsonObject ProblemSchema() => Object(("error", Object(
        ("code", Text(100)),
        ("message", Text(10_000)),
        ("details", new JsonObject { ["type"] = "array", ["maxItems"] = 100, ["items"] = Object(("field", Text(1_000)), ("issue", Text(1_000))) }))));

    static JsonObject Text(int most) => new() { ["type"] = "string", ["maxLength"] = most };

    static JsonObject Object(params (string Name, JsonObject Schema)[] members) => new()
    {
        ["type"] = "object",
        ["required"] = new JsonArray([.. members.Select(member => JsonValue.Create(member.Name))]),
        ["properties"] = new JsonObject(members.Select(member => KeyValuePair.Create(member.Name, (JsonNode?)member.Schema))),
    };
}
