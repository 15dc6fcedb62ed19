using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mainstay.Internal;

namespace Mainstay;

/// <summary>
/// How results, lists and refusals look on the wire, as one replaceable part: every operation, the router, the sign-in and the limits write through
/// it, and the OpenAPI document is written from it. This one writes <c>{"data": …, "meta": …}</c> and RFC 9457 problem documents. Derive from it to
/// serve a contract that exists already, and give it to <see cref="Backend.Format"/>.
/// </summary>
/// <remarks>
/// Statuses of success, headers, paging, and the JSON of a row itself are not part of it. One instance serves all requests at once, so it holds no state.
/// A read's bytes must depend on nothing but the rows, because its ETag is made from them; that is why only commands are told the request id.
/// </remarks>
public class WireFormat
{
    internal const string Json = "application/json";
    internal const string ProblemJson = "application/problem+json";

    /// <summary>Longest text of a problem document, in characters. Problems quote what was sent, and that can be long.</summary>
    internal const int TextMost = 2000;

    /// <summary>Longest Retry-After, in seconds.</summary>
    internal const int RetryAfterMost = 24 * 60 * 60;

    /// <summary>The media type of refusals. Default: <c>application/problem+json</c>.</summary>
    public virtual string ProblemMediaType => ProblemJson;

    /// <summary>The HTTP status of a refusal, for contracts that answer, say, a failed validation with 422. Default: the type's own.</summary>
    /// <param name="type">The kind of problem, the framework's own or one of the application.</param>
    public virtual int StatusOf(ProblemType type)
    {
        ArgumentNullException.ThrowIfNull(type);
        return type.Status;
    }

