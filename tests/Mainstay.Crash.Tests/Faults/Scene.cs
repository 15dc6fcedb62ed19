using Mainstay.Internal;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>A scenario: a database of its own, nodes that are processes and can be disturbed, nodes in this process that are not, and the ledger of what came of it.</summary>
internal sealed class Scene : IAsyncDisposable
{
    /// <summary>How long anything may take here, on a machine that is busy with other things.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private readonly TemporaryFolder _folder = new();
    private readonly List<WorkerProcess> _workers = [];
    private readonly List<IHost> _hosts = [];

    private Scene(FaultServer server, string database)
    {
        (Server, Database) = (server, database);
        Source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(database) { ApplicationName = "scene", MaxPoolSize = 8, CommandTimeout = 60 }.ConnectionString);
    }

    public static CancellationToken Stop => TestContext.Current.CancellationToken;

    public FaultServer Server { get; }

    public string Database { get; }

    public NpgsqlDataSource Source { get; }

    /// <summary>The settings that every node here begins with.</summary>
    public NodeSettings Settings => new() { ConnectionString = Database, Outside = Database };

    public static async Task<Scene> CreateAsync(FaultServer server) => new(server, await server.CreateDatabaseAsync());

    /// <summary>A node as a process, not yet started.</summary>
    public WorkerProcess Worker(Func<NodeSettings, NodeSettings>? change = null)
    {
        var wire = new Wire(new NpgsqlConnectionStringBuilder(Database) { ApplicationName = $"node-{_workers.Count}" }.ConnectionString);
        var settings = Settings with { ConnectionString = wire.ConnectionString };
        var worker = new WorkerProcess(change?.Invoke(settings) ?? settings, wire, _folder.In($"node-{_workers.Count}.log"));
        _workers.Add(worker);
        return worker;
    }

    /// <summary>A node as a process, ready.</summary>
    public async Task<WorkerProcess> StartAsync(Func<NodeSettings, NodeSettings>? change = null)
    {
        var worker = Worker(change);
        worker.Start();
        await worker.SaysAsync("ready", Stop);
        return worker;
    }

    /// <summary>A node that nothing happens to, in this process. With a longer lease than those that die: it must not lose it because the machine is busy.</summary>
    public async Task<IHost> SurviveAsync(Func<NodeSettings, NodeSettings>? change = null)
    {
        var settings = Settings with { Lease = TimeSpan.FromSeconds(6) };
        var host = FaultNode.Build(change?.Invoke(settings) ?? settings, new Voice(_ => { }), logging => logging.ClearProviders());
        _hosts.Add(host);
        await host.StartAsync(Stop);
        return host;
    }

    /// <summary>Hands in a job by plain SQL, so that whichever node comes first claims it.</summary>
    public async Task<Guid> SendAsync(string handler, string key, string does = "", TimeSpan? after = null)
    {
        await using var command = Source.CreateCommand("""
            with job as (select mainstay.enqueue($1, json_build_object('key', $2::text, 'does', $3::text), after => $4) as id)
            insert into sent (id, key) select id, $2 from job returning id
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = handler });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = key });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = does });
        command.Parameters.Add(new NpgsqlParameter { Value = (object?)after ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Interval });
        return (Guid)(await command.ExecuteScalarAsync(Stop))!;
    }

    /// <summary>Asks, and waits for a server that is being started again.</summary>
    public async Task<T> ScalarAsync<T>(string sql)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (true)
            try
            {
                await using var command = Source.CreateCommand(sql);
                return (T)(await command.ExecuteScalarAsync(Stop))!;
            }
            catch (Exception e) when (DatabaseErrors.IsUnavailable(e) && TimeProvider.System.GetElapsedTime(began) < Patience)
            {
                await Task.Delay(50, Stop);
            }
    }

    public async Task ExecuteAsync(string sql)
    {
        await using var command = Source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(Stop);
    }

    /// <summary>Waits until a question answers true.</summary>
    public Task UntilAsync(string what, string sql) => Wait.UntilAsync(what, Patience, async () => await ScalarAsync<bool>(sql), Stop, Story);

    /// <summary>Waits until nothing is open any more.</summary>
    public async Task UntilEmptyAsync()
    {
        try
        {
            await Wait.UntilAsync("no job is open", Patience, async () => await ScalarAsync<long>("select count(*) from mainstay.jobs") == 0, Stop);
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"{e.Message}\n{await ScalarAsync<string>("select json_agg(job)::text from (select * from mainstay.jobs limit 20) job")}\n{Story()}");
        }
    }

    /// <summary>How the runs of a job were counted, wherever it is now: attempts, crashes when it is open or dead, and what became of it.</summary>
    public Task<string> FateAsync(string key) => ScalarAsync<string>($"""
        select coalesce(
            (select 'done ' || attempt from mainstay.jobs_done join sent using (id) where key = '{key}'),
            (select 'dead ' || attempt || ' ' || reason from mainstay.jobs_dead join sent using (id) where key = '{key}'),
            (select 'open ' || attempt || ' ' || crashes || ' state ' || state from mainstay.jobs join sent using (id) where key = '{key}'), 'gone')
        """);

    /// <summary>The end of every scenario: whatever happened, this holds.</summary>
    public async Task VerifyAsync()
    {
        var findings = await Ledger.FindAsync(Source, Stop);
        if (findings.Count > 0)
            Assert.Fail($"{string.Join('\n', findings)}\n{Story()}");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var host in _hosts)
        {
            await host.StopAsync(CancellationToken.None);
            host.Dispose();
        }
        foreach (var worker in _workers)
            worker.Dispose();
        await Source.DisposeAsync();
        _folder.Dispose();
    }

    private string Story() => string.Join('\n', _workers.Select((worker, i) => $"node {i} said last:\n{worker.LastWords}"));
}
