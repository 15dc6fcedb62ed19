using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text.Json;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>
/// The shop as a process of its own, started directly, so that its process id is the one to kill. One object is one place (data folder and port)
/// where the shop is started again and again; every line it says goes to a log file in the folder.
/// </summary>
internal sealed class ShopProcess : IDisposable
{
    private const int LinesMost = 40;

    private readonly ConcurrentQueue<string> _lastLines = new();
    private readonly StreamWriter _log;
    private readonly Lock _logLock = new();
    private readonly string _workingFolder;
    private Process? _process;

    public ShopProcess(string dataFolder, string logFile, int? port = null)
    {
        DataFolder = dataFolder;
        Port = port ?? Ports.Free();
        _workingFolder = Path.GetDirectoryName(logFile)!;
        _log = new StreamWriter(new FileStream(logFile, FileMode.Append, FileAccess.Write, FileShare.ReadWrite));
    }

    public string DataFolder { get; }

    public int Port { get; }

    public Uri Address => new($"http://127.0.0.1:{Port}");

    public int Id => _process!.Id;

    public bool HasExited => _process!.HasExited;

    /// <summary>The first lines it has said at level error, over all its lives.</summary>
    public ConcurrentQueue<string> ErrorLines { get; } = new();

    public ServerProcesses Server => ServerProcesses.Of(DataFolder);

    /// <summary>What it said last, for a message about a failure.</summary>
    public string LastWords => string.Join('\n', _lastLines);

    /// <summary>Called once for each line it says.</summary>
    public event Action<string>? Said;

    public void Start()
    {
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "Mainstay.Crash.App"))
        {
            RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = _workingFolder,
            ArgumentList = { "--environment", "Development", "--urls", Address.ToString(), $"--Mainstay:DataFolder={DataFolder}", "--Mainstay:LongRunning:Lease=00:00:02" },
        };
        _process?.Dispose();
        _process = new Process { StartInfo = start };
        _process.OutputDataReceived += (_, line) => Hear(line.Data);
        _process.ErrorDataReceived += (_, line) => Hear(line.Data);
        Hear("-- start");
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
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
            throw new TimeoutException($"The shop (process {Id}) has not ended within {timeout.TotalSeconds:0} s. It said last:\n{LastWords}");
        }
        Hear($"-- exit code {_process.ExitCode}");
        return _process.ExitCode;
    }

    public async Task KillAsync(CancellationToken cancellation)
    {
        Signal(Signals.Kill);
        await ExitAsync(TimeSpan.FromSeconds(20), cancellation);
    }

    /// <summary>As an orchestrator stops it. Returns the exit code.</summary>
    public async Task<int> TerminateAsync(CancellationToken cancellation)
    {
        Signal(Signals.Terminate);
        return await ExitAsync(TimeSpan.FromSeconds(45), cancellation);
    }

    public async Task StartAndWaitAsync(CancellationToken cancellation)
    {
        Start();
        await UntilReadyAsync(TimeSpan.FromSeconds(60), cancellation);
    }

    /// <summary>Returns when it is ready, throws when it ends before that.</summary>
    public async Task UntilReadyAsync(TimeSpan timeout, CancellationToken cancellation)
    {
        using var http = Client(TimeSpan.FromSeconds(5));
        await Wait.UntilAsync("the shop is ready", timeout, async () =>
        {
            if (HasExited) throw new InvalidOperationException($"The shop ended with exit code {_process!.ExitCode} while it was waited for. It said last:\n{LastWords}");
            return await IsReadyAsync(http, cancellation);
        }, cancellation, () => LastWords);
    }

    /// <summary>A client of its own connections, so that closing them disturbs nobody.</summary>
    public HttpClient Client(TimeSpan timeout) => new(new SocketsHttpHandler { ConnectTimeout = TimeSpan.FromSeconds(2) }) { BaseAddress = Address, Timeout = timeout };

    /// <summary>A client that may place orders.</summary>
    public HttpClient CustomerClient(TimeSpan timeout)
    {
        var keys = JsonSerializer.Deserialize<Dictionary<string, string>>(File.ReadAllText(Path.Combine(DataFolder, "development-keys.json")))!;
        var client = Client(timeout);
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", keys["customer"]);
        return client;
    }

    /// <summary>Logs in beside the shop, past everything that is tested.</summary>
    public string ConnectionString()
    {
        var socketFolder = File.ReadAllText(Path.Combine(DataFolder, "postgres", "cluster", "postmaster.pid")).Split('\n')[4];
        return new NpgsqlConnectionStringBuilder
        {
            Host = socketFolder, Port = 5432, Username = "mainstay", Database = "shop", Pooling = false, CommandTimeout = 120,
            Password = File.ReadAllLines(Path.Combine(DataFolder, "postgres", "passwords"))[1],
        }.ConnectionString;
    }

    /// <summary>Leaves nothing running: neither the shop nor its server.</summary>
    public void Dispose()
    {
        Signal(Signals.Continue);
        Signal(Signals.Kill);
        var server = Server;
        server.Signal(Signals.Kill);
        _process?.Dispose();
        lock (_logLock) _log.Dispose();
    }

    private static async Task<bool> IsReadyAsync(HttpClient http, CancellationToken cancellation)
    {
        try
        {
            using var answer = await http.GetAsync(new Uri("/health/ready", UriKind.Relative), cancellation);
            return answer.IsSuccessStatusCode;
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException && !cancellation.IsCancellationRequested)
        {
            return false;
        }
    }

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

/// <summary>
/// Ports below the range from which the system takes the ports of clients. In that range a client that knocks at a port where nobody listens can be
/// given that very port and ends up connected to itself, and the restarted shop finds its port taken.
/// </summary>
internal static class Ports
{
    public static int Free()
    {
        for (var attempt = 0; ; attempt++)
            try
            {
                using var listener = new TcpListener(System.Net.IPAddress.Loopback, Random.Shared.Next(20_000, 30_000));
                listener.Start();
                return ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
            }
            catch (SocketException) when (attempt < 20)
            {
                // Taken; another one.
            }
    }
}

internal static class Wait
{
    public static async Task UntilAsync(string what, TimeSpan timeout, Func<Task<bool>> condition, CancellationToken cancellation, Func<string>? details = null)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (!await condition())
        {
            if (TimeProvider.System.GetElapsedTime(began) > timeout)
                throw new TimeoutException($"Waited {timeout.TotalSeconds:0} s in vain until {what}.\n{details?.Invoke()}");
            await Task.Delay(20, cancellation);
        }
    }
}
