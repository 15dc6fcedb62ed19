using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>A request body as a JSON document, or the problem that says where it stops being one.</summary>
internal static class JsonBody
{
    /// <exception cref="ProblemException"><c>malformed-json</c></exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> body)
    {
        if (body.IsEmpty)
            throw ProblemCatalogue.MalformedJson.Because("The body is empty, expected a JSON document.");
        if (body.Span.StartsWith("\uFEFF"u8))
            throw ProblemCatalogue.MalformedJson.Because("The body begins with a byte order mark. JSON is sent in UTF-8 without one.");
        if (!System.Text.Unicode.Utf8.IsValid(body.Span))
            throw ProblemCatalogue.MalformedJson.Because("The body is not UTF-8. JSON is sent in UTF-8 without a byte order mark.");
        try
        {
            return JsonDocument.Parse(body, JsonFormat.Strict);
        }
        catch (JsonException e)
        {
            var place = e is { LineNumber: { } line, BytePositionInLine: { } column } ? $" at line {line + 1}, byte {column + 1}" : "";
            throw ProblemCatalogue.MalformedJson.Because($"The body is not a JSON document of at most {JsonFormat.DepthMost} levels: it goes wrong{place}. Check for missing quotes, brackets and trailing commas, or a body that was cut off.");
        }
    }
}
