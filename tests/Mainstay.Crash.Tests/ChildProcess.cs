using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;

namespace Mainstay.Tests;

/// <summary>
/// A program as a process of its own, started directly, so that its process id is the one to kill. One object is started again and again; every line it says
/// goes to one log file.
/// </summary>
internal abstract class ChildProcess(string name, string logFile) : IDisposable
{
    private const int LinesMost = 40;

    private readonly ConcurrentQueue<string> _lastLines = new();
    private readonly StreamWriter _log = new(new FileStream(logFile, FileMode.Append, FileAccess.Write, FileShare.ReadWrite));
    private readonly Lock _logLock = new();
    private readonly Lock _inputLock = new();
    private readonly List<(int Id, DateTime At)> _deaths = [];
    private Process? _process;

    public int Id => _process!.Id;

    public bool HasExited => _process!.HasExited;

    /// <summary>When each of its lives ended that has, in UTC, not before it really did.</summary>
    public IEnumerable<(int Id, DateTime At)> Deaths => _process is { HasExited: true } ? [.. _deaths, Death(_process)] : _deaths;

    /// <summary>The first lines it has said at level error, over all its lives.</summary>
    public ConcurrentQueue<string> ErrorLines { get; } = new();

    /// <summary>What it said last, for a message about a failure.</summary>
    public string LastWords => string.Join('\n', _lastLines);

    /// <summary>Called once for each line it says.</summary>
    public event Action<string>? Said;

    public virtual void Start()
    {
        var start = StartInfo();
        (start.RedirectStandardInput, start.RedirectStandardOutput, start.RedirectStandardError) = (true, true, true);
        start.WorkingDirectory = Path.GetDirectoryName(logFile);
        if (_process is { HasExited: true })
            _deaths.Add(Death(_process));
        lock (_inputLock)
        {
            _process?.Dispose();
            _process = new Process { StartInfo = start };
        }
        _process.OutputDataReceived += (_, line) => Hear(line.Data);
        _process.ErrorDataReceived += (_, line) => Hear(line.Data);
        Hear("-- start");
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>Whether it has said these words, however long ago.</summary>
    public bool HasLogged(string words)
    {
        lock (_logLock)
            _log.Flush();
        using var reader = new StreamReader(new FileStream(logFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        while (reader.ReadLine() is { } line)
            if (line.Contains(words, StringComparison.Ordinal))
                return true;
        return false;
    }

    /// <summary>Says a line to it.</summary>
    /// <exception cref="InvalidOperationException">It has not been started yet.</exception>
    /// <exception cref="IOException">It does not run any more.</exception>
    public void Tell(string line)
    {
        lock (_inputLock)
        {
            var input = _process?.StandardInput ?? throw new InvalidOperationException($"The {name} has not been started yet.");
            input.WriteLine(line);
            input.Flush();
        }
    }

    public bool Signal(int signal) => !HasExited && Signals.Send(Id, signal);

    public async Task<int> ExitAsync(TimeSpan timeout, CancellationToken cancellation)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        deadline.CancelAfter(timeout);
        try
        {
            await _process!.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new TimeoutException($"The {name} (process {Id}) has not ended within {timeout.TotalSeconds:0} s. It said last:\n{LastWords}");
        }
        Hear($"-- exit code {_process.ExitCode}");
        return _process.ExitCode;
    }

    public async Task KillAsync(CancellationToken cancellation)
    {
        Signal(Signals.Kill);
        await ExitAsync(TimeSpan.FromSeconds(60), cancellation);
    }

    /// <summary>As an orchestrator stops it. Returns the exit code.</summary>
    public async Task<int> TerminateAsync(CancellationToken cancellation)
    {
        Signal(Signals.Terminate);
        return await ExitAsync(TimeSpan.FromSeconds(45), cancellation);
    }

    /// <summary>Leaves nothing running.</summary>
    public virtual void Dispose()
    {
        if (_process is not null)
        {
            Signal(Signals.Continue);
            Signal(Signals.Kill);
            _process.Dispose();
        }
        lock (_logLock) _log.Dispose();
    }

    protected abstract ProcessStartInfo StartInfo();

    private static (int, DateTime) Death(Process process) => (process.Id, process.ExitTime.ToUniversalTime());

    private void Hear(string? line)
    {
        if (line is null) return;
        lock (_logLock)
        {
            if (line.Contains("\"level\":\"error\"", StringComparison.Ordinal) && ErrorLines.Count < LinesMost) ErrorLines.Enqueue(line);
            _lastLines.Enqueue(line);
            if (_lastLines.Count > LinesMost) _lastLines.TryDequeue(out _);
            if (_log.BaseStream is { CanWrite: true })
                _log.WriteLine(line.StartsWith("--", StringComparison.Ordinal) ? string.Create(CultureInfo.InvariantCulture, $"{line} {TimeProvider.System.GetUtcNow():HH:mm:ss.fff}") : line);
        }
        Said?.Invoke(line);
    }
}
