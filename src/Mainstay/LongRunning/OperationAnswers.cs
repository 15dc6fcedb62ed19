using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>What clients see of operations.</summary>
internal static class OperationAnswers
{
    private const string NoStore = "no-store";

    public static string LocationOf(StoredOperation operation) => $"/operations/{operation.PublicId}";

    /// <summary>It has been accepted, or its cancellation has: the end is elsewhere.</summary>
    public static Answer Accepted(Call call, StoredOperation operation) => new(202, Document(call, operation, call.RequestId))
    {
        Headers = [new("Content-Type", WireFormat.Json), new("Cache-Control", NoStore), new("Location", LocationOf(operation)), RetryAfter(operation, call)],
    };

    /// <summary>It has been cancelled.</summary>
    public static Answer Cancelled(Call call, StoredOperation operation) => new(200, Document(call, operation, call.RequestId))
    {
        Headers = [new("Content-Type", WireFormat.Json), new("Cache-Control", NoStore)],
    };

    /// <summary>How it stands.</summary>
    public static Answer Status(Call call, StoredOperation operation)
    {
        var body = Document(call, operation, null);
        var etag = $"\"{Convert.ToHexStringLower(SHA256.HashData(body.Span)[..12])}\"";
        List<KeyValuePair<string, string>> headers = [new("ETag", etag), new("Cache-Control", "private, no-cache"), new("Vary", "Authorization")];
        if (!operation.HasEnded)
            headers.Add(RetryAfter(operation, call));
        return new Answer(200, body) { Headers = [.. headers, new("Content-Type", WireFormat.Json)] };
    }

    /// <summary>The answer of an operation that has ended: what the command would have given, had the caller waited.</summary>
    public static Answer Final(Call call, StoredOperation operation) => operation.Answer ?? call.Backend.Format.Problem(
        ProblemCatalogue.OperationCancelled.Because("The operation was cancelled, so nothing was changed. Start it again if it is wanted after all."), call.RequestId);

    /// <summary>The same for somebody who asks for it by its own address: what was created has another, and is there.</summary>
    /// <exception cref="ProblemException"><c>operation-unfinished</c></exception>
    public static Answer Result(Call call, StoredOperation operation)
    {
        if (!operation.HasEnded)
            throw new ProblemException(ProblemCatalogue.OperationUnfinished, $"The operation has not ended yet. Ask {LocationOf(operation)} how it stands.", []) { RetryAfter = TimeSpan.FromSeconds(1) };
        var answer = Final(call, operation);
        return answer.Status == 201 && answer.Headers.FirstOrDefault(header => header.Key == "Location").Value is { } location
            ? new Answer(303, default) { Headers = [new("Location", location), new("Cache-Control", NoStore)] }
            : answer;
    }

    /// <summary>A tenth of its age: what takes long is asked about less often.</summary>
    private static KeyValuePair<string, string> RetryAfter(StoredOperation operation, Call call)
    {
        var age = call.Backend.Clock.GetUtcNow() - operation.CreatedAt;
        return new("Retry-After", ((int)Math.Clamp(age.TotalSeconds / 10, 1, 30)).ToString(CultureInfo.InvariantCulture));
    }

    private static ReadOnlyMemory<byte> Document(Call call, StoredOperation operation, string? requestId)
    {
        var (format, subject) = (call.Backend.Format, call.Operation.SubjectOf(null));
        using var json = JsonScratch.Rent();
        var writer = json.Writer;
        format.BeginItem(writer, subject);
        writer.WriteStartObject();
        writer.WriteString("id"u8, operation.PublicId);
        writer.WriteString("operation"u8, operation.Name);
        writer.WriteString("status"u8, JsonNamingPolicy.CamelCase.ConvertName(operation.Status.ToString()));
        Write(writer, "createdAt", operation.CreatedAt);
        Write(writer, "startedAt", operation.StartedAt);
        Write(writer, "endedAt", operation.EndedAt);
        Write(writer, "cancelRequestedAt", operation.CancelRequestedAt);
        writer.WriteNumber("attempts"u8, operation.Attempt);
        writer.WritePropertyName("result"u8);
        Write(writer, operation.Status == OperationStatus.Succeeded ? Data(operation.Answer!.Body) : default);
        writer.WritePropertyName("problem"u8);
        Write(writer, operation.Status == OperationStatus.Failed ? operation.Answer!.Body : default);
        writer.WriteEndObject();
        format.EndItem(writer, subject, requestId);
        return json.ToArray();
    }

    private static void Write(Utf8JsonWriter writer, string name, DateTimeOffset? time)
    {
        writer.WritePropertyName(name);
        if (time is { } value)
            Shape.Of(typeof(DateTimeOffset)).Write(writer, value);
        else
            writer.WriteNullValue();
    }

    private static void Write(Utf8JsonWriter writer, ReadOnlyMemory<byte> json)
    {
        if (json.IsEmpty)
            writer.WriteNullValue();
        else
            writer.WriteRawValue(json.Span, skipInputValidation: true);
    }

    /// <summary>What stands under <c>data</c> in the stored answer; all of it in a format without envelopes.</summary>
    private static ReadOnlyMemory<byte> Data(ReadOnlyMemory<byte> body)
    {
        if (body.IsEmpty)
            return default;
        var reader = new Utf8JsonReader(body.Span, new JsonReaderOptions { MaxDepth = 1000 });
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
            return body;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isData = reader.ValueTextEquals("data"u8);
            reader.Read();
            var start = (int)reader.TokenStartIndex;
            reader.Skip();
            if (isData)
                return body[start..(int)reader.BytesConsumed];
        }
        return body;
    }
}
