using System.Buffers;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace Mainstay.Internal;

/// <summary>
/// Log lines: readable on a terminal, one JSON object each everywhere else. Written by the console logger's own thread from a bounded queue that
/// drops rather than makes a request wait.
/// </summary>
internal sealed class ConsoleFormat : ConsoleFormatter
{
    private const string FormatName = "mainstay";

    private readonly bool _isTerminal = !Console.IsOutputRedirected;

    public ConsoleFormat() : base(FormatName)
    {
    }

    public static void Use(ILoggingBuilder logging, string application)
    {
        logging.ClearProviders();
        logging.AddConsole(console =>
        {
            console.FormatterName = FormatName;
            console.MaxQueueLength = 10_000;
            console.QueueFullMode = ConsoleLoggerQueueFullMode.DropWrite;
        });
        logging.Services.AddSingleton<ConsoleFormatter, ConsoleFormat>();
        logging.AddFilter("Microsoft", LogLevel.Warning);
        logging.AddFilter("Microsoft.Hosting.Lifetime", LogLevel.Warning);
        // Failures to bind are reported once, with what to do, by the start.
        logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None);
        logging.AddFilter("Npgsql", LogLevel.Warning);
    }

    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        var message = logEntry.Formatter(logEntry.State, logEntry.Exception);
        if (_isTerminal)
            WriteLine(logEntry, message, textWriter);
        else
            WriteJson(logEntry, message, textWriter);
    }

    private static void WriteLine<TState>(in LogEntry<TState> entry, string message, TextWriter writer)
    {
        writer.Write(TimeProvider.System.GetLocalNow().ToString("HH:mm:ss.fff", System.Globalization.CultureInfo.InvariantCulture));
        writer.Write(entry.LogLevel switch
        {
            LogLevel.Warning => " \e[33mwarn\e[0m  ",
            LogLevel.Error or LogLevel.Critical => " \e[31merror\e[0m ",
            _ => " ",
        });
        writer.WriteLine(OneLine(message));
        if (entry.Exception is not null)
            writer.WriteLine(entry.Exception);
    }

    private static void WriteJson<TState>(in LogEntry<TState> entry, string message, TextWriter writer)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(buffer, JsonFormat.Writer))
        {
            json.WriteStartObject();
            json.WriteString("time"u8, TimeProvider.System.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", System.Globalization.CultureInfo.InvariantCulture));
            json.WriteString("level"u8, entry.LogLevel switch { LogLevel.Information => "info", LogLevel.Warning => "warn", LogLevel.Trace => "trace", LogLevel.Debug => "debug", _ => "error" });
            json.WriteString("message"u8, message);
            json.WriteString("category"u8, entry.Category);
            if (entry.State is IReadOnlyList<KeyValuePair<string, object?>> values)
                foreach (var (name, value) in values)
                    if (name != "{OriginalFormat}" && value is not null)
                        WriteValue(json, JsonNamingPolicy.CamelCase.ConvertName(name), value);
            if (entry.Exception is not null)
                json.WriteString("exception"u8, entry.Exception.ToString());
            json.WriteEndObject();
        }
        writer.WriteLine(Encoding.UTF8.GetString(buffer.WrittenSpan));
    }

    private static void WriteValue(Utf8JsonWriter json, string name, object value)
    {
        switch (value)
        {
            case bool flag: json.WriteBoolean(name, flag); break;
            case int number: json.WriteNumber(name, number); break;
            case long number: json.WriteNumber(name, number); break;
            case double number when double.IsFinite(number): json.WriteNumber(name, Math.Round(number, 3)); break;
            default: json.WriteString(name, value.ToString()); break;
        }
    }

    /// <summary>Control characters cannot start a second line or colour the terminal.</summary>
    private static string OneLine(string message) => string.Create(message.Length, message, static (line, text) =>
    {
        for (var i = 0; i < text.Length; i++)
            line[i] = char.IsControl(text[i]) ? ' ' : text[i];
    });
}
