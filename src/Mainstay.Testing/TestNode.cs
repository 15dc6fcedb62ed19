using Mainstay.Internal;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Mainstay;

/// <summary>One node of a <see cref="TestBackend"/>: the whole application, with its own services, connections, address and lease.</summary>
public sealed class TestNode
{
    private static readonly string socket = $".s.PGSQL.{DataFolder.Port}";

    private readonly TestRun _run;
    private readonly DirectoryInfo _folder;
    private readonly TaskCompletionSource _end = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private RunningBackend? _running;
    private string _connectionName = "";
    private int _state;

    private TestNode(int number, TestRun run) => (Number, _run, _folder) = (number, run, run.Folder.CreateSubdirectory($"{number}"));

    private enum State { Starting, Alive, Stopped, Killed }

    /// <summary>1 for the first node of the test, and so on.</summary>
    public int Number { get; }

    /// <summary>Where it listens, for example <c>http://127.0.0.1:41234</c>.</summary>
    public Uri Address { get; private set; } = null!;

    /// <summary>The services of the application on this node.</summary>
    public IServiceProvider Services => Running.App.Services;

    /// <summary>Whether it runs: neither stopped nor killed.</summary>
    public bool IsAlive => Volatile.Read(ref _state) == (int)State.Alive;

    internal bool IsKilled => Volatile.Read(ref _state) == (int)State.Killed;

    internal QueueModel Queues { get; private set; } = null!;

    internal IReadOnlyList<ResourceModel> Resources { get; private set; } = [];

    internal RunningBackend Running => _running ?? throw new InvalidOperationException("The node has not started.");

    /// <summary>Stops it as a deployment does: what runs comes to an end, what was claimed is given back, and then its lease ends.</summary>
    public async Task StopAsync()
    {
        if (Interlocked.CompareExchange(ref _state, (int)State.Stopped, (int)State.Alive) == (int)State.Alive)
            await Running.DisposeAsync();
    }

    /// <summary>
    /// Kills it as the end of its process does: its connections to the database are cut, so that nothing that it still does arrives there and what it had begun is
    /// rolled back; its clients get no answer; its calls to others go nowhere; and its lease stays until it is over. What its handlers do in memory goes on.
    /// </summary>
    public async Task KillAsync()
    {
        if (Interlocked.CompareExchange(ref _state, (int)State.Killed, (int)State.Alive) != (int)State.Alive)
            return;
        File.Delete(Path.Combine(_folder.FullName, socket));
        // Whoever was just connecting has found the way before it was gone.
        while (await _run.Server.CutAsync(_run.DatabaseName, _connectionName) > 0)
            await Task.Delay(TimeSpan.FromMilliseconds(1));
        await NoteKilledAsync();
        // With no time at all for what it is doing. Only now, because a node that stops gives back what it has claimed.
        var atOnce = new CancellationToken(canceled: true);
        await Services.GetRequiredService<IServer>().StopAsync(atOnce);
        foreach (var service in Services.GetServices<IHostedService>().OfType<BackgroundService>())
            await service.StopAsync(atOnce);
    }

    internal static async Task<TestNode> StartAsync(int number, Func<Backend> declare, TestRun run)
    {
        var backend = declare() ?? throw new InvalidOperationException("The function that declares the backend returned null, expected the backend that it would otherwise run.");
        var node = new TestNode(number, run) { Queues = backend.Queues, Resources = backend.Resources };
        run.Options.Configure(backend);
        node.Configure(backend);
        node._running = await RunningBackend.StartAsync(backend);
        node.Address = new Uri(node._running.Address);
        node._state = (int)State.Alive;
        return node;
    }

    /// <summary>Where whoever is part of a killed node stays.</summary>
    internal async Task GoNowhereAsync()
    {
        await _end.Task;
        throw new OperationCanceledException($"Node {Number} was killed.");
    }

    /// <summary>Takes down what is left of it.</summary>
    internal async ValueTask EndAsync()
    {
        _end.TrySetResult();
        if (IsKilled)
            await Running.DisposeAsync();
        else
            await StopAsync();
    }

    private void Configure(Backend backend)
    {
        backend.Builder.Environment.EnvironmentName = _run.Options.Environment;
        backend.Builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["urls"] = "http://127.0.0.1:0",
            ["AllowedHosts"] = "*",
            ["Mainstay:Schema"] = "off",
            ["Mainstay:DataFolder"] = _folder.FullName,
            ["Mainstay:Queues:Drain"] = "00:00:02",
        });
        backend.Builder.Configuration.AddInMemoryCollection(_run.Options.Settings);
        backend.Builder.Logging.ClearProviders().AddProvider(new NodeLog(_run.Log, this)).AddFilter<NodeLog>(null, LogLevel.Information);
        backend.Services.RemoveAll<TimeProvider>();
        backend.Services.AddSingleton<TimeProvider>(_ => _run.Clock);
        backend.Services.AddSingleton<IPostConfigureOptions<HttpClientFactoryOptions>>(new FakedClients(_run.Fakes, this));
        TestSignIn.AddTo(backend.Services, _run.Users);
        backend.Surroundings = new Surroundings { Clock = _run.Clock, LeaseClock = TimeProvider.System, Faults = new NodeFaults(this, _run), KeepsHistory = false, FindDatabase = async model => Own(await _run.FindDatabaseAsync(model), backend.Name) };
    }

    /// <summary>The node goes to the server by a path of its own, which can be cut, and under a name of its own.</summary>
    private string Own(string connectionString, string name)
    {
        File.CreateSymbolicLink(Path.Combine(_folder.FullName, socket), Path.Combine(_run.Server.SocketFolder, socket));
        _connectionName = $"{name} {Number}";
        return new NpgsqlConnectionStringBuilder(connectionString) { Host = _folder.FullName, ApplicationName = _connectionName, MaxPoolSize = 12 }.ConnectionString;
    }

    /// <summary>So that advancing the clock is over the leases of this one, for work of queues and for long-running commands, while the nodes that live renew theirs.</summary>
    private async Task NoteKilledAsync()
    {
        Guid[] holders = [Running.Services.LongRunning.Store.Node, .. Running.Services.Desk.Runner is { } runner ? [runner.Node] : Array.Empty<Guid>()];
        await using var command = _run.Own.CreateCommand("insert into mainstay_testing.killed (node) select unnest($1)");
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = holders });
        await command.ExecuteNonQueryAsync();
    }
}
