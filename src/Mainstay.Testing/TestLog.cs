using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

/// <summary>What the nodes of a test log: warnings and errors to be shown when a test fails, and what each request cost the database.</summary>
internal sealed class TestLog
{
    /// <summary>A test that loops must not fill the memory of its runner.</summary>
    private const int LinesMost = 1000;

    private readonly ConcurrentQueue<string> _lines = new();
    private readonly ConcurrentDictionary<string, TaskCompletionSource<int>> _statements = new();

    /// <summary>The last warnings and errors, oldest first, with their exceptions.</summary>
    public IReadOnlyList<string> Lines => [.. _lines];

    /// <summary>How many statements a request sent to the database, once its line has been logged, which is after its answer.</summary>
    public Task<int> StatementsOf(string requestId) => Entry(requestId).Task;

    public void NoteStatements(string requestId, int count) => Entry(requestId).TrySetResult(count);

    public void Add(string line)
    {
        _lines.Enqueue(line);
        while (_lines.Count > LinesMost)
            _lines.TryDequeue(out _);
    }

    private TaskCompletionSource<int> Entry(string requestId) => _statements.GetOrAdd(requestId, _ => new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously));
}

/// <summary>The log of one node. What a killed one has to say is that everything is gone, which the test knows.</summary>
internal sealed class NodeLog(TestLog log, TestNode node) : ILoggerProvider
{
    public ILogger CreateLogger(string categoryName) => new Logger(log, node, categoryName);

    public void Dispose()
    {
    }

    private sealed class Logger(TestLog log, TestNode node, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information && !node.IsKilled;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (!IsEnabled(logLevel))
                return;
            if (state is RequestLine line)
                log.NoteStatements(line.RequestId, line.Statements);
            else if (logLevel >= LogLevel.Warning)
                log.Add(string.Create(CultureInfo.InvariantCulture, $"{logLevel} {category}: {formatter(state, exception)}{(exception is null ? "" : "\n" + exception)}"));
        }
    }
}
