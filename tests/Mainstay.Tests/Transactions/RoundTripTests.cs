using Microsoft.Extensions.DependencyInjection;

namespace Mainstay.Tests;

/// <summary>The shop behind a wire that counts.</summary>
public sealed class WireFixture(PostgresFixture postgres) : IAsyncLifetime
{
    internal CountingProxy Proxy { get; private set; } = null!;

    internal TestBackend Backend { get; private set; } = null!;

    internal string Direct { get; private set; } = "";

    public async ValueTask InitializeAsync()
    {
        Direct = await postgres.CreateDatabaseAsync();
        Proxy = new CountingProxy(Direct);
        Backend = await TestBackend.StartAsync(Proxy.ConnectionString + ";Application Name=test-app", backend =>
        {
            Shop.Declare(backend);
            backend.Event<Changed>("nobody.listens");
            backend.Resource<Counter>("/v1/counters").AllowRead(Policy.Anyone).AllowWrite(Policy.SignedIn);
            backend.Command("POST /v1/counters/make", (Wanted input, UnitOfWork work) =>
            {
                work.Insert(new Counter(Id<Counter>.New(), input.Name, 1));
                work.Publish(new Changed(Id<Counter>.New()));
            }).Allow(Policy.Anyone);
            backend.Command("POST /v1/counters/{id}/lock", async (CounterChange input, UnitOfWork work) =>
            {
                var counter = await work.LockAsync(input.Id);
                if (input.By == 0)
                    throw ProblemOf.NotNow.Because("Not now.");
                work.Update(counter with { Value = counter.Value + input.By });
            }).Allow(Policy.Anyone).Refuses(ProblemOf.Declare(backend));
            backend.Command("POST /v1/counters/raise", (Wanted input, UnitOfWork work) => work.Execute($"update counters set value = value + 1 where name = {input.Name}")).Allow(Policy.Anyone);
            backend.Command("POST /v1/counters/raise-and-see", async (Wanted input, UnitOfWork work) =>
            {
                work.Execute($"update counters set value = value + 1 where name = {input.Name} returning -1");
                work.Insert(new Counter(Id<Counter>.New(), "witness", 1));
                return new Raised((await work.QueryAsync<long>($"select max(value)::bigint from counters where name = {input.Name}"))[0]);
            }).Allow(Policy.Anyone);
            backend.Query("GET /v1/counters/count", (Snapshot snapshot) => snapshot.QueryAsync<long>($"select count(*) from counters")).Allow(Policy.Anyone);
        });
        // Polling for messages would be counted too; without subscribers of anything due, the dispatcher is asked to rest by stopping it.
        foreach (var service in Backend.Running.App.Services.GetServices<Microsoft.Extensions.Hosting.IHostedService>().OfType<Microsoft.Extensions.Hosting.BackgroundService>())
            await service.StopAsync(CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        if (Backend is not null)
            await Backend.DisposeAsync();
        if (Proxy is not null)
            await Proxy.DisposeAsync();
    }
}

public sealed record Raised(long Value);

internal static class ProblemOf
{
    public static ProblemType NotNow { get; private set; } = null!;

    public static ProblemType Declare(Backend backend) => NotNow = backend.Problem("not-now", 409, "Not now");
}

public sealed class RoundTripTests(WireFixture wire) : IClassFixture<WireFixture>
{
    private Caller Ann => wire.Backend.User("ann", "customer", "staff");

    /// <summary>Turns on the wire of the last of several equal calls, when everything is warm.</summary>
    private async Task<int> TurnsAsync(Func<int, Task> call)
    {
        for (var i = 0; i < 4; i++)
            await call(i);
        var before = wire.Proxy.Turns;
        await call(4);
        return wire.Proxy.Turns - before;
    }

    private async Task<string> CounterAsync() => (await Ann.PostAsync("/v1/counters", new { name = "c", value = 0 })).Expect(201).Id;

    [Fact]
    public async Task A_get_is_one_round_trip()
    {
        var path = "/v1/counters/" + await CounterAsync();

        (await TurnsAsync(async _ => (await Ann.GetAsync(path)).Expect(200))).ShouldBe(1);
        (await TurnsAsync(async _ => (await Ann.GetAsync(path, "If-None-Match: *")).Expect(304))).ShouldBe(1);
    }

