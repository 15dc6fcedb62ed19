using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

/// <summary>
/// Log lines on the standard output: readable on a terminal, one JSON object each everywhere else. A line is made by the thread that logs, as bytes, and
/// written by another one together with its neighbours, so that no request waits for whoever reads them.
/// </summary>
/// <remarks>
/// The console logger of the platform makes a string, makes it bytes, and writes each with a system call of its own, which is a quarter of what a small
/// read costs altogether: docs/decisions/log-lines.md.
/// </remarks>
internal sealed class ConsoleLog : ILoggerProvider
{
    private readonly ConcurrentDictionary<string, ILogger> _loggers = new(StringComparer.Ordinal);
    private readonly LogLines _lines = new(Console.OpenStandardOutput());
    private readonly bool _isTerminal = !Console.IsOutputRedirected;

    public static void Use(ILoggingBuilder logging)
    {
        logging.ClearProviders();
        logging.Services.TryAddEnumerable(ServiceDescriptor.Singleton<ILoggerProvider, ConsoleLog>());
        logging.AddFilter("Microsoft", LogLevel.Warning);
        logging.AddFilter("Microsoft.Hosting.Lifetime", LogLevel.Warning);
        // Failures to bind are reported once, with what to do, by the start.
        logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None);
        logging.AddFilter("Npgsql", LogLevel.Warning);
    }

    public ILogger CreateLogger(string categoryName) => _loggers.GetOrAdd(categoryName, name => new Logger(name, _isTerminal, _lines));

    /// <summary>Writes what is left.</summary>
    public void Dispose() => _lines.Dispose();

    private sealed class Logger(string category, bool isTerminal, LogLines lines) : ILogger
    {
        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            var request = isTerminal ? null : state as RequestLine;
            // Before the line begins: whatever makes a message may log by itself.
            var message = request is null ? formatter(state, exception) : "";
            var line = lines.Begin();
            if (request is not null)
                request.WriteJson(line, category);
            else if (isTerminal)
                TerminalLine.Write(line, logLevel, message, exception);
            else
                JsonLine.Write(line, logLevel, category, message, state as IReadOnlyList<KeyValuePair<string, object?>>, exception);
            lines.End(line, isUrgent: isTerminal || logLevel >= LogLevel.Error);
        }
    }
}
