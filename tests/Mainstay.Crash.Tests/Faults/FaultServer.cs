using System.Security.Cryptography;
using Mainstay.Internal;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

[assembly: AssemblyFixture(typeof(Mainstay.Tests.SharedServer))]

namespace Mainstay.Tests;

/// <summary>The server of all scenarios that leave it alone.</summary>
public sealed class SharedServer : FaultServer;

/// <summary>A server of its own, for scenarios that disturb it.</summary>
public sealed class DisturbedServer : FaultServer;

/// <summary>A private PostgreSQL, with a database that has all tables in it and is copied for each scenario.</summary>
public abstract class FaultServer : IAsyncLifetime
{
    private const string Template = "fault_template";

    private readonly TemporaryFolder _folder = new();
    private readonly SemaphoreSlim _turn = new(1, 1);
    private EmbeddedServer? _server;
    private bool _hasTemplate;

    /// <summary>Where the server keeps its data.</summary>
    public virtual string DataFolder => _folder.In(".mainstay");

    /// <summary>What the server has written about itself.</summary>
    public string Log => File.ReadAllText(Path.Combine(DataFolder, "postgres", "log", "server.log"));

    public ServerProcesses Processes => ServerProcesses.Of(DataFolder);

    internal EmbeddedServer Server => _server!;

    internal EmbeddedServerOptions Options => new() { Name = "faults", DataFolder = DataFolder, MaxConnections = 300, StopTimeout = TimeSpan.FromSeconds(5), CheckInterval = TimeSpan.FromMilliseconds(250) };

    public virtual async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(DataFolder);
        _server = await EmbeddedServer.StartAsync(Options, NullLogger.Instance, TimeProvider.System, CancellationToken.None);
    }

    /// <returns>The connection string of a fresh database with the tables of the engine and of the ledger.</returns>
    public async Task<string> CreateDatabaseAsync()
    {
        var name = $"fault_{RandomNumberGenerator.GetHexString(8, lowercase: true)}";
        await _turn.WaitAsync();
        try
        {
            if (!_hasTemplate)
                await CreateTemplateAsync();
            _hasTemplate = true;
            await AdministrateAsync($"create database {name} template {Template} owner mainstay strategy wal_log");
        }
        finally
        {
            _turn.Release();
        }
        return Of(name);
    }

    /// <summary>kill -9 of the <c>postmaster</c>, or of the youngest process of the server; another one when that has just ended by itself.</summary>
    public Task KillAsync(string victim, CancellationToken cancellation) => Wait.UntilAsync($"the {victim} is killed", Scene.Patience,
        () => Task.FromResult(Signals.Send(victim == "postmaster" ? Processes.Postmaster : Processes.Children is [.., var youngest] ? youngest : 0, Signals.Kill)), cancellation);

    /// <summary>Runs a statement as the superuser.</summary>
    public Task AdministrateAsync(string sql) => AdministrateAsync(sql, command => command.ExecuteNonQueryAsync());

    /// <summary>Asks as the superuser.</summary>
    public Task<bool> AsksAsync(string sql) => AdministrateAsync(sql, async command => (bool)(await command.ExecuteScalarAsync())!);

    private async Task<T> AdministrateAsync<T>(string sql, Func<NpgsqlCommand, Task<T>> run)
    {
        await Server.EnsureRunningAsync(CancellationToken.None);
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(Server.AdministratorConnectionString) { Pooling = false }.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return await run(command);
    }

    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        Processes.Signal(Signals.Continue);
        NpgsqlConnection.ClearAllPools();
        if (_server is not null)
            await _server.DisposeAsync();
        _folder.Dispose();
        _turn.Dispose();
    }

    private async Task CreateTemplateAsync()
    {
        await AdministrateAsync($"create database {Template} owner mainstay strategy wal_log");
        var settings = new NodeSettings { ConnectionString = Of(Template), Outside = Of(Template), Workers = 0 };
        using (var host = FaultNode.Build(settings, new Voice(_ => { }), logging => logging.ClearProviders()))
        {
            await host.StartAsync();
            await host.StopAsync();
        }
        await using (var source = NpgsqlDataSource.Create(Of(Template)))
            await using (var command = source.CreateCommand(Ledger.Tables + "; delete from mainstay.nodes"))
                await command.ExecuteNonQueryAsync();
    }

    private string Of(string database) => new NpgsqlConnectionStringBuilder(Server.ConnectionString) { Database = database, MaxPoolSize = 20 }.ConnectionString;
}
