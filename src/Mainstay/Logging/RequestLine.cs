using System.Collections;
using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

/// <summary>
/// The one line of a request. The terminal shows its sentence; JSON has every value. To other logging providers it is a state like any other: names and
/// values. Ours writes it without making objects of them.
/// </summary>
internal sealed class RequestLine : IReadOnlyList<KeyValuePair<string, object?>>
{
    private static readonly EventId id = new(3, "Request");

    private static readonly JsonEncodedText message = JsonEncodedText.Encode("message"), category = JsonEncodedText.Encode("category"), method = JsonEncodedText.Encode("method"), path = JsonEncodedText.Encode("path"),
        status = JsonEncodedText.Encode("status"), milliseconds = JsonEncodedText.Encode("milliseconds"), operation = JsonEncodedText.Encode("operation"), user = JsonEncodedText.Encode("user"),
        roundTrips = JsonEncodedText.Encode("roundTrips"), attempts = JsonEncodedText.Encode("attempts"), isReplayed = JsonEncodedText.Encode("isReplayed"), requestId = JsonEncodedText.Encode("requestId"),
        traceId = JsonEncodedText.Encode("traceId"), application = JsonEncodedText.Encode("application");

    public required string Method { get; init; }

    public required string Path { get; init; }

    public required int Status { get; init; }

    public required TimeSpan Elapsed { get; init; }

    public string? Operation { get; init; }

    public string? User { get; init; }

    public int RoundTrips { get; init; }

    /// <summary>Not written: for checks of how the number grows.</summary>
    public int Statements { get; init; }

    public int Attempts { get; init; }

    public bool IsReplayed { get; init; }

    public required string RequestId { get; init; }

    public string? TraceId { get; init; }

    public required string Application { get; init; }

    public int Count => 13;

    public KeyValuePair<string, object?> this[int index] => index switch
    {
        0 => new(nameof(Method), Method),
        1 => new(nameof(Path), Path),
        2 => new(nameof(Status), Status),
        3 => new("Milliseconds", Microseconds / 1000m),
        4 => new(nameof(Operation), Operation),
        5 => new(nameof(User), User),
        6 => new(nameof(RoundTrips), RoundTrips),
        7 => new(nameof(Attempts), Attempts),
        8 => new(nameof(IsReplayed), IsReplayed),
        9 => new(nameof(RequestId), RequestId),
        10 => new(nameof(TraceId), TraceId),
        11 => new(nameof(Application), Application),
        12 => new("{OriginalFormat}", "{Method} {Path} {Status} in {Milliseconds:0.0} ms"),
        _ => throw new ArgumentOutOfRangeException(nameof(index)),
    };

    public void Log(ILogger log) => log.Log(LogLevel.Information, id, this, null, static (line, _) => line.ToString());

    /// <summary>Whole numbers are written far quicker than fractions.</summary>
    private long Microseconds => (long)Elapsed.TotalMicroseconds;

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Method} {Path} {Status} in {Microseconds / 1000}.{Microseconds / 100 % 10} ms");

    public void WriteJson(LogLine line, string categoryName)
    {
        var json = JsonLine.Begin(line, LogLevel.Information);
        WriteSentence(json);
        json.WriteString(category, categoryName);
        json.WriteString(method, Method);
        json.WriteString(path, Path);
        json.WriteNumber(status, Status);
        json.WriteNumber(milliseconds, Microseconds / 1000m);
        if (Operation is not null)
            json.WriteString(operation, Operation);
        if (User is not null)
            json.WriteString(user, User);
        json.WriteNumber(roundTrips, RoundTrips);
        json.WriteNumber(attempts, Attempts);
        json.WriteBoolean(isReplayed, IsReplayed);
        json.WriteString(requestId, RequestId);
        if (TraceId is not null)
            json.WriteString(traceId, TraceId);
        json.WriteString(application, Application);
        JsonLine.End(line, null);
    }

    private void WriteSentence(Utf8JsonWriter json)
    {
        Span<byte> text = stackalloc byte[512];
        if (System.Text.Unicode.Utf8.TryWrite(text, CultureInfo.InvariantCulture, $"{Method} {Path} {Status} in {Microseconds / 1000}.{Microseconds / 100 % 10} ms", out var length))
            json.WriteString(message, text[..length]);
        else
            json.WriteString(message, ToString());
    }

    public IEnumerator<KeyValuePair<string, object?>> GetEnumerator()
    {
        for (var i = 0; i < Count; i++)
            yield return this[i];
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
