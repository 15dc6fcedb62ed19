using System.Net.Http.Json;

namespace Mainstay.Benchmarks;

/// <summary>Queues that run at the same time on one database, each in tables of its own, and work in turn. MassTransit has a broker instead.</summary>
internal sealed class JobsField : IAsyncDisposable
{
    private readonly List<ServerProcess> _servers = [];
    private Broker? _broker;

    private JobsField(BenchmarkDatabase database) => (Database, Versions) = (database, database.Version);

    public BenchmarkDatabase Database { get; }

    public string Versions { get; private set; }

    public static Task<JobsField> StartAsync(params Contestant[] contestants) => StartAsync([], contestants);

    /// <param name="settings">Of the database.</param>
    /// <param name="contestants">The queues.</param>
    public static async Task<JobsField> StartAsync(string[] settings, Contestant[] contestants)
    {
        var nodePeers = contestants.Any(contestant => contestant is NodeContestant) ? $", {await NodePeers.Queues.InstallAsync()}" : "";
        var dotNetPeers = contestants.Any(contestant => contestant is PeerContestant) ? $", {await DotNetPeers.Messaging.BuildAsync()}" : "";
        var field = new JobsField(await BenchmarkDatabase.StartAsync(settings));
        try
        {
            if (contestants.Contains(Contestant.MassTransit))
            {
                field._broker = await Broker.StartAsync();
                field.Versions += $", {field._broker.Version}";
            }
            field.Versions += nodePeers + dotNetPeers;
            await field.Database.ExecuteAsync("create table effects (id bigint generated always as identity primary key, due_at bigint not null)");
            foreach (var contestant in contestants)
                field._servers.Add(await ServerProcess.StartAsync(field.Database, contestant, contestant == Contestant.MassTransit ? field._broker!.Address : null));
            return field;
        }
        catch
        {
            await field.DisposeAsync();
            throw;
        }
    }

    /// <summary>A runner for each queue.</summary>
    public Runner[] Runners(Func<ServerProcess, int, int, Task<Measured>> run) => [.. _servers.Select(server => new Runner(server.Name, (parallel, seconds) => run(server, parallel, seconds)))];

    public ServerProcess this[Contestant contestant] => _servers.Single(server => server.Name == contestant.Name);

    /// <summary>Empties the tables of a queue, so that each run begins with the same.</summary>
    public Task ClearAsync(ServerProcess server) => UsesBroker(server) ? Task.CompletedTask : Database.ExecuteAsync($"truncate {Tables(server)}, effects");

    /// <summary>Lets the database know what a fill has done to a queue, as it would a minute later by itself.</summary>
    public Task AnalyzeAsync(ServerProcess server) => Database.ExecuteAsync($"vacuum (analyze) {OpenTable(server)}");

    /// <summary>Has a queue do something.</summary>
    /// <param name="server">The queue.</param>
    /// <param name="action">What, with its parameters.</param>
    /// <exception cref="MeasurementException">It could not.</exception>
    public async Task<Measured> RunAsync(ServerProcess server, string action)
    {
        var (before, storeBefore) = (server.ProcessorTime, StoreTime(server));
        using var answer = await server.Http.PostAsync(action, null);
        if (!answer.IsSuccessStatusCode)
            throw new MeasurementException($"{server.Name}, {action}: {await answer.Content.ReadAsStringAsync()}");
        var done = (await answer.Content.ReadFromJsonAsync<JobsDone>())!;
        // A worker that has stopped leaves its backends to the postmaster, which has their time a moment later.
        await Task.Delay(200);
        var (time, storeTime) = (server.ProcessorTime - before, StoreTime(server) - storeBefore);
        return new Measured(done.Count, done.Count / done.Seconds, time.TotalMicroseconds / done.Count, storeTime.TotalMicroseconds / done.Count, Time(done.Milliseconds50), Time(done.Milliseconds99));
    }

    /// <exception cref="MeasurementException">Not every job that was run is ended too.</exception>
    public async Task CheckEmptyAsync(ServerProcess server)
    {
        if (UsesBroker(server))
            return; // It asks its broker itself, after each run.
        var open = await Database.ValueAsync<long>($"select count(*) from {OpenTable(server)}{(server.Name == Contestant.PgBoss.Name ? " where state <> 'completed'" : "")}");
        if (open > 0)
            throw new MeasurementException($"{server.Name} has left {open} jobs that it had run.");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var server in _servers)
            await server.DisposeAsync();
        if (_broker is not null)
            await _broker.DisposeAsync();
        await Database.DisposeAsync();
    }

    /// <summary>What has been spent where a queue keeps its jobs.</summary>
    private TimeSpan StoreTime(ServerProcess server) => UsesBroker(server) ? _broker!.ProcessorTime : Database.ProcessorTime;

    private static bool UsesBroker(ServerProcess server) => server.Name == Contestant.MassTransit.Name;

    private static string OpenTable(ServerProcess server) => Tables(server).Split(',')[0];

    private static string Tables(ServerProcess server) =>
        server.Name == Contestant.Jobs.Name ? "mainstay.jobs, mainstay.jobs_done"
        : server.Name == Contestant.Saga.Name || server.Name == Contestant.ThreeJobs.Name ? "mainstay.jobs, mainstay.jobs_done, mainstay.sagas, mainstay.sagas_ended"
        : server.Name == Contestant.RawJobs.Name ? "raw_jobs, raw_jobs_done"
        : server.Name == Contestant.GraphileWorker.Name ? "graphile_worker._private_jobs"
        : server.Name == Contestant.PgBoss.Name ? "pgboss.job"
        : server.Name == Contestant.Quartz.Name ? "qrtz_triggers, qrtz_simple_triggers, qrtz_cron_triggers, qrtz_simprop_triggers, qrtz_blob_triggers, qrtz_fired_triggers, qrtz_job_details"
        : throw new MeasurementException($"Where {server.Name} keeps its jobs is not known here.");

    private static double Time(double milliseconds) => milliseconds == 0 ? double.NaN : milliseconds;
}