    /// <summary>Starts the envelope of a single value, up to where the value is written next.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="subject">What the value is.</param>
    public virtual void BeginItem(Utf8JsonWriter writer, ResultSubject subject)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteStartObject();
        writer.WritePropertyName("data"u8);
    }

    /// <summary>Ends it.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="subject">What the value is.</param>
    /// <param name="requestId">Of a command; null for a read.</param>
    public virtual void EndItem(Utf8JsonWriter writer, ResultSubject subject, string? requestId)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteStartObject("meta"u8);
        if (requestId is not null)
            writer.WriteString("requestId"u8, requestId);
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    /// <summary>Starts the envelope of a list, up to where its elements are written next.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="subject">What the elements are.</param>
    public virtual void BeginList(Utf8JsonWriter writer, ResultSubject subject)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteStartObject();
        writer.WriteStartArray("data"u8);
    }

    /// <summary>Ends a page of a resource's list.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="subject">What the elements are.</param>
    /// <param name="page">Where in the list the page is.</param>
    public virtual void EndPage(Utf8JsonWriter writer, ResultSubject subject, in ResultPage page)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteEndArray();
        writer.WriteStartObject("meta"u8);
        writer.WriteNumber("pageSize"u8, page.Size);
        writer.WriteString("nextCursor"u8, page.NextCursor);
        if (page.Number is { } number)
            writer.WriteNumber("page"u8, number);
        if (page.TotalCount is { } total)
        {
            writer.WriteNumber("totalCount"u8, total);
            writer.WriteBoolean("totalCountIsCapped"u8, page.TotalCountIsCapped);
        }
        if (page.TotalPages is { } pages)
            writer.WriteNumber("totalPages"u8, pages);
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    /// <summary>Ends a list that has no pages.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="subject">What the elements are.</param>
    /// <param name="count">How many there are.</param>
    /// <param name="requestId">Of a command; null for a read.</param>
    public virtual void EndList(Utf8JsonWriter writer, ResultSubject subject, int count, string? requestId)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteEndArray();
        writer.WriteStartObject("meta"u8);
        writer.WriteNumber("count"u8, count);
        if (requestId is not null)
            writer.WriteString("requestId"u8, requestId);
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    /// <summary>Ends the rows of a batch.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="subject">What the rows are.</param>
    /// <param name="tags">The entity tag of each row, in their order.</param>
    /// <param name="requestId">Of the command.</param>
    public virtual void EndBatch(Utf8JsonWriter writer, ResultSubject subject, IReadOnlyList<string> tags, string requestId)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentNullException.ThrowIfNull(tags);
        writer.WriteEndArray();
        writer.WriteStartObject("meta"u8);
        writer.WriteNumber("count"u8, tags.Count);
        writer.WriteStartArray("etags"u8);
        foreach (var tag in tags)
            writer.WriteStringValue(tag);
        writer.WriteEndArray();
        writer.WriteString("requestId"u8, requestId);
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    /// <summary>Writes a refusal as one complete JSON value.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="problem">What is refused, and why.</param>
    /// <param name="requestId">Under which the logs have it.</param>
    public virtual void WriteProblem(Utf8JsonWriter writer, ProblemException problem, string requestId)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentNullException.ThrowIfNull(problem);
        writer.WriteStartObject();
        writer.WriteString("type"u8, $"/problems/{problem.Type.Code}");
        writer.WriteString("title"u8, problem.Type.Title);
        writer.WriteNumber("status"u8, StatusOf(problem.Type));
        writer.WriteString("detail"u8, Short(problem.Message));
        writer.WriteString("code"u8, problem.Type.Code);
        if (problem.Errors.Count > 0)
        {
            writer.WriteStartArray("errors"u8);
            foreach (var error in problem.Errors)
                Write(writer, error);
            writer.WriteEndArray();
        }
        writer.WriteString("requestId"u8, requestId);
        if (Activity.Current is { } activity)
            writer.WriteString("traceId"u8, activity.TraceId.ToHexString());
        writer.WriteEndObject();
    }

    /// <summary>The JSON Schema (2020-12) of what <see cref="BeginItem"/> and <see cref="EndItem"/> write, for the OpenAPI document. Null: the default envelope.</summary>
    /// <param name="subject">What the value is.</param>
    /// <param name="value">The schema of the value itself.</param>
    public virtual JsonObject? ItemSchema(ResultSubject subject, JsonObject value) => null;

    /// <summary>The same for <see cref="BeginList"/> and <see cref="EndPage"/>.</summary>
    /// <param name="subject">What the elements are.</param>
    /// <param name="rows">The schema of the array of them.</param>
    public virtual JsonObject? PageSchema(ResultSubject subject, JsonObject rows) => null;

    /// <summary>The same for <see cref="BeginList"/> with <see cref="EndList"/>, and with <see cref="EndBatch"/>.</summary>
    /// <param name="subject">What the elements are.</param>
    /// <param name="elements">The schema of the array of them.</param>
    public virtual JsonObject? ListSchema(ResultSubject subject, JsonObject elements) => null;

    /// <summary>The same for <see cref="WriteProblem"/>.</summary>
    public virtual JsonObject? ProblemSchema() => null;

    /// <summary>Whoever writes another form also describes it, or the document would promise what is not served.</summary>
    /// <exception cref="ConfigurationException">MST1016: a writer is overridden and its schema is not.</exception>
    internal void Check()
    {
        (string Schema, string[] Writers)[] pairs =
        [
            (nameof(ItemSchema), [nameof(BeginItem), nameof(EndItem)]), (nameof(PageSchema), [nameof(BeginList), nameof(EndPage)]),
            (nameof(ListSchema), [nameof(BeginList), nameof(EndList), nameof(EndBatch)]), (nameof(ProblemSchema), [nameof(WriteProblem)]),
        ];
        bool IsOverridden(string method) => GetType().GetMethod(method)!.DeclaringType != typeof(WireFormat);
        var mistakes = pairs.Where(pair => pair.Writers.Any(IsOverridden) && !IsOverridden(pair.Schema))
            .Select(pair => new ConfigurationException("MST1016", $"{GetType().Name} overrides {string.Join(" and ", pair.Writers.Where(IsOverridden))} but not {pair.Schema}, so the OpenAPI document would describe what is not served. Override {pair.Schema} too."))
            .ToArray();
        if (mistakes.Length > 0)
            throw new ConfigurationException(mistakes);
    }

    /// <summary>A refusal as a complete answer. Its headers are the protocol's business, not the envelope's.</summary>
    internal Answer Problem(ProblemException problem, string requestId)
    {
        using var json = JsonScratch.Rent();
        WriteProblem(json.Writer, problem, requestId);
        var headers = new List<KeyValuePair<string, string>> { new("Content-Type", ProblemMediaType), new("Cache-Control", "no-store") };
        if (problem.RetryAfter is { } after)
            headers.Add(new("Retry-After", ((int)Math.Clamp(Math.Ceiling(after.TotalSeconds), 0, RetryAfterMost)).ToString(CultureInfo.InvariantCulture)));
        if (problem.Type == ProblemCatalogue.IdempotencyKeyRequired || problem.Type == ProblemCatalogue.InvalidIdempotencyKey || problem.Type == ProblemCatalogue.IdempotencyKeyReused)
            headers.Add(new("Link", $"</problems/{problem.Type.Code}>; rel=\"describedby\"; type=\"text/html\""));
        var status = StatusOf(problem.Type);
        if (status == 401)
            headers.Add(new("WWW-Authenticate", "Bearer"));
        return new Answer(status, json.ToArray()) { Headers = headers };
    }

    private static void Write(Utf8JsonWriter writer, FieldError error)
    {
        writer.WriteStartObject();
        if (error.Pointer is not null)
            writer.WriteString("pointer"u8, ShortPointer(error.Pointer));
        if (error.Parameter is not null)
            writer.WriteString("parameter"u8, Short(error.Parameter));
        writer.WriteString("code"u8, error.Code);
        writer.WriteString("detail"u8, Short(error.Detail));
        writer.WriteEndObject();
    }

    private static string Short(string text) => text.Length <= TextMost ? text
        : string.Concat(text.AsSpan(0, char.IsHighSurrogate(text[TextMost - 2]) ? TextMost - 2 : TextMost - 1), "…");

    /// <summary>Half a pointer would lead elsewhere: where one is too long, it names the nearest value around the place.</summary>
    private static string ShortPointer(string pointer)
    {
        while (pointer.Length > TextMost)
            pointer = pointer[..pointer.LastIndexOf('/')];
        return pointer;
    }
}
