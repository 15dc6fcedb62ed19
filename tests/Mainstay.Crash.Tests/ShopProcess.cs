using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text.Json;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>The shop as a process of its own. One object is one place (data folder and port) where it is started again and again.</summary>
internal sealed class ShopProcess(string dataFolder, string logFile, int? port = null) : ChildProcess("shop", logFile)
{
    public string DataFolder => dataFolder;

    public int Port { get; } = port ?? Ports.Free();

    public Uri Address => new($"http://127.0.0.1:{Port}");

    public ServerProcesses Server => ServerProcesses.Of(DataFolder);

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
            if (HasExited) throw new InvalidOperationException($"The shop ended while it was waited for. It said last:\n{LastWords}");
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

    /// <summary>Keeps every order waiting until it is disposed, or until its time is half over.</summary>
    public async Task<NpgsqlConnection> HoldProductsAsync(CancellationToken cancellation)
    {
        var connection = new NpgsqlConnection(ConnectionString());
        await connection.OpenAsync(cancellation);
        await using var hold = new NpgsqlCommand("begin; select id from products for update", connection);
        await hold.ExecuteNonQueryAsync(cancellation);
        return connection;
    }

    /// <summary>Leaves nothing running: neither the shop nor its server.</summary>
    public override void Dispose()
    {
        base.Dispose();
        Server.Signal(Signals.Kill);
    }

    protected override ProcessStartInfo StartInfo() => new(Path.Combine(AppContext.BaseDirectory, "Mainstay.Crash.App"))
    {
        ArgumentList = { "--environment", "Development", "--urls", Address.ToString(), $"--Mainstay:DataFolder={DataFolder}", "--Mainstay:LongRunning:Lease=00:00:10" },
    };

    public static async Task<bool> IsReadyAsync(HttpClient http, CancellationToken cancellation)
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
    private static readonly TimeSpan stepMost = TimeSpan.FromSeconds(5);

    public static async Task UntilAsync(string what, TimeSpan timeout, Func<Task<bool>> condition, CancellationToken cancellation, Func<string>? details = null)
    {
        var waited = TimeSpan.Zero;
        var asked = TimeProvider.System.GetTimestamp();
        while (!await condition())
        {
            if (waited > timeout)
                throw new TimeoutException($"Waited {timeout.TotalSeconds:0} s in vain until {what}.\n{details?.Invoke()}");
            await Task.Delay(20, cancellation);
            // A machine that was paused has kept everybody from doing what is waited for.
            var step = TimeProvider.System.GetElapsedTime(asked);
            waited += step < stepMost ? step : stepMost;
            asked = TimeProvider.System.GetTimestamp();
        }
    }
}
