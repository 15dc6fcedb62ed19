using System.Buffers;
using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>
/// How results, lists and problems look on the wire, as one replaceable part: everything that writes an envelope asks it. The default is
/// <c>{"data": …, "meta": {…}}</c> and RFC 9457 problem documents.
/// </summary>
internal class WireFormat
{
    public const string Json = "application/json";
    public const string ProblemJson = "application/problem+json";

    /// <summary>Longest text of a problem document, in characters. Problems quote what was sent, and that can be long.</summary>
    public const int TextMost = 2000;

    /// <summary>Longest Retry-After, in seconds.</summary>
    public const int RetryAfterMost = 24 * 60 * 60;

    /// <summary>Starts the envelope of a single value; the value is written next.</summary>
    public virtual void BeginItem(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WritePropertyName("data"u8);
    }

    /// <summary>Ends it.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="requestId">Of a command; null for a read, whose bytes must not depend on the request, or its ETag would be a lie.</param>
    public virtual void EndItem(Utf8JsonWriter writer, string? requestId)
    {
        writer.WriteStartObject("meta"u8);
        if (requestId is not null)
            writer.WriteString("requestId"u8, requestId);
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    /// <summary>Starts the envelope of a list; its elements are written next.</summary>
    public virtual void BeginList(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteStartArray("data"u8);
    }

    /// <summary>Ends a page.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="pageSize">How many rows were asked for.</param>
    /// <param name="nextCursor">Where the next page begins; null on the last one.</param>
    /// <param name="total">How many rows there are on all pages, when that was asked for.</param>
    /// <param name="page">The number of the page, when it was asked for by number.</param>
    public virtual void EndPage(Utf8JsonWriter writer, int pageSize, string? nextCursor, ListTotal? total, int? page)
    {
        writer.WriteEndArray();
        writer.WriteStartObject("meta"u8);
        writer.WriteNumber("pageSize"u8, pageSize);
        writer.WriteString("nextCursor"u8, nextCursor);
        if (page is { } number)
            writer.WriteNumber("page"u8, number);
        if (total is { } rows)
        {
            writer.WriteNumber("totalCount"u8, rows.Count);
            writer.WriteBoolean("totalCountIsCapped"u8, rows.IsCapped);
            if (page is not null)
                writer.WriteNumber("totalPages"u8, rows.Pages(pageSize));
        }
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    /// <summary>Ends a list that has no pages.</summary>
    public virtual void EndList(Utf8JsonWriter writer, int count, string? requestId)
    {
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
    /// <param name="tags">The entity tag of each row, in their order.</param>
    /// <param name="requestId">Of the command.</param>
    public virtual void EndBatch(Utf8JsonWriter writer, IReadOnlyList<string> tags, string requestId)
    {
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

    /// <summary>A refusal as a complete answer.</summary>
    public virtual Answer Problem(ProblemException problem, string requestId)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var writer = new Utf8JsonWriter(buffer, JsonFormat.Writer))
        {
            writer.WriteStartObject();
            writer.WriteString("type"u8, $"/problems/{problem.Type.Code}");
            writer.WriteString("title"u8, problem.Type.Title);
            writer.WriteNumber("status"u8, problem.Type.Status);
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
            if (System.Diagnostics.Activity.Current is { } activity)
                writer.WriteString("traceId"u8, activity.TraceId.ToHexString());
            writer.WriteEndObject();
        }
        var headers = new List<KeyValuePair<string, string>> { new("Content-Type", ProblemJson), new("Cache-Control", "no-store") };
        if (problem.RetryAfter is { } after)
            headers.Add(new("Retry-After", ((int)Math.Clamp(Math.Ceiling(after.TotalSeconds), 0, RetryAfterMost)).ToString()));
        if (problem.Type == ProblemCatalogue.IdempotencyKeyRequired || problem.Type == ProblemCatalogue.InvalidIdempotencyKey || problem.Type == ProblemCatalogue.IdempotencyKeyReused)
            headers.Add(new("Link", $"</problems/{problem.Type.Code}>; rel=\"describedby\"; type=\"text/html\""));
        if (problem.Type.Status == 401)
            headers.Add(new("WWW-Authenticate", "Bearer"));
        return new Answer(problem.Type.Status, buffer.WrittenMemory) { Headers = headers };
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
