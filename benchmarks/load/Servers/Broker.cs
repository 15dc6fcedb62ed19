using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;

namespace Mainstay.Benchmarks;

/// <summary>
/// A private RabbitMQ for one run with its usual settings, in a folder that is removed afterwards. It and the process that keeps the names of Erlang's nodes listen on free ports of the loopback only, so
/// that a broker of the system is neither needed nor met.
/// </summary>
internal sealed partial class Broker : IAsyncDisposable
{
    private static readonly TimeSpan patience = TimeSpan.FromMinutes(1);

    // Debian has a program of the same name on the path, which starts the broker of the system.
    private static readonly string[] places = ["/usr/lib/rabbitmq/bin", "/opt/homebrew/opt/rabbitmq/sbin", "/usr/local/opt/rabbitmq/sbin", "/usr/local/sbin", "/usr/sbin"];

    private readonly DirectoryInfo _folder;
    private readonly Process _names;
    private readonly Process _server;
    private readonly int _port;

    private Broker(DirectoryInfo folder, Process names, Process server, int port) => (_folder, _names, _server, _port) = (folder, names, server, port);

    /// <summary>What to do where it cannot be started; null where it can.</summary>
    public static string? Missing => Program is null ? "RabbitMQ is not installed. On Debian and Ubuntu: apt-get install --no-install-recommends rabbitmq-server (its service need not run)." : null;

    public string Address => $"amqp://guest:guest@127.0.0.1:{_port}/";

    /// <summary>For the table, for example <c>RabbitMQ 3.10.8 on Erlang 25.2.3</c>.</summary>
    public string Version => StartLine().Match(File.ReadAllText(LogOf(_folder))) is { Success: true } line ? line.Groups[1].Value : throw new MeasurementException("RabbitMQ does not say which version it is.");

    /// <summary>What it has cost the processors so far, with all of its threads.</summary>
    public TimeSpan ProcessorTime
    {
        get
        {
            using var process = Process.GetProcessById(int.Parse(File.ReadAllText(PidFileOf(_folder)), CultureInfo.InvariantCulture));
            return process.TotalProcessorTime;
        }
    }

    private static string? Program => places.Select(place => Path.Combine(place, "rabbitmq-server")).FirstOrDefault(File.Exists);

    /// <exception cref="MeasurementException">It is missing, ended, or did not become ready.</exception>
    public static async Task<Broker> StartAsync()
    {
        var program = Program ?? throw new MeasurementException(Missing!);
        var folder = TemporaryFolder.Create();
        var (port, namesPort) = (ServerProcess.FreePort(), ServerProcess.FreePort());
        await File.WriteAllTextAsync(Path.Combine(folder.FullName, "rabbitmq.conf"), $"listeners.tcp.private = 127.0.0.1:{port}\n");
        await File.WriteAllTextAsync(Path.Combine(folder.FullName, "plugins"), "[].\n");
        var names = StartNames(folder, namesPort);
        var start = new ProcessStartInfo("/bin/sh", ["-c", "exec \"$0\" > start.log", program]) { WorkingDirectory = folder.FullName };
        foreach (var (name, value) in Settings(folder, port, namesPort))
            start.Environment[name] = value;
        var broker = new Broker(folder, names, Process.Start(start)!, port);
        try
        {
            await broker.UntilReadyAsync();
            return broker;
        }
        catch
        {
            await broker.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await ServerProcess.StopAsync(_server);
        _server.Dispose();
        await ServerProcess.StopAsync(_names);
        _names.Dispose();
        _folder.Delete(recursive: true);
    }

    /// <summary>The nodes of Erlang find each other by it. The broker would start one itself, which nobody would stop.</summary>
    private static Process StartNames(DirectoryInfo folder, int port)
    {
        try
        {
            return Process.Start(new ProcessStartInfo("epmd", ["-port", $"{port}", "-address", "127.0.0.1"]))!;
        }
        catch (Win32Exception)
        {
            folder.Delete(recursive: true);
            throw new MeasurementException("RabbitMQ is installed, but epmd, which comes with Erlang, is not on the path.");
        }
    }

    private static IEnumerable<(string Name, string Value)> Settings(DirectoryInfo folder, int port, int namesPort) =>
    [
        ("HOME", folder.FullName), // where Erlang keeps the secret of its nodes
        ("ERL_EPMD_ADDRESS", "127.0.0.1"),
        ("ERL_EPMD_PORT", $"{namesPort}"),
        ("RABBITMQ_NODENAME", $"mainstay-{port}@localhost"),
        ("RABBITMQ_DIST_PORT", $"{ServerProcess.FreePort()}"),
        ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}"),
        ("RABBITMQ_CONF_ENV_FILE", Path.Combine(folder.FullName, "environment")), // not there, so that the one of the system is not read
        ("RABBITMQ_CONFIG_FILE", Path.Combine(folder.FullName, "rabbitmq.conf")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", Path.Combine(folder.FullName, "plugins")),
        ("RABBITMQ_MNESIA_BASE", Path.Combine(folder.FullName, "data")),
        ("RABBITMQ_LOG_BASE", Path.Combine(folder.FullName, "log")),
        ("RABBITMQ_LOGS", LogOf(folder)),
        ("RABBITMQ_PID_FILE", PidFileOf(folder)),
    ];

    private static string LogOf(DirectoryInfo folder) => Path.Combine(folder.FullName, "log", "broker.log");

    private static string PidFileOf(DirectoryInfo folder) => Path.Combine(folder.FullName, "pid");

    /// <summary>It listens when it has started everything else.</summary>
    private async Task UntilReadyAsync()
    {
        for (var began = TimeProvider.System.GetTimestamp(); TimeProvider.System.GetElapsedTime(began) < patience; await Task.Delay(100))
        {
            if (_server.HasExited)
                throw new MeasurementException($"RabbitMQ ended with exit code {_server.ExitCode} before it was ready: {await File.ReadAllTextAsync(Path.Combine(_folder.FullName, "start.log"))}");
            try
            {
                using var connection = new TcpClient();
                await connection.ConnectAsync(IPAddress.Loopback, _port);
                return;
            }
            catch (SocketException)
            {
                // Not listening yet.
            }
        }
        throw new MeasurementException($"RabbitMQ was not ready within {patience.TotalSeconds:0} s.");
    }

    [GeneratedRegex(@"Starting (RabbitMQ \S+ on Erlang \S+)")]
    private static partial Regex StartLine();
}