    [Fact]
    public async Task A_list_is_one_round_trip_also_with_includes_and_under_a_parent()
    {
        var product = (await Ann.PostAsync("/v1/products", Shop.Product())).Expect(201).Id;
        var order = "";
        for (var i = 0; i < 5; i++)
            order = (await Ann.PostAsync("/v1/orders/note", new { productId = product, quantity = 1 })).Expect(201).Id;

        (await TurnsAsync(async _ => (await Ann.GetAsync("/v1/orders")).Expect(200))).ShouldBe(1);
        (await TurnsAsync(async _ => (await Ann.GetAsync("/v1/orders?include=product,lines")).Expect(200))).ShouldBe(1);
        (await TurnsAsync(async _ => (await Ann.GetAsync($"/v1/orders/{order}?include=product,lines")).Expect(200))).ShouldBe(1);
        (await TurnsAsync(async _ => (await Ann.GetAsync($"/v1/orders/{order}/lines?include=order")).Expect(200))).ShouldBe(1);
    }

    [Fact]
    public async Task A_create_with_key_audit_entry_and_message_is_one_round_trip()
    {
        (await TurnsAsync(async i => (await Ann.PostAsync("/v1/counters", new { name = "x", value = i })).Expect(201))).ShouldBe(1);
        (await TurnsAsync(async i => (await Ann.PostAsync("/v1/counters", new { name = "x", value = i }, $"Idempotency-Key: create-{i}")).Expect(201))).ShouldBe(1);
        (await TurnsAsync(async i => (await Ann.PostAsync("/v1/counters/make", new { name = "x" }, $"Idempotency-Key: make-{i}")).Expect(204))).ShouldBe(1);
    }

    [Fact]
    public async Task A_recorded_statement_goes_with_the_commit_or_before_a_query_whatever_it_gives()
    {
        (await Ann.PostAsync("/v1/counters", new { name = "raised", value = 0 })).Expect(201);

        (await TurnsAsync(async i => (await Ann.PostAsync("/v1/counters/raise", new { name = "raised" }, $"Idempotency-Key: raise-{i}")).Expect(204))).ShouldBe(1);
        var seen = (await Ann.PostAsync("/v1/counters/raise-and-see", new { name = "raised" }, "Idempotency-Key: raise-and-see")).Expect(200);

        seen.Data.GetProperty("value").GetInt64().ShouldBe(6);
        (await CountAsync("witness")).ShouldBe(1);
    }

    [Fact]
    public async Task A_command_that_takes_one_lock_is_two_round_trips_and_so_is_a_patch()
    {
        var id = await CounterAsync();

        (await TurnsAsync(async i => (await Ann.PostAsync($"/v1/counters/{id}/lock", "{}", $"Idempotency-Key: lock-{i}")).Expect(204))).ShouldBe(2);
        (await TurnsAsync(async i => (await Ann.PatchAsync($"/v1/counters/{id}", new { value = i })).Expect(200))).ShouldBe(2);
        (await TurnsAsync(async i => (await Ann.PutAsync($"/v1/counters/{id}", new { name = "x", value = i })).Expect(200))).ShouldBe(2);
    }

    [Fact]
    public async Task A_batch_is_a_constant_number_of_round_trips_whatever_its_size()
    {
        async Task<string[]> CountersAsync(int count) => [.. (await Ann.PostAsync("/v1/counters:batch", Enumerable.Range(0, count).Select(i => new { name = "batch", value = 0 }).ToArray())).Expect(201).Data.EnumerateArray().Select(row => row.GetProperty("id").GetString()!)];

        foreach (var count in new[] { 2, 200 })
        {
            var ids = await CountersAsync(count);
            (await TurnsAsync(_ => CountersAsync(count))).ShouldBe(1);
            (await TurnsAsync(async i => (await Ann.SendAsync("PATCH", "/v1/counters:batch", ids.Select(id => new { id, value = i + 1 }).ToArray())).Expect(200))).ShouldBe(2);
            var doomed = new[] { await CountersAsync(count), await CountersAsync(count), await CountersAsync(count), await CountersAsync(count), await CountersAsync(count) };
            (await TurnsAsync(async i => (await Ann.PostAsync("/v1/counters:batchDelete", doomed[i])).Expect(204))).ShouldBe(2);
        }
    }

    [Fact]
    public async Task A_query_reads_and_ends_its_snapshot_in_two_round_trips() =>
        (await TurnsAsync(async _ => (await Ann.GetAsync("/v1/counters/count")).Expect(200))).ShouldBe(2);

