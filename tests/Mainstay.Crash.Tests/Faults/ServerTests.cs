using System.Globalization;

namespace Mainstay.Tests;

/// <summary>F16, F17 and what else happens to a server: killed, restarted, hung, out of connections.</summary>
public sealed class ServerTests(DisturbedServer server) : IClassFixture<DisturbedServer>
{
    private const int Orders = 150;

    private static CancellationToken Stop => Scene.Stop;

    [Theory]
    [InlineData("postmaster")]
    [InlineData("backend")]
    public async Task What_was_acknowledged_before_a_crash_is_there_and_everything_goes_on(string victim)
    {
        await using var scene = await Scene.CreateAsync(server);
        var node = await scene.StartAsync();

        for (var i = 0; i < Orders; i++)
        {
            node.Tell($"order order-{i} then");
            if (i == Orders / 3)
            {
                await node.SaysAsync("ordered order-5", Stop);
                await server.KillAsync(victim, Stop);
            }
        }
        await Wait.UntilAsync("every order is answered", Scene.Patience,
            () => Task.FromResult(Enumerable.Range(0, Orders).All(i => node.HasSaid($"ordered order-{i}") || node.HasSaid($"not ordered order-{i}"))), Stop, () => node.LastWords);

        await scene.UntilEmptyAsync();
        for (var i = 0; i < Orders; i++)
            if (node.HasSaid($"ordered order-{i}"))
                (await scene.ScalarAsync<long>($"select count(*) from effects where key in ('order-{i}', 'order-{i}-next')")).ShouldBe(2, $"order-{i} was acknowledged");
        await scene.VerifyAsync();
    }

    /// <summary>
    /// Calls that take half a second each, some more and some less, so that their rate is that of the slots and not of the machine, and does not come in waves. By the clock of the database, which notes when each began.
    /// How soon depends on the machine as well, on which the server replays its log.
    /// </summary>
    [Fact]
    public async Task After_a_crash_as_much_gets_done_as_before()
    {
        const int Slots = 40;
        await using var scene = await Scene.CreateAsync(server);
        await scene.SendAllAsync("call", "job", 1_200);
        await scene.ExecuteAsync("update mainstay.jobs set payload = json_build_object('key', payload ->> 'key', 'does', 'late:0.' || 300 + 10 * (seq % 41))");
        var node = await scene.StartAsync(settings => settings with { Workers = Slots });
        await scene.UntilAsync("calls are made for two seconds", "select coalesce(clock_timestamp() - min(at) > interval '2.5 s', false) from calls");
        // Without the first of each slot, which began together.
        await scene.ExecuteAsync("""
            create table killed as select clock_timestamp() as at, (select count(*) / 2.0 from calls where at > clock_timestamp() - interval '2 s') as rate
            """);

        Signals.Send(server.Processes.Postmaster, Signals.Kill).ShouldBeTrue();

        // Beside all other tests it may take longer, so that it may be fewer in the same time.
        var asBefore = string.Create(CultureInfo.InvariantCulture, $"""
            from killed cross join lateral (select at, count(*) over (order by at range between interval '2 s' preceding and current row) from calls where at > killed.at + interval '10 milliseconds') span
            where span.count / 2.0 * {LongForm.Limit(1)} >= 0.9 * killed.rate
            """);
        await scene.UntilAsync("nine tenths of that get done again in two seconds, or nothing is left to do", $"select exists (select {asBefore}) or not exists (select from mainstay.jobs)");
        (await scene.ScalarAsync<double>($"select coalesce(extract(epoch from min(span.at) - min(killed.at)), 'infinity')::double precision {asBefore}"))
            .ShouldBeLessThan(LongForm.Limit(10), node.LastWords);
        // The rest need not take as long.
        await scene.ExecuteAsync("update mainstay.jobs set payload = json_build_object('key', payload ->> 'key', 'does', '') where id = any(array(select id from mainstay.jobs where state = 0 for update skip locked))");
        await scene.UntilEmptyAsync();
        await scene.VerifyAsync();
    }

    [Fact]
    public async Task A_planned_restart_with_work_in_flight_counts_against_no_job()
    {
        await using var scene = await Scene.CreateAsync(server);
        var node = await scene.StartAsync(settings => settings with { Workers = 10 });
        for (var i = 0; i < 10; i++)
            await scene.SendAsync("write", $"job-{i}", "sleep:3");
        for (var i = 0; i < 10; i++)
            await node.SaysAsync($"began job-{i}", Stop);
        await scene.ExecuteAsync("update mainstay.jobs set payload = json_build_object('key', payload ->> 'key', 'does', '')");

        Signals.Send(server.Processes.Postmaster, Signals.Interrupt).ShouldBeTrue();

        await scene.UntilEmptyAsync();
        (await scene.ScalarAsync<long>("select count(*) from mainstay.jobs_done where attempt = 1")).ShouldBe(10);
        await scene.VerifyAsync();
    }

