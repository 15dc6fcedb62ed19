using Npgsql;

namespace Mainstay.Tests;

/// <summary>Several nodes on one database.</summary>
public sealed class NodeTests(PostgresFixture postgres)
{
    private readonly ReportDesk _desk = new();

    private Task<TestBackend> StartAsync(string database, params string[] settings) => TestBackend.StartAsync(database, Reports.Declare(_desk), [.. Reports.Quick, .. settings]);

    [Fact]
    public async Task A_node_that_only_accepts_leaves_the_work_to_another()
    {
        var database = await postgres.CreateDatabaseAsync();
        await using var front = await StartAsync(database, "--Mainstay:LongRunning:Workers=0");
        var ann = front.User("ann", "staff");
        var location = await ann.BuildAsync("elsewhere");
        (await ann.GetAsync(location)).Status().ShouldBe("pending");

        await using var back = await StartAsync(database);

        (await ann.EndedAsync(location)).Status().ShouldBe("succeeded");
        (await ann.PostAsync("/v1/reports", new { title = "elsewhere, waited for" }, "Prefer: wait=20")).Expect(201);
    }

    [Fact]
    public async Task A_cancellation_on_one_node_ends_the_run_on_the_other()
    {
        var database = await postgres.CreateDatabaseAsync();
        await using var front = await StartAsync(database, "--Mainstay:LongRunning:Workers=0");
        await using var back = await StartAsync(database);
        var ann = front.User("ann", "staff");
        var location = await ann.BuildAsync("slow over there");
        await _desk.ArrivedAsync("slow over there");

        (await ann.PostAsync(location + "/cancel", null)).Expect(202);

        (await ann.EndedAsync(location)).Status().ShouldBe("cancelled");
        (await front.CountAsync("reports")).ShouldBe(0);
    }

    [Fact]
    public async Task A_lease_that_is_renewed_outlasts_its_own_time()
    {
        var database = await postgres.CreateDatabaseAsync();
        const string lease = "--Mainstay:LongRunning:Lease=00:00:09";
        await using var first = await StartAsync(database, lease);
        await using var second = await StartAsync(database, lease);
        var ann = first.User("ann", "staff");
        var location = await ann.BuildAsync("slow and steady");
        await _desk.ArrivedAsync("slow and steady");
        var begun = await first.ScalarAsync<DateTime>("select max(lease_until) from mainstay.nodes");

        await first.UntilAsync($"select max(lease_until) > timestamptz '{begun:O}' + interval '10 seconds' from mainstay.nodes");
        _desk.LetGo("slow and steady");

        (await ann.EndedAsync(location)).Data.GetProperty("attempts").GetInt32().ShouldBe(1);
        _desk.Runs("slow and steady").ShouldBe(1);
    }

    [Fact]
    public async Task A_node_that_has_lost_its_lease_without_noticing_cannot_commit()
    {
        var database = await postgres.CreateDatabaseAsync();
        await using var first = await StartAsync(database);
        var ann = first.User("ann", "staff");
        var location = await ann.BuildAsync("deaf and late");
        await _desk.ArrivedAsync("deaf and late");

        // As if its node had been frozen for longer than the lease.
        await first.ExecuteAsync("update mainstay.operations set node = gen_random_uuid(), due_at = now()");
        await _desk.ArrivedAsync("deaf and late", run: 2);
        _desk.LetGo("deaf and late", run: 2);
        (await ann.EndedAsync(location)).Status().ShouldBe("succeeded");
        var report = await first.ScalarAsync<Guid>("select id from reports");
        _desk.LetGo("deaf and late", run: 1);

        await Waiting.UntilAsync(() => Task.FromResult(first.Logs.Lines.Any(line => line.Text.Contains("lost", StringComparison.Ordinal))));
        (await first.ScalarAsync<Guid>("select id from reports")).ShouldBe(report);
        (await first.CountAsync("mainstay.audit")).ShouldBe(1);
        (await ann.GetAsync(location)).Data.GetProperty("attempts").GetInt32().ShouldBe(2);
    }

