namespace Mainstay.Tests;

public sealed class CrashTests
{
    private static readonly Product tea = new(Id<Product>.New(), "TEA", "Tea", 4.5m, 10);
    private static readonly TimeSpan lease = TimeSpan.FromSeconds(31);

    [Theory]
    [InlineData(CrashPoint.BeforeCommit, 2)]
    [InlineData(CrashPoint.AfterCommit, 1)]
    public async Task Work_whose_node_dies_around_its_commit_has_its_effect_once(string point, int attempt)
    {
        await using var shop = await TestBackend.StartAsync(() => Shop.Declare());
        await shop.WorkAsync(work => { work.Insert(tea); return Task.CompletedTask; });
        var crash = shop.CrashAt(point, of: "on count units sold");
        (await shop.As("ann", "customer").PostAsync("/v1/orders", new PlaceOrder(tea.Id, 3))).Expect(201);

        var dead = await crash.HappenedAsync();
        await shop.StartNodeAsync();
        await shop.Clock.AdvanceAsync(lease);
        await shop.DrainAsync();

        dead.ShouldBeSameAs(shop.Nodes[0]);
        dead.IsAlive.ShouldBeFalse();
        shop.Applied("count units sold").Single().Attempt.ShouldBe(attempt);
        (await shop.ReadAsync(snapshot => snapshot.RequireAsync(tea.Id))).Sold.ShouldBe(3);
    }

    [Theory]
    [InlineData(CrashPoint.BeforeCommit, 0)]
    [InlineData(CrashPoint.AfterCommit, 1)]
    public async Task A_client_whose_node_dies_gets_no_answer_and_can_repeat_the_request_elsewhere(string point, int ordersBefore)
    {
        await using var shop = await TestBackend.StartAsync(() => Shop.Declare());
        await shop.StartNodeAsync();
        await shop.WorkAsync(work => { work.Insert(tea); return Task.CompletedTask; });
        var ann = shop.As("ann", "customer");
        shop.CrashAt(point, of: "POST /v1/orders");

        await Should.ThrowAsync<HttpRequestException>(() => ann.PostAsync("/v1/orders", new PlaceOrder(tea.Id, 1), "Idempotency-Key: \"1\""));
        (await OrdersAsync(shop)).ShouldBe(ordersBefore);
        (await ann.PostAsync("/v1/orders", new PlaceOrder(tea.Id, 1), "Idempotency-Key: \"1\"")).Expect(201);

        (await OrdersAsync(shop)).ShouldBe(1);
    }

    [Theory]
    [InlineData(CrashPoint.BeforeSideEffect, 2, 3)]
    [InlineData(CrashPoint.AfterSideEffect, 2, 4)]
    [InlineData(CrashPoint.BeforeCompletion, 1, 3)]
    [InlineData(CrashPoint.AfterCompletion, 1, 3)]
    public async Task An_outbound_handler_goes_on_where_its_node_died(string point, int nth, int effects)
    {
        var keys = new List<string>();
        await using var shop = await TestBackend.StartAsync(() =>
        {
            var backend = Shop.Declare();
            backend.Job<Attempted>("steps", async (Attempted job, Outbound outbound) =>
            {
                foreach (var step in (string[])["one", "two", "three"])
                    await outbound.StepAsync(step, key =>
                    {
                        lock (keys)
                            keys.Add(key);
                        return Task.CompletedTask;
                    });
            });
            return backend;
        });
        var crash = shop.CrashAt(point, nth, "job steps");
        await shop.WorkAsync(work => { work.Enqueue(new Attempted(1)); return Task.CompletedTask; });

        await crash.HappenedAsync();
        await shop.StartNodeAsync();
        await shop.Clock.AdvanceAsync(lease);
        await shop.DrainAsync();

        keys.Count.ShouldBe(effects);
        keys.Distinct().Count().ShouldBe(3);
        shop.Applied("steps").Count.ShouldBe(1);
    }

    [Fact]
    public async Task A_killed_node_keeps_its_lease_until_it_is_over()
    {
        var begun = new TaskCompletionSource();
        await using var shop = await TestBackend.StartAsync(() =>
        {
            var backend = Shop.Declare();
            backend.Job<Attempted>("held", async (Attempted job, Outbound outbound) =>
            {
                begun.TrySetResult();
                if (outbound.Attempt == 1)
                    await Task.Delay(Timeout.InfiniteTimeSpan, outbound.Cancellation);
            });
            return backend;
        });
        await shop.WorkAsync(work => { work.Enqueue(new Attempted(1)); return Task.CompletedTask; });
        await begun.Task;
        await shop.Node.KillAsync();
        await shop.StartNodeAsync();

        var failure = await Should.ThrowAsync<DrainException>(() => shop.DrainAsync());
        failure.Message.ShouldContain("1 of 'held' belong to a node that was killed");
        await shop.Clock.AdvanceAsync(lease);
        await shop.DrainAsync();
        shop.Applied("held").Single().Attempt.ShouldBe(2);
    }

