using Microsoft.Extensions.DependencyInjection;

namespace Mainstay.Tests;

public sealed class LifetimeTests(PostgresFixture postgres)
{
    private static void Seeded(Backend backend)
    {
        backend.Resource<Counter>("/v1/counters").AllowRead(Policy.Anyone);
        backend.Seed("counters", work =>
        {
            for (var i = 0; i < 3; i++)
                work.Insert(new Counter(Id<Counter>.New(), $"seed {i}", i));
            return Task.CompletedTask;
        });
    }

    [Fact]
    public async Task A_seed_runs_once_for_a_database_also_when_two_nodes_start_together()
    {
        var database = await postgres.CreateDatabaseAsync();

        var nodes = await Task.WhenAll(TestBackend.StartAsync(database, Seeded), TestBackend.StartAsync(database, Seeded));
        foreach (var node in nodes)
            await node.DisposeAsync();
        await using var later = await TestBackend.StartAsync(database, Seeded);

        (await later.Anonymous.GetAsync("/v1/counters")).Expect(200).Data.GetArrayLength().ShouldBe(3);
    }

    [Fact]
    public async Task A_seed_that_fails_leaves_nothing_and_runs_again_at_the_next_start()
    {
        var database = await postgres.CreateDatabaseAsync();
        await Should.ThrowAsync<InvalidOperationException>(() => TestBackend.StartAsync(database, backend =>
        {
            backend.Resource<Counter>("/v1/counters").AllowRead(Policy.Anyone);
            backend.Seed("counters", async work =>
            {
                work.Insert(new Counter(Id<Counter>.New(), "half", 1));
                await work.QueryAsync<int>($"select 1");
                throw new InvalidOperationException("half way");
            });
        }));

        await using var later = await TestBackend.StartAsync(database, Seeded);

        (await later.Anonymous.GetAsync("/v1/counters")).Expect(200).Data.GetArrayLength().ShouldBe(3);
    }

    [Fact]
    public async Task Production_neither_seeds_nor_changes_the_schema()
    {
        var database = await postgres.CreateDatabaseAsync();

        (await TestBackend.RefuseAsync(database, Seeded, "--environment", "Production")).ShouldStartWith("MST");
        await using (await TestBackend.StartAsync(database, Seeded, "--environment", "Production", "--Mainstay:Schema=apply"))
        {
        }
        await using var production = await TestBackend.StartAsync(database, Seeded, "--environment", "Production");

        (await production.Anonymous.GetAsync("/v1/counters")).Expect(200).Data.GetArrayLength().ShouldBe(0);
    }

    [Fact]
    public async Task Nodes_accept_each_others_cursors()
    {
        var database = await postgres.CreateDatabaseAsync();
        await using var one = await TestBackend.StartAsync(database, Seeded);
        await using var two = await TestBackend.StartAsync(database, Seeded);

        var cursor = (await one.Anonymous.GetAsync("/v1/counters?pageSize=1")).Meta.GetProperty("nextCursor").GetString();

        (await two.Anonymous.GetAsync($"/v1/counters?pageSize=1&cursor={cursor}")).Expect(200);
    }

    [Fact]
    public async Task Health_says_live_and_ready()
    {
        await using var backend = await TestBackend.StartAsync(await postgres.CreateDatabaseAsync(), Seeded);

        (await backend.Anonymous.GetAsync("/health/live")).Expect(200).Text.ShouldBe("""{"status":"live"}""");
        var ready = (await backend.Anonymous.GetAsync("/health/ready")).Expect(200);
        ready.Text.ShouldBe("""{"status":"ready"}""");
        ready.Header("Cache-Control").ShouldBe("no-store");
        (await backend.Anonymous.SendAsync("HEAD", "/health/ready", null)).Expect(200);
    }

    [Fact]
    public async Task A_stop_waits_for_the_request_in_flight_and_commits_it()
    {
        var database = await postgres.CreateDatabaseAsync();
        var meeting = new Meeting();
        var backend = await TestBackend.StartAsync(database, declared =>
        {
            declared.Services.AddSingleton(meeting);
            declared.Resource<Counter>("/v1/counters").AllowRead(Policy.Anyone);
            declared.Command("POST /v1/meet", async (Wanted input, UnitOfWork work, Meeting place) =>
            {
                work.Insert(new Counter(Id<Counter>.New(), input.Name, 1));
                await work.QueryAsync<int>($"select 1");
                await place.MeetAsync(work.Cancellation);
            }).Allow(Policy.Anyone);
        });
        try
        {
            var call = backend.Anonymous.PostAsync("/v1/meet", new { name = "in flight" });
            await meeting.Arrived.Task;

            var stop = backend.Running.App.StopAsync(TestContext.Current.CancellationToken);
            await Waiting.UntilAsync(() => Task.FromResult(backend.Running.App.Lifetime.ApplicationStopping.IsCancellationRequested));
            meeting.Leave.SetResult();

            (await call).Expect(204);
            await stop;
            (await backend.CountAsync("counters where name = 'in flight'")).ShouldBe(1);
        }
        finally
        {
            await backend.DisposeAsync();
        }
    }
}
