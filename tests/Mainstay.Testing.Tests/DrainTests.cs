namespace Mainstay.Tests;

public sealed class DrainTests
{
    private static readonly Product tea = new(Id<Product>.New(), "TEA", "Tea", 4.5m, 10);

    [Fact]
    public async Task What_died_fails_the_drain_once_with_its_error()
    {
        await using var shop = await TestBackend.StartAsync(() => With(backend =>
            backend.Job<Attempted>("hopeless", Task (Attempted job, UnitOfWork work) => throw new InvalidOperationException("The oven is cold.")).Retry(1)));
        await EnqueueAsync(shop);

        var failure = await Should.ThrowAsync<DrainException>(() => shop.DrainAsync());
        failure.Message.ShouldContain("'hopeless' is dead (failed) after 1 attempts: InvalidOperationException: The oven is cold.");
        await shop.DrainAsync();

        await EnqueueAsync(shop);
        await shop.DrainAsync(new DrainOptions { AllowsDeadLetters = true });
    }

    [Fact]
    public async Task What_dies_again_is_told_again_and_what_may_die_is_told_never()
    {
        await using var shop = await TestBackend.StartAsync(() => With(backend =>
            backend.Job<Attempted>("hopeless", Task (Attempted job, UnitOfWork work) => throw new InvalidOperationException("The oven is cold.")).Retry(1)));
        for (var i = 0; i < 23; i++)
            await EnqueueAsync(shop, i);

        await shop.DrainAsync(new DrainOptions { AllowsDeadLetters = true });
        await shop.DrainAsync();
        await shop.Service<DeadLetters>().RedriveManyAsync(new DeadLetterFilter(), "The oven is repaired.", perSecond: 1000, cancellation: TestContext.Current.CancellationToken);

        var failure = await Should.ThrowAsync<DrainException>(() => shop.DrainAsync());
        failure.Message.Split('\n').Count(line => line.StartsWith("  'hopeless' is dead")).ShouldBe(20);
        failure.Message.ShouldContain("  and 3 more");
        await shop.DrainAsync();
    }

    [Fact]
    public async Task What_waits_for_the_rate_of_its_queue_is_put_off()
    {
        await using var shop = await TestBackend.StartAsync(() => With(backend =>
        {
            backend.Queue("slow").Rate(1, TimeSpan.FromHours(1));
            backend.Job<Attempted>("paced", (Attempted job, UnitOfWork work) => Task.CompletedTask).Queue("slow");
        }));
        for (var i = 0; i < 3; i++)
            await EnqueueAsync(shop, i);

        await shop.DrainAsync();
        shop.Applied("paced").Count.ShouldBe(1);
        await shop.PassAsync(TimeSpan.FromHours(1.5));
        shop.Applied("paced").Count.ShouldBe(2);
        await shop.ResetAsync();

        await EnqueueAsync(shop);
        await shop.DrainAsync();
        shop.Applied("paced").Count.ShouldBe(1);
    }

    /// <summary>Who holds a saga while one of its jobs dies keeps it from being told; a node looks for such now and then, and a drain does at once.</summary>
    [Fact]
    public async Task A_saga_that_somebody_held_when_its_job_died_is_stuck_after_the_drain()
    {
        TestBackend? running = null;
        Npgsql.NpgsqlConnection? holder = null;
        await using var shop = running = await TestBackend.StartAsync(() => With(backend =>
            backend.Saga<OrderPlaced>("deliver").By(placed => placed.OrderId)
                .Step("wrap", (OrderPlaced placed, Outbound outbound) => Task.CompletedTask, undo: async (OrderPlaced placed, Outbound outbound) =>
                {
                    holder = await running!.Database.OpenConnectionAsync();
                    await using var hold = new Npgsql.NpgsqlCommand("begin; select from mainstay.sagas for no key update", holder);
                    await hold.ExecuteNonQueryAsync();
                    throw new InvalidOperationException("The paper is torn.");
                }, options: step => step.Undo(up => up.On<InvalidOperationException>(RetryRule.Never)))
                .Step("send", Task (OrderPlaced placed, Outbound outbound) => throw new InvalidOperationException("Nobody drives."), options: step => step.On<InvalidOperationException>(RetryRule.Never))));
        await shop.WorkAsync(work => { work.Insert(tea); work.Publish(new OrderPlaced(Id<Order>.New(), tea.Id, 1)); return Task.CompletedTask; });
        async Task<SagaStatus> StatusAsync() => (await shop.Service<Sagas>().ListAsync()).ShouldHaveSingleItem().Status;

        await shop.DrainAsync(new DrainOptions { AllowsDeadLetters = true });
        (await StatusAsync()).ShouldBe(SagaStatus.Compensating);
        await holder!.DisposeAsync();
        await shop.DrainAsync();

        (await StatusAsync()).ShouldBe(SagaStatus.Stuck);
    }