    [Fact]
    public async Task A_long_running_command_of_a_killed_node_goes_on_elsewhere_when_its_lease_is_over()
    {
        var begun = new TaskCompletionSource();
        var runs = 0;
        await using var shop = await TestBackend.StartAsync(() =>
        {
            var backend = Shop.Declare();
            backend.Command("POST /v1/exports", async (UnitOfWork work) =>
            {
                if (Interlocked.Increment(ref runs) == 1)
                {
                    begun.SetResult();
                    await Task.Delay(Timeout.InfiniteTimeSpan, work.Cancellation);
                }
                return "done";
            }).Allow(Shop.Staff).LongRunning(TimeSpan.FromMinutes(10));
            return backend;
        });
        (await shop.As("sue", "staff").PostAsync("/v1/exports")).Expect(202);
        await begun.Task;
        await shop.Node.KillAsync();
        await shop.StartNodeAsync();

        (await Should.ThrowAsync<DrainException>(() => shop.DrainAsync())).Message.ShouldContain("1 of 'POST /v1/exports' belong to a node that was killed");
        await shop.Clock.AdvanceAsync(lease);
        await shop.DrainAsync();

        runs.ShouldBe(2);
    }

    [Fact]
    public async Task What_the_test_itself_does_is_no_crash_point()
    {
        await using var shop = await TestBackend.StartAsync(() => Shop.Declare());
        var crash = shop.CrashAt(CrashPoint.BeforeCommit);

        await shop.InsertAsync(tea);
        crash.HasHappened.ShouldBeFalse();
        await Should.ThrowAsync<HttpRequestException>(() => shop.As("ann", "customer").PostAsync("/v1/orders", new PlaceOrder(tea.Id, 1)));

        (await crash.HappenedAsync()).ShouldBeSameAs(shop.Nodes[0]);
    }

    [Fact]
    public async Task A_node_that_is_stopped_gives_back_what_it_has_at_once()
    {
        var begun = new TaskCompletionSource();
        await using var shop = await TestBackend.StartAsync(() =>
        {
            var backend = Shop.Declare();
            backend.Job<Attempted>("held", async (Attempted job, Outbound outbound) =>
            {
                if (begun.TrySetResult())
                    await Task.Delay(Timeout.InfiniteTimeSpan, outbound.Cancellation);
            });
            return backend;
        }, new TestOptions { Settings = new Dictionary<string, string?> { ["Mainstay:Queues:Drain"] = "00:00:00.1" } });
        await shop.WorkAsync(work => { work.Enqueue(new Attempted(1)); return Task.CompletedTask; });
        await begun.Task;

        await shop.Node.StopAsync();
        var other = await shop.StartNodeAsync();
        await shop.DrainAsync();

        shop.Applied("held").Single().Attempt.ShouldBe(1);
        shop.Node.ShouldBeSameAs(other);
        shop.Nodes.Select(node => (node.Number, node.IsAlive)).ShouldBe([(1, false), (2, true)]);
    }

    [Fact]
    public async Task Nodes_that_live_keep_their_leases_over_any_time()
    {
        var goOn = new TaskCompletionSource();
        var begun = new TaskCompletionSource();
        var runs = 0;
        var cancelled = 0;
        await using var shop = await TestBackend.StartAsync(() =>
        {
            var backend = Shop.Declare();
            backend.Job<Attempted>("long", async (Attempted job, UnitOfWork work) =>
            {
                Interlocked.Increment(ref runs);
                await using var ending = work.Cancellation.Register(() => Interlocked.Increment(ref cancelled));
                begun.TrySetResult();
                await goOn.Task.WaitAsync(work.Cancellation);
            }).Timeout(TimeSpan.FromHours(2));
            return backend;
        });
        await shop.StartNodeAsync();
        await shop.WorkAsync(work => { work.Enqueue(new Attempted(1)); return Task.CompletedTask; });
        await begun.Task;

        await shop.Clock.AdvanceAsync(TimeSpan.FromSeconds(15));
        await shop.Clock.AdvanceAsync(TimeSpan.FromSeconds(15));
        await shop.Clock.AdvanceAsync(TimeSpan.FromHours(1));
        // Both nodes look and renew several times before it ends.
        await Should.ThrowAsync<DrainException>(() => shop.DrainAsync(new DrainOptions { Within = TimeSpan.FromMilliseconds(200) }));
        goOn.SetResult();
        await shop.DrainAsync();

        (runs, cancelled).ShouldBe((1, 0));
        shop.Applied("long").Single().Attempt.ShouldBe(1);
    }

    [Fact]
    public async Task A_name_of_a_point_that_does_not_exist_is_refused_and_a_crash_that_does_not_happen_is_told()
    {
        await using var shop = await TestBackend.StartAsync(() => Shop.Declare());

        Should.Throw<ArgumentException>(() => shop.CrashAt("after sideeffect")).Message.ShouldContain("Did you mean 'after side effect'?");
        Should.Throw<ArgumentException>(() => shop.CrashAt(CrashPoint.AfterCommit, of: "on count units")).Message.ShouldContain("Did you mean 'on count units sold'?");
        Should.Throw<ArgumentException>(() => shop.CrashAt(CrashPoint.AfterSideEffect, of: "POST /v1/orders"));
        var crash = shop.CrashAt(CrashPoint.AfterCommit, nth: 2, of: "POST /v1/orders");
        await shop.WorkAsync(work => { work.Insert(tea); return Task.CompletedTask; });
        (await shop.As("ann", "customer").PostAsync("/v1/orders", new PlaceOrder(tea.Id, 3))).Expect(201);
        (await Should.ThrowAsync<TimeoutException>(() => crash.HappenedAsync(TimeSpan.FromMilliseconds(50)))).Message.ShouldContain("'after commit' of 'POST /v1/orders'; 1 more times");
        crash.HasHappened.ShouldBeFalse();
    }

    private static Task<long> OrdersAsync(TestBackend shop) => shop.ReadAsync(async snapshot => (await snapshot.QueryAsync<long>($"select count(*) from orders"))[0]);
}
