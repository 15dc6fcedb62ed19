using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Mainstay.Benchmarks;

/// <summary>A server under test: a process of its own that listens on a free port of this machine.</summary>
internal sealed class ServerProcess : IAsyncDisposable
{
    private static readonly TimeSpan patience = TimeSpan.FromMinutes(1);

    private readonly Process _process;

    private ServerProcess(string name, Process process, Uri address, BenchmarkDatabase database)
    {
        Name = name;
        _process = process;
        Database = database;
        Address = address;
        Http = new HttpClient(new SocketsHttpHandler()) { BaseAddress = address };
    }

    /// <summary>Of the contestant.</summary>
    public string Name { get; }

    public Uri Address { get; }

    /// <summary>The database behind it.</summary>
    public BenchmarkDatabase Database { get; }

    public HttpClient Http { get; }

    /// <summary>What it has cost the processors so far.</summary>
    public TimeSpan ProcessorTime
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    /// <summary>The most memory it has held at once, in MiB.</summary>
    public double PeakMemory => ProcessTimes.PeakMemory(_process.Id) / 1024.0 / 1024;

    /// <summary>The memory it holds, in MiB.</summary>
    public double ResidentMemory => ProcessTimes.ResidentMemory(_process.Id) / 1024.0 / 1024;

    /// <summary>Load of one kind.</summary>
    public Runner Runner(string name, LoadRequest request) => new(name, (connections, seconds) => Wrk.RunAsync(this, request, connections, seconds));

    /// <summary>Returns when it has worked off what it does in the background.</summary>
    /// <exception cref="MeasurementException">It goes on for more than a minute.</exception>
    public async Task UntilQuietAsync()
    {
        for (var began = TimeProvider.System.GetTimestamp(); TimeProvider.System.GetElapsedTime(began) < patience;)
        {
            var before = ProcessorTime;
            await Task.Delay(500);
            if (ProcessorTime - before < TimeSpan.FromMilliseconds(40))
                return;
        }
        throw new MeasurementException($"{Name} is still busy {patience.TotalSeconds:0} s after the load has ended.");
    }

    /// <summary>Starts a server.</summary>
    /// <param name="database">What it reads and writes.</param>
    /// <param name="contestant">Which server.</param>
    /// <param name="connectionString">Another way to the database, if there is one in between.</param>
    /// <returns>When it is ready.</returns>
    /// <exception cref="MeasurementException">It ended, or did not become ready.</exception>
    public static async Task<ServerProcess> StartAsync(BenchmarkDatabase database, Contestant contestant, string? connectionString = null)
    {
        var address = new Uri($"http://127.0.0.1:{FreePort()}");
        // Log lines are written, as in production, and go where reading them costs nothing. What it says of a failed start comes through.
        var launch = contestant.Launch(address, connectionString ?? database.ConnectionString);
        var start = new ProcessStartInfo("/bin/sh", ["-c", "exec \"$0\" \"$@\" > /dev/null", launch.Program, .. launch.Arguments]);
        foreach (var (name, value) in launch.Environment)
            start.Environment[name] = value;
        var server = new ServerProcess(contestant.Name, Process.Start(start)!, address, database);
        try
        {
            await server.UntilReadyAsync();
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await StopAsync(_process);
        _process.Dispose();
    }

    /// <summary>Asks a process to end, and waits until it has.</summary>
    public static async Task StopAsync(Process process)
    {
        if (!process.HasExited)
            using (var kill = Process.Start("kill", ["-TERM", $"{process.Id}"]))
                await kill.WaitForExitAsync();
        await process.WaitForExitAsync();
    }

    private async Task UntilReadyAsync()
    {
        for (var began = TimeProvider.System.GetTimestamp(); TimeProvider.System.GetElapsedTime(began) < patience; await Task.Delay(50))
        {
            if (_process.HasExited)
                throw new MeasurementException($"A server under test ended with exit code {_process.ExitCode} before it was ready.");
            try
            {
                using var answer = await Http.GetAsync("/health/ready");
                if (answer.IsSuccessStatusCode)
                    return;
            }
            catch (HttpRequestException)
            {
                // Not listening yet.
            }
        }
        throw new MeasurementException($"A server under test was not ready within {patience.TotalSeconds:0} s.");
    }

    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