    [Fact]
    public async Task What_waits_behind_a_dead_one_is_told_and_not_waited_for()
    {
        await using var shop = await TestBackend.StartAsync(() => With(backend =>
            backend.Job<Attempted>("in order", Task (Attempted job, UnitOfWork work) => job.Number == 1 ? throw new InvalidOperationException("The first fails.") : Task.CompletedTask)
                .InOrderOf((Attempted job) => "all").Retry(1)));
        await EnqueueAsync(shop);
        await EnqueueAsync(shop, 2);

        var failure = await Should.ThrowAsync<DrainException>(() => shop.DrainAsync(new DrainOptions { AllowsDeadLetters = true }));

        failure.Message.ShouldContain("1 of 'in order' wait in their lane behind one that is dead");
        failure.Message.ShouldContain("The first fails.");
    }

    [Fact]
    public async Task What_nobody_does_is_told_and_not_waited_for()
    {
        await using var shop = await TestBackend.StartAsync(() => Shop.Declare());
        await using (var command = shop.Database.CreateCommand("select mainstay.enqueue('forgotten', '{}')"))
            await command.ExecuteScalarAsync(TestContext.Current.CancellationToken);

        var failure = await Should.ThrowAsync<DrainException>(() => shop.DrainAsync());

        failure.Message.ShouldContain("1 of 'forgotten' wait for a node that has a handler of that name");
    }

    [Fact]
    public async Task What_does_not_end_is_told_when_the_time_is_over()
    {
        var goOn = new TaskCompletionSource();
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var shop = await TestBackend.StartAsync(() => With(backend => backend.Job<Attempted>("slow", (Attempted job, UnitOfWork work) =>
        {
            begun.TrySetResult();
            return goOn.Task;
        })));
        await EnqueueAsync(shop);
        await begun.Task;

        var failure = await Should.ThrowAsync<DrainException>(() => shop.DrainAsync(new DrainOptions { Within = TimeSpan.FromMilliseconds(200) }));

        failure.Message.ShouldContain("within 0.2 s");
        failure.Message.ShouldContain("1 of 'slow' run");
        goOn.SetResult();
        await shop.DrainAsync();
    }

    [Fact]
    public async Task What_handlers_enqueue_is_drained_too_and_long_running_commands_are()
    {
        var done = 0;
        await using var shop = await TestBackend.StartAsync(() => With(backend =>
        {
            backend.Job<Attempted>("chain", (Attempted job, UnitOfWork work) =>
            {
                done++;
                if (job.Number < 20)
                    work.Enqueue(new Attempted(job.Number + 1));
                return Task.CompletedTask;
            });
            backend.Command("POST /v1/exports", (UnitOfWork work) =>
            {
                work.Enqueue(new Attempted(20));
                return Task.FromResult("done");
            }).Allow(Shop.Staff).LongRunning(TimeSpan.FromMinutes(1));
        }));
        await EnqueueAsync(shop);
        (await shop.As("sue", "staff").PostAsync("/v1/exports")).Expect(202);

        await shop.DrainAsync();

        done.ShouldBe(21);
    }

    private static Backend With(Action<Backend> declare)
    {
        var backend = Shop.Declare();
        declare(backend);
        return backend;
    }

    private static Task EnqueueAsync(TestBackend shop, int number = 1) => shop.WorkAsync(work => { work.Enqueue(new Attempted(number)); return Task.CompletedTask; });
}
