using System.Buffers;
using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

/// <summary>A log line for people: the time, how bad it is, what happened.</summary>
internal static class TerminalLine
{
    public static void Write(LogLine line, LogLevel logLevel, string message, Exception? exception)
    {
        Append(line, TimeProvider.System.GetLocalNow().ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture));
        Append(line, logLevel switch
        {
            LogLevel.Warning => " \e[33mwarn\e[0m  ",
            LogLevel.Error or LogLevel.Critical => " \e[31merror\e[0m ",
            _ => " ",
        });
        Append(line, OneLine(message));
        Append(line, "\n");
        if (exception is not null)
            Append(line, $"{exception}\n");
    }

    private static void Append(LogLine line, string text) => Encoding.UTF8.GetBytes(text, line.Bytes);

    /// <summary>Control characters cannot start a second line or colour the terminal.</summary>
    private static string OneLine(string message) => string.Create(message.Length, message, static (line, text) =>
    {
        for (var i = 0; i < text.Length; i++)
            line[i] = char.IsControl(text[i]) ? ' ' : text[i];
    });
}
