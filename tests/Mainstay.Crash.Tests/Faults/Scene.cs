using Mainstay.Internal;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>A scenario: a database of its own, nodes that are processes and can be disturbed, nodes in this process that are not, and the ledger of what came of it.</summary>
internal sealed class Scene : IAsyncDisposable
{
    /// <summary>How long anything may take here, on a machine that is busy with other things.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    /// <summary>Longer than a process gets no time on a busy machine, twice over.</summary>
    private static readonly TimeSpan longLease = TimeSpan.FromSeconds(30);

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
    public NodeSettings Settings => new() { ConnectionString = Database, Outside = new NpgsqlConnectionStringBuilder(Database) { ApplicationName = "outside", MaxPoolSize = 4 }.ConnectionString };

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

    /// <summary>A node that nothing happens to, in this process. It must not lose its lease because the machine is busy.</summary>
    public async Task<IHost> SurviveAsync(Func<NodeSettings, NodeSettings>? change = null)
    {
        var settings = Settings with { Lease = longLease };
        var host = FaultNode.Build(change?.Invoke(settings) ?? settings, new Voice(_ => { }), logging => logging.ClearProviders());
        _hosts.Add(host);
        await host.StartAsync(Stop);
        return host;
    }

    /// <summary>Hands in a job by plain SQL, so that whichever node comes first claims it.</summary>
    public async Task<Guid> SendAsync(string handler, string key, string does = "", TimeSpan? after = null, string? lane = null, int? number = null)
    {
        await using var command = Source.CreateCommand("""
            with job as (select mainstay.enqueue($1, json_strip_nulls(json_build_object('key', $2::text, 'does', $3::text, 'lane', $5::text, 'number', $6::int)), after => $4, lane => $5) as id)
            insert into sent (id, key) select id, $2 from job returning id
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = handler });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = key });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = does });
        command.Parameters.Add(new NpgsqlParameter { Value = (object?)after ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Interval });
        command.Parameters.Add(new NpgsqlParameter { Value = (object?)lane ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Text });
        command.Parameters.Add(new NpgsqlParameter { Value = (object?)number ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Integer });
        return (Guid)(await command.ExecuteScalarAsync(Stop))!;
    }

    /// <summary>Hands in many jobs at once.</summary>
    public Task SendAllAsync(string handler, string name, int count, string does = "") => ExecuteAsync($$"""
        insert into sent (id, key) select mainstay.enqueue('{{handler}}', json_build_object('key', '{{name}}-' || number, 'does', '{{does}}')), '{{name}}-' || number from generate_series(1, {{count}}) number
        """);

    /// <summary>Settings of the database of this scene, for connections that are opened from now on.</summary>
    public async Task SetAsync(params (string Name, string Value)[] settings)
    {
        var database = await ScalarAsync<string>("select current_database()");
        foreach (var (name, value) in settings)
            await Server.AdministrateAsync($"alter database {database} set {name} = '{value}'");
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

    /// <summary>Holds what a statement locks until it is disposed.</summary>
    public async Task<NpgsqlConnection> HoldAsync(string sql)
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(Database) { ApplicationName = "holder", Pooling = false }.ConnectionString);
        await connection.OpenAsync(Stop);
        await using var hold = new NpgsqlCommand($"begin; {sql}", connection);
        await hold.ExecuteNonQueryAsync(Stop);
        return connection;
    }

    /// <summary>Waits until a question answers true.</summary>
    public Task UntilAsync(string what, string sql) => Wait.UntilAsync(what, Patience, async () => await ScalarAsync<bool>(sql), Stop, Story);

    /// <summary>For a node whose lease ends with its death only. Also on a busy machine: a run that lost its lease, or its time, would begin anew, and not come to where it was to be killed.</summary>
    public static NodeSettings KeepsItsLease(NodeSettings settings) => settings with { Lease = longLease, Timeout = TimeSpan.FromMinutes(2) };

    /// <summary>Kills a node. Of the rest of its lease only the last second is waited for.</summary>
    public async Task KillAsync(WorkerProcess node)
    {
        await node.KillAsync(Stop);
        await ShortenLeaseAsync(node);
    }

    /// <summary>Nobody has to wait for more than the last second of the lease of a node that is dead.</summary>
    public Task ShortenLeaseAsync(WorkerProcess dead) => ExecuteAsync($"""
        update mainstay.nodes set lease_until = mainstay.now() + interval '1 s' where name = '{NameOf(dead)}' and lease_until > mainstay.now() + interval '1 s'
        """);

    /// <summary>What a node is called in the database.</summary>
    public static string NameOf(WorkerProcess node) => $"{Environment.MachineName}:{node.Id}";

    /// <summary>The same, and whenever the node has ended meanwhile, it is started again, as an orchestrator would.</summary>
    public Task KeepStartedUntilAsync(WorkerProcess node, string what, string sql)
    {
        node.Start();
        return Wait.UntilAsync(what, Patience, async () =>
        {
            if (node.HasExited)
            {
                await ShortenLeaseAsync(node);
                node.Start();
            }
            return await ScalarAsync<bool>(sql);
        }, Stop, Story);
    }

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

    /// <summary>Something has been killed: notes when, by the database's clock.</summary>
    public Task NoteKillAsync() => ExecuteAsync("create table killed as select clock_timestamp() as at");

    /// <summary>How long after that all calls had been made again.</summary>
    public Task<double> SecondsToTheNextRunAsync() => ScalarAsync<double>("select extract(epoch from max(calls.at) - max(killed.at))::double precision from calls, killed where attempt = 2");

    /// <summary>How the runs of a job were counted, wherever it is now: attempts, crashes when it is open or dead, and what became of it.</summary>
    public Task<string> FateAsync(string key) => ScalarAsync<string>($"""
        select coalesce(
            (select 'done ' || attempt from mainstay.jobs_done join sent using (id) where key = '{key}'),
            (select 'dead ' || attempt || ' ' || reason from mainstay.jobs_dead join sent using (id) where key = '{key}'),
            (select 'open ' || attempt || ' ' || crashes || ' state ' || state from mainstay.jobs join sent using (id) where key = '{key}'), 'gone')
        """);

    /// <summary>The end of every scenario: whatever happened, the ledger is right and the queues are as an operator may expect.</summary>
    public Task VerifyAsync() => VerifyAsync(Database);

    /// <summary>The same of another database, which has taken the place of this one.</summary>
    public async Task VerifyAsync(string database)
    {
        await using var source = NpgsqlDataSource.Create(database);
        await NoteDeathsAsync(source);
        var findings = await Ledger.FindAsync(source, Stop);
        using var operations = FaultNode.Build(Settings with { ConnectionString = database, Lease = longLease, Workers = 0, HasLimits = true }, new Voice(_ => { }), logging => logging.ClearProviders());
        var report = await operations.Services.GetRequiredService<QueueChecker>().VerifyAsync([.. await ReadSentAsync(source)], Patience, Stop);
        findings.AddRange(report.Findings.Select(finding => $"{finding.Check}: {string.Join("; ", finding.Rows.Take(5).Select(row => $"{row.Row} {row.Detail}"))}"));
        findings.AddRange(report.Unfinished.Select(check => $"{check}: not looked at in time"));
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

    /// <summary>What a process was doing when it was killed has ended then.</summary>
    private async Task NoteDeathsAsync(NpgsqlDataSource source)
    {
        foreach (var (process, at) in _workers.SelectMany(worker => worker.Deaths))
        {
            await using var command = source.CreateCommand("insert into deaths (node, at) values ($1, $2)");
            command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = process });
            command.Parameters.Add(new NpgsqlParameter<DateTime> { TypedValue = at });
            await command.ExecuteNonQueryAsync(Stop);
        }
    }

    private static async Task<List<Guid>> ReadSentAsync(NpgsqlDataSource source)
    {
        await using var command = source.CreateCommand("select id from sent");
        await using var reader = await command.ExecuteReaderAsync(Stop);
        List<Guid> ids = [];
        while (await reader.ReadAsync(Stop))
            ids.Add(reader.GetGuid(0));
        return ids;
    }

    private string Story() => string.Join('\n', _workers.Select((worker, i) => $"node {i} said last:\n{worker.LastWords}"));
}