    [Fact]
    public async Task Refusals_before_the_handler_cost_nothing_and_those_of_the_handler_its_reads_and_a_rollback()
    {
        var id = await CounterAsync();

        (await TurnsAsync(async _ => (await Ann.PostAsync("/v1/counters", "{}")).Expect(400))).ShouldBe(0);
        (await TurnsAsync(async _ => (await wire.Backend.Anonymous.PostAsync("/v1/counters", "{}")).Expect(401))).ShouldBe(0);
        (await TurnsAsync(async _ => (await Ann.GetAsync("/v1/counters/nonsense")).Expect(404))).ShouldBe(0);
        (await TurnsAsync(async _ => (await Ann.PostAsync($"/v1/counters/{id}/lock", new { by = 0 })).Expect(409))).ShouldBe(2);
    }

    [Fact]
    public async Task A_replay_costs_no_more_than_the_request_and_a_look_at_its_receipt()
    {
        (await TurnsAsync(async _ => (await Ann.PostAsync("/v1/counters", new { name = "again", value = 1 }, "Idempotency-Key: again")).Expect(201))).ShouldBe(2);
    }

    [Fact]
    public async Task A_request_that_did_not_reach_the_server_is_made_again_or_said_to_be_unknown_and_never_made_twice()
    {
        wire.Proxy.CutBefore("never-heard");
        (await Ann.PostAsync("/v1/counters", new { name = "never-heard", value = 1 }, "Idempotency-Key: never-heard-key")).Expect(201);

        wire.Proxy.CutBefore("unheard");
        var unkeyed = await Ann.PostAsync("/v1/counters", new { name = "unheard", value = 1 });

        (await CountAsync("never-heard")).ShouldBe(1);
        unkeyed.Expect(503, "outcome-unknown").Header("Retry-After").ShouldBe("1");
        (await CountAsync("unheard")).ShouldBe(0);
    }

    [Fact]
    public async Task An_answer_that_got_lost_after_the_commit_is_found_again_by_its_key_and_else_said_to_be_unknown()
    {
        wire.Proxy.CutAfter("lost-keyed");
        var keyed = (await Ann.PostAsync("/v1/counters", new { name = "lost-keyed", value = 1 }, "Idempotency-Key: lost-1")).Expect(201);

        wire.Proxy.CutAfter("lost-unkeyed");
        (await Ann.PostAsync("/v1/counters", new { name = "lost-unkeyed", value = 1 })).Expect(503, "outcome-unknown");

        (await CountAsync("lost-keyed")).ShouldBe(1);
        (await Ann.GetAsync("/v1/counters/" + keyed.Id)).Expect(200);
        (await CountAsync("lost-unkeyed")).ShouldBe(1);
    }

    [Fact]
    public async Task While_the_database_is_gone_everything_is_503_and_afterwards_as_before()
    {
        var path = "/v1/counters/" + await CounterAsync();
        (await wire.Backend.Anonymous.GetAsync("/health/ready")).Expect(200);

        wire.Proxy.IsDown = true;
        try
        {
            (await wire.Backend.Anonymous.GetAsync("/health/ready")).Status.ShouldBe(503);
            (await wire.Backend.Anonymous.GetAsync("/health/live")).Expect(200);
            var replies = await Task.WhenAll(Ann.GetAsync(path), Ann.PostAsync("/v1/counters", new { name = "down", value = 1 }), Ann.PostAsync("/v1/counters", new { name = "down", value = 1 }, "Idempotency-Key: down"), Ann.GetAsync("/v1/counters/count"));
            replies.ShouldAllBe(reply => reply.Status == 503 && reply.Header("Retry-After") == "1");
        }
        finally
        {
            wire.Proxy.IsDown = false;
        }
        (await Ann.GetAsync(path)).Expect(200);
        (await Ann.PostAsync("/v1/counters", new { name = "up", value = 1 }, "Idempotency-Key: down")).Expect(201);
        await Waiting.UntilAsync(async () => (await wire.Backend.Anonymous.GetAsync("/health/ready")).Status == 200);
        (await CountAsync("down")).ShouldBe(0);
    }

    private async Task<long> CountAsync(string name)
    {
        await using var source = Npgsql.NpgsqlDataSource.Create(wire.Direct);
        await using var command = source.CreateCommand("select count(*) from counters where name = $1");
        command.Parameters.AddWithValue(name);
        return (long)(await command.ExecuteScalarAsync(TestContext.Current.CancellationToken))!;
    }
}
