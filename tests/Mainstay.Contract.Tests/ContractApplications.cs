using System.Diagnostics;
using System.Net.Sockets;
using System.Text.Json;
using Mainstay.Internal;

namespace Mainstay.Tests;

/// <summary>An application that serves, and the credentials that it knows: a name, and the value of the header Authorization.</summary>
internal sealed record ContractApplication(string Name, string Address, IReadOnlyList<KeyValuePair<string, string>> Credentials)
{
    /// <summary>The ids of the users: rows belong to one.</summary>
    public IReadOnlyList<string> Users { get; init; } = [];
}

/// <summary>
/// The applications whose contract is tested: the shop of the samples, as the program that it is; the library, which has one of everything that a
/// document describes; the store of the other tests, which has a column of every type; and the workshop, which has what declarations add.
/// </summary>
public sealed class ContractApplications(PostgresFixture postgres) : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private readonly List<IAsyncDisposable> _running = [];
    private Process? _shop;

    internal ContractApplication Shop { get; private set; } = null!;

    internal ContractApplication Library { get; private set; } = null!;

    internal ContractApplication Store { get; private set; } = null!;

    internal ContractApplication Workshop { get; private set; } = null!;

    internal ContractApplication this[string name] => name switch { "shop" => Shop, "library" => Library, "store" => Store, _ => Workshop };

    public async ValueTask InitializeAsync()
    {
        var library = await Tests.Library.StartAsync(await postgres.CreateDatabaseAsync(), _folder.In("library"));
        _running.Add(library);
        Library = new("library", library.Address, [.. library.DevelopmentKeys!.Keys.Select(key => KeyValuePair.Create(key.Name, "Bearer " + key.Key))]) { Users = [.. library.DevelopmentKeys.Keys.Select(key => key.User.Id)] };

        var store = await TestBackend.StartAsync(await postgres.CreateDatabaseAsync(), Tests.Shop.Declare);
        _running.Add(store);
        Store = new("store", store.Running.Address, [new("ann", "Test ann;"), new("staff", "Test bob;staff")]) { Users = ["ann", "bob"] };

        var workshop = await TestBackend.StartAsync(await postgres.CreateDatabaseAsync(), Tests.Workshop.Declare);
        _running.Add(workshop);
        Workshop = new("workshop", workshop.Running.Address, [new("ann", "Test ann;maker"), new("bob", "Test bob;")]);

        Shop = await StartShopAsync(await postgres.CreateDatabaseAsync(), _folder.In("shop"));
    }

    public async ValueTask DisposeAsync()
    {
        _shop?.Kill(entireProcessTree: true);
        _shop?.Dispose();
        foreach (var running in _running)
            await running.DisposeAsync();
        _folder.Dispose();
    }

    private async Task<ContractApplication> StartShopAsync(string database, string folder)
    {
        var address = $"http://127.0.0.1:{FreePort()}";
        var start = Command.Of(Path.Combine(AppContext.BaseDirectory, "Mainstay.Contract.Shop"), "--environment", "Development", "--urls", address, $"--ConnectionStrings:mainstay={database}", $"--Mainstay:DataFolder={folder}");
        start.RedirectStandardOutput = start.RedirectStandardError = true;
        _shop = Process.Start(start)!;
        var lines = new System.Collections.Concurrent.ConcurrentQueue<string?>();
        _shop.OutputDataReceived += (_, line) => lines.Enqueue(line.Data);
        _shop.ErrorDataReceived += (_, line) => lines.Enqueue(line.Data);
        _shop.BeginOutputReadLine();
        _shop.BeginErrorReadLine();

        using var http = new HttpClient(new SocketsHttpHandler());
        while (!await IsReadyAsync(http, new Uri(address + "/health/ready")))
        {
            if (_shop.HasExited)
                throw new InvalidOperationException($"The shop ended with exit code {_shop.ExitCode}:\n{string.Join('\n', lines)}");
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }
        var keys = JsonSerializer.Deserialize<Dictionary<string, string>>(await File.ReadAllTextAsync(Path.Combine(folder, "development-keys.json")))!;
        return new("shop", address, [.. keys.Select(key => KeyValuePair.Create(key.Key, "Bearer " + key.Value))]);
    }

    private static async Task<bool> IsReadyAsync(HttpClient http, Uri address)
    {
        try
        {
            using var answer = await http.GetAsync(address, TestContext.Current.CancellationToken);
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;   // it does not listen yet
        }
    }

    /// <summary>Below the range from which the system takes the ports of clients.</summary>
    private static int FreePort()
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