    [Fact]
    public async Task A_node_that_stops_gives_back_what_it_has_not_finished_and_counts_no_attempt()
    {
        var database = await postgres.CreateDatabaseAsync();
        await using var first = await StartAsync(database);
        await using var front = await StartAsync(database, "--Mainstay:LongRunning:Workers=0");
        var ann = front.User("ann", "staff");
        var location = await ann.BuildAsync("slow while it stops");
        await _desk.ArrivedAsync("slow while it stops");

        await first.Running.App.StopAsync(TestContext.Current.CancellationToken);
        var givenBack = (await ann.GetAsync(location)).Expect(200);
        await using var second = await StartAsync(database);
        _desk.LetGo("slow while it stops", run: 2);
        var ended = await ann.EndedAsync(location);

        givenBack.Status().ShouldBe("pending");
        givenBack.Data.GetProperty("attempts").GetInt32().ShouldBe(0);
        givenBack.Data.GetProperty("startedAt").GetString().ShouldBeNull();
        ended.Status().ShouldBe("succeeded");
        ended.Data.GetProperty("attempts").GetInt32().ShouldBe(1);
        (await front.CountAsync("reports")).ShouldBe(1);
    }

    [Fact]
    public async Task What_kills_its_process_each_time_is_given_up()
    {
        var database = await postgres.CreateDatabaseAsync();
        await using var front = await StartAsync(database, "--Mainstay:LongRunning:Workers=0");
        var ann = front.User("ann", "staff");
        var location = await ann.BuildAsync("deadly");
        // What three processes leave behind that die of it.
        await front.ExecuteAsync("update mainstay.operations set status = 'running', node = gen_random_uuid(), attempt = 3, fence = 3, started_at = now(), due_at = now()");

        await using var back = await StartAsync(database);

        (await ann.EndedAsync(location)).Data.GetProperty("problem").GetProperty("code").GetString().ShouldBe("internal-error");
        _desk.Runs("deadly").ShouldBe(0);
        back.Logs.Lines.ShouldContain(line => line.Text.Contains("has been begun 3 times", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_was_to_be_cancelled_when_its_node_died_is_cancelled_by_the_next()
    {
        var database = await postgres.CreateDatabaseAsync();
        await using var front = await StartAsync(database, "--Mainstay:LongRunning:Workers=0");
        var ann = front.User("ann", "staff");
        var location = await ann.BuildAsync("left to cancel");
        await front.ExecuteAsync("update mainstay.operations set status = 'running', node = gen_random_uuid(), attempt = 1, fence = 1, started_at = now(), due_at = now()");
        (await ann.PostAsync(location + "/cancel", null)).Expect(202);

        await using var back = await StartAsync(database);

        (await ann.EndedAsync(location)).Status().ShouldBe("cancelled");
        _desk.Runs("left to cancel").ShouldBe(0);
    }

    [Fact]
    public async Task Connections_that_break_in_the_middle_are_nobodys_attempt()
    {
        var database = await postgres.CreateDatabaseAsync();
        await using var backend = await StartAsync(database + ";Application Name=test-app");
        var ann = backend.User("ann", "staff");
        var location = await ann.BuildAsync("deaf to the break");
        await _desk.ArrivedAsync("deaf to the break");

        await backend.KillConnectionsAsync();
        _desk.LetGo("deaf to the break");
        await Waiting.UntilAsync(() => Task.FromResult(_desk.Runs("deaf to the break") > 1));
        for (var run = 2; run < 10; run++)
            _desk.LetGo("deaf to the break", run);
        var ended = await ann.EndedAsync(location);

        ended.Status().ShouldBe("succeeded");
        ended.Data.GetProperty("attempts").GetInt32().ShouldBe(1);
        (await backend.CountAsync("reports")).ShouldBe(1);
    }

    [Fact]
    public async Task No_more_run_at_the_same_time_than_there_are_workers()
    {
        var database = await postgres.CreateDatabaseAsync();
        await using var backend = await StartAsync(database, "--Mainstay:LongRunning:Workers=2");
        var ann = backend.User("ann", "staff");
        var locations = new List<string>();
        for (var i = 0; i < 5; i++)
            locations.Add(await ann.BuildAsync($"slow {i}"));
        await _desk.ArrivedAsync("slow 0");
        await _desk.ArrivedAsync("slow 1");

        (await backend.CountAsync("mainstay.operations where status = 'running'")).ShouldBe(2);
        Enumerable.Range(2, 3).Sum(i => _desk.Runs($"slow {i}")).ShouldBe(0);
        for (var i = 0; i < 5; i++)
            _desk.LetGo($"slow {i}");

        foreach (var location in locations)
            (await ann.EndedAsync(location)).Status().ShouldBe("succeeded");
    }

    [Fact]
    public async Task Two_nodes_share_many_operations_and_each_is_done_once()
    {
        var database = await postgres.CreateDatabaseAsync();
        await using var first = await StartAsync(database);
        await using var second = await StartAsync(database);
        var ann = first.User("ann", "staff");

        var locations = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => (i % 2 == 0 ? ann : second.User("ann", "staff")).BuildAsync($"one of many {i}")));
        foreach (var location in locations)
            (await ann.EndedAsync(location)).Status().ShouldBe("succeeded");

        Enumerable.Range(0, 40).Select(i => _desk.Runs($"one of many {i}")).ShouldAllBe(runs => runs == 1);
        (await first.CountAsync("reports")).ShouldBe(40);
    }

    [Fact]
    public async Task Operations_whose_time_is_over_are_removed()
    {
        var database = await postgres.CreateDatabaseAsync();
        await using (var first = await StartAsync(database))
        {
            var ann = first.User("ann", "staff");
            await ann.EndedAsync(await ann.BuildAsync("over"));
            await ann.EndedAsync(await ann.BuildAsync("not over"));
            await first.ExecuteAsync("update mainstay.operations set expires_at = now() where convert_from(answer_body, 'UTF8') like '%\"over\"%'");
            await first.ExecuteAsync("insert into mainstay.nodes values (gen_random_uuid(), now() - interval '2 days')");
        }

        await using var next = await StartAsync(database);

        await next.UntilAsync("select count(*) = 1 from mainstay.operations");
        await next.UntilAsync("select not exists (select from mainstay.nodes where lease_until < now() - interval '1 day')");
    }

    [Fact]
    public async Task An_idle_node_asks_once_a_second_at_most_and_writes_nothing()
    {
        var database = await postgres.CreateDatabaseAsync();
        await using var proxy = new CountingProxy(database);
        await using var backend = await TestBackend.StartAsync(proxy.ConnectionString, Reports.Declare(_desk));
        var ann = backend.User("ann", "staff");
        await ann.EndedAsync(await ann.BuildAsync("before the rest"));
        await using var direct = NpgsqlDataSource.Create(database);
        await using var nodes = direct.CreateCommand("select string_agg(xmin::text || ' ' || lease_until, ',' order by id) from mainstay.nodes");
        async Task<string> WrittenAsync() => (string)(await nodes.ExecuteScalarAsync(TestContext.Current.CancellationToken))!;
        // As soon as it rests: what a node does once after its start may come late.
        await Waiting.UntilAsync(async () =>
        {
            var (before, written, began) = (proxy.Turns, await WrittenAsync(), TimeProvider.System.GetTimestamp());
            await Waiting.UntilAsync(() => Task.FromResult(proxy.Turns >= before + 4));
            return TimeProvider.System.GetElapsedTime(began) > TimeSpan.FromSeconds(2) && await WrittenAsync() == written;
        });
    }

    [Fact]
    public async Task Accepting_and_asking_are_one_round_trip_each()
    {
        var database = await postgres.CreateDatabaseAsync();
        await using var proxy = new CountingProxy(database);
        await using var backend = await TestBackend.StartAsync(proxy.ConnectionString, Reports.Declare(_desk), "--Mainstay:LongRunning:Workers=0");
        var ann = backend.User("ann", "staff");
        // Of several, the one beside which the node did nothing of its own.
        async Task<int> TurnsAsync(Func<Task> call)
        {
            var least = int.MaxValue;
            for (var i = 0; i < 8; i++)
            {
                var before = proxy.Turns;
                await call();
                least = Math.Min(least, proxy.Turns - before);
            }
            return least;
        }
        var location = await ann.BuildAsync("asked about");

        (await TurnsAsync(() => ann.BuildAsync("a title", $"Idempotency-Key: {Guid.CreateVersion7()}"))).ShouldBe(1);
        (await TurnsAsync(() => ann.GetAsync(location))).ShouldBe(1);
    }
}
