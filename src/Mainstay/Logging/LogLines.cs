using System.Buffers;
using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>
/// Carries lines from the threads that log to the one that writes. Bounded: what does not fit is dropped and counted, and the count is a line itself.
/// <code>
/// any thread      Begin … End: its own line, then a copy behind the others      ┐ filling
/// the writer      waits, lingers, swaps the two buffers, writes one of them     ┘ writing
/// </code>
/// The writer lingers a moment after the first line, so that it is woken a hundred times a second and not once for each line. A process that is killed loses
/// the lines of that moment; one that ends by itself, even by an unhandled exception, loses none.
/// </summary>
internal sealed class LogLines : IDisposable
{
    /// <summary>How many bytes may wait. About 10,000 lines.</summary>
    private const int BytesMost = 4 * 1024 * 1024;

    private static readonly TimeSpan linger = TimeSpan.FromMilliseconds(10);

    private readonly Stream _output;
    private readonly Lock _lock = new();
    private readonly ThreadLocal<LogLine> _line = new(static () => new LogLine());
    private readonly AutoResetEvent _filled = new(false);
    private readonly ManualResetEvent _urgent = new(false);
    private readonly Thread _writer;
    private ArrayBufferWriter<byte> _filling = new(64 * 1024);
    private ArrayBufferWriter<byte> _writing = new(64 * 1024);
    private long _dropped;
    private bool _isAwake;
    private volatile bool _isEnding;

    public LogLines(Stream output)
    {
        _output = output;
        _writer = new Thread(WriteAll) { IsBackground = true, Name = "Log lines" };
        _writer.Start();
        AppDomain.CurrentDomain.ProcessExit += OnExit;
        AppDomain.CurrentDomain.UnhandledException += OnExit;
    }

    /// <summary>An empty line of this thread. End it before the next one begins.</summary>
    public LogLine Begin()
    {
        var line = _line.Value!;
        line.Bytes.ResetWrittenCount();
        return line;
    }

    /// <param name="line">The line, with its end.</param>
    /// <param name="isUrgent">Whether it is written at once, because the process may be about to die.</param>
    public void End(LogLine line, bool isUrgent)
    {
        bool mustWake;
        lock (_lock)
        {
            if (_filling.WrittenCount + line.Bytes.WrittenCount > BytesMost)
                _dropped++;
            else
                _filling.Write(line.Bytes.WrittenSpan);
            (mustWake, _isAwake) = (!_isAwake, true);
        }
        if (isUrgent)
            _urgent.Set();
        if (mustWake)
            _filled.Set();
    }

    public void Dispose()
    {
        AppDomain.CurrentDomain.ProcessExit -= OnExit;
        AppDomain.CurrentDomain.UnhandledException -= OnExit;
        Finish();
    }

    private void OnExit(object? sender, EventArgs e) => Finish();

    /// <summary>Lets the writer come to its end. Whoever reads the lines may have stopped reading, so there is an end to the waiting too.</summary>
    private void Finish()
    {
        _isEnding = true;
        _urgent.Set();
        _filled.Set();
        _writer.Join(TimeSpan.FromSeconds(2));
    }

    private void WriteAll()
    {
        while (true)
        {
            _filled.WaitOne();
            _urgent.WaitOne(linger);
            _urgent.Reset();
            var isLast = _isEnding;
            long dropped;
            lock (_lock)
            {
                (_filling, _writing) = (_writing, _filling);
                (dropped, _dropped) = (_dropped, 0);
                _isAwake = false;
            }
            if (dropped > 0)
                SayHowMany(dropped);
            if (!TryWrite())
                lock (_lock)
                    _dropped += dropped + _writing.WrittenSpan.Count((byte)'\n') - (dropped > 0 ? 1 : 0);
            _writing.ResetWrittenCount();
            if (isLast)
                return;
        }
    }

    private void SayHowMany(long dropped)
    {
        var line = Begin();
        JsonLine.Write(line, Microsoft.Extensions.Logging.LogLevel.Warning, typeof(LogLines).FullName!, $"{dropped} log lines were dropped, because they came faster than they are read, or could not be written.", null, null);
        _writing.Write(line.Bytes.WrittenSpan);
    }

    /// <returns>False when they cannot be written: the disk is full for example, and may have room again.</returns>
    private bool TryWrite()
    {
        try
        {
            _output.Write(_writing.WrittenSpan);
            _output.Flush();
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }
}

/// <summary>A line that is being made: bytes, and a writer of JSON into them.</summary>
internal sealed class LogLine
{
    public LogLine() => Json = new Utf8JsonWriter(Bytes, JsonFormat.Writer);

    public ArrayBufferWriter<byte> Bytes { get; } = new(1024);

    public Utf8JsonWriter Json { get; }
}
