using System.Text.Json;

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

    public override void EndPage(Utf8JsonWriter writer, ResultSubject subject, in ResultPage page)
    {
        EndList(writer, subject, page.Count, null);
    }

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
}
