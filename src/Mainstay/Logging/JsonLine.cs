using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

/// <summary>A log line as one JSON object.</summary>
internal static class JsonLine
{
    private static readonly JsonEncodedText time = JsonEncodedText.Encode("time");
    private static readonly JsonEncodedText level = JsonEncodedText.Encode("level");
    private static readonly JsonEncodedText messageName = JsonEncodedText.Encode("message");
    private static readonly JsonEncodedText categoryName = JsonEncodedText.Encode("category");

    public static void Write(LogLine line, LogLevel logLevel, string category, string message, IReadOnlyList<KeyValuePair<string, object?>>? values, Exception? exception)
    {
        var json = Begin(line, logLevel);
        json.WriteString(messageName, message);
        json.WriteString(categoryName, category);
        if (values is not null)
            foreach (var (name, value) in values)
                if (name != "{OriginalFormat}" && value is not null)
                    WriteValue(json, JsonNamingPolicy.CamelCase.ConvertName(name), value);
        End(line, exception);
    }

    /// <summary>Starts the object: its time and its level.</summary>
    public static Utf8JsonWriter Begin(LogLine line, LogLevel logLevel)
    {
        var json = line.Json;
        json.Reset();
        json.WriteStartObject();
        Span<byte> now = stackalloc byte[33];
        TimeProvider.System.GetUtcNow().UtcDateTime.TryFormat(now, out _, "O", CultureInfo.InvariantCulture);
        now[26] = (byte)'Z'; // in place of the seventh digit
        json.WriteString(time, now[..27]);
        json.WriteString(level, logLevel switch
        {
            LogLevel.Information => "info"u8,
            LogLevel.Warning => "warn"u8,
            LogLevel.Trace => "trace"u8,
            LogLevel.Debug => "debug"u8,
            _ => "error"u8,
        });
        return json;
    }

    public static void End(LogLine line, Exception? exception)
    {
        if (exception is not null)
            line.Json.WriteString("exception"u8, exception.ToString());
        line.Json.WriteEndObject();
        line.Json.Flush();
        line.Bytes.Write("\n"u8);
    }

    private static void WriteValue(Utf8JsonWriter json, string name, object value)
    {
        switch (value)
        {
            case bool flag: json.WriteBoolean(name, flag); break;
            case int number: json.WriteNumber(name, number); break;
            case long number: json.WriteNumber(name, number); break;
            case decimal number: json.WriteNumber(name, number); break;
            case double number when double.IsFinite(number): json.WriteNumber(name, Math.Round(number, 3)); break;
            default: json.WriteString(name, value.ToString()); break;
        }
    }
}