    [Fact]
    public async Task A_server_that_hangs_for_longer_than_a_lease_ends_no_work_for_good()
    {
        await using var scene = await Scene.CreateAsync(server);
        var node = await scene.StartAsync();
        for (var i = 0; i < 10; i++)
            await scene.SendAsync("write", $"job-{i}", "sleep:0.2");
        await node.SaysAsync("began job-0", Stop);

        server.Processes.Postmaster.ShouldNotBe(0);
        var processes = server.Processes;
        processes.Signal(Signals.Stop);
        await Task.Delay(TimeSpan.FromSeconds(4), Stop);
        processes.Signal(Signals.Continue);

        await scene.UntilEmptyAsync();
        (await scene.ScalarAsync<long>("select count(*) from mainstay.jobs_done")).ShouldBe(10);
        await scene.VerifyAsync();
    }

    [Fact]
    public async Task A_slow_disk_makes_work_slow_and_ends_no_lease()
    {
        await using var scene = await Scene.CreateAsync(server);
        // Every flush of the log takes a tenth of a second, one after the other.
        var database = await scene.ScalarAsync<string>("select current_database()");
        await server.AdministrateAsync($"alter database {database} set commit_delay = 100000");
        await server.AdministrateAsync($"alter database {database} set commit_siblings = 0");
        var slow = await scene.StartAsync(settings => settings with { Lease = TimeSpan.FromSeconds(15) });

        for (var i = 0; i < 20; i++)
            slow.Tell($"order order-{i} then");
        await scene.UntilAsync("all orders and what follows from them are done", "select count(*) = 40 from mainstay.jobs_done");

        (await scene.ScalarAsync<bool>("select bool_and(attempt = 1) from mainstay.jobs_done")).ShouldBeTrue();
        slow.LastWords.ShouldNotContain("could not be renewed in time");
        await scene.VerifyAsync();
    }

    [Fact]
    public async Task Handlers_that_take_all_connections_cost_no_lease()
    {
        await using var scene = await Scene.CreateAsync(server);
        await scene.StartAsync(settings => settings with { Workers = 24, Lease = TimeSpan.FromSeconds(12), Timeout = TimeSpan.FromMinutes(2) });
        await scene.ExecuteAsync("insert into counters values ('held', 0)");
        await using (var held = await scene.HoldAsync("select from counters where name = 'held' for update"))
        {
            await scene.SendAllAsync("write", "job", 24, "lock:held");
            const string waiting = "from pg_stat_activity where datname = current_database() and application_name = 'node-0' and wait_event_type = 'Lock'";
            await scene.UntilAsync("all connections of the handlers wait", $"select count(*) = 20 {waiting}");

            var (at, until) = (await scene.ScalarAsync<DateTime>("select clock_timestamp()"), await scene.ScalarAsync<DateTime>("select lease_until from mainstay.nodes"));
            await scene.UntilAsync("the lease was renewed while all of them wait", $"""
                select lease_until > timestamptz '{until:O}' + interval '3 s' and (select count(*) = 20 {waiting} and query_start < timestamptz '{at:O}') from mainstay.nodes
                """);
        }
        await scene.UntilEmptyAsync();

        (await scene.ScalarAsync<long>("select count(*) from mainstay.jobs_done where attempt = 1")).ShouldBe(24);
        await scene.VerifyAsync();
    }

    [Fact]
    public async Task A_server_out_of_connections_is_nobodys_failure()
    {
        await using var scene = await Scene.CreateAsync(server);
        var database = await scene.ScalarAsync<string>("select current_database()");
        await scene.StartAsync(settings => settings with { Workers = 8 });
        await server.AdministrateAsync($"alter database {database} connection limit 4");
        await server.AdministrateAsync($"select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = '{database}' and application_name = 'node-0'");

        for (var i = 0; i < 30; i++)
            await scene.SendAsync("write", $"job-{i}", "sleep:0.1");
        await scene.UntilEmptyAsync();

        (await scene.ScalarAsync<long>("select count(*) from mainstay.jobs_done where attempt = 1")).ShouldBe(30);
        // Whoever looks at the end needs a few as well.
        await server.AdministrateAsync($"alter database {database} connection limit -1");
        await scene.VerifyAsync();
    }
}
