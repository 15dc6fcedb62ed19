namespace Mainstay.Tests;

public sealed class ClockTests
{
    private static readonly Product tea = new(Id<Product>.New(), "TEA", "Tea", 4.5m, 10);

    [Fact]
    public async Task The_time_of_the_process_and_of_the_database_move_together()
    {
        await using var shop = await TestBackend.StartAsync(() => Shop.Declare());
        var before = shop.Clock.GetUtcNow();

        await shop.Clock.AdvanceAsync(TimeSpan.FromDays(400));

        shop.Clock.GetUtcNow().ShouldBeGreaterThanOrEqualTo(before.AddDays(400));
        shop.Service<TimeProvider>().ShouldBeSameAs(shop.Clock);
        await using var command = shop.Database.CreateCommand("select mainstay.now()");
        var now = new DateTimeOffset((DateTime)(await command.ExecuteScalarAsync(TestContext.Current.CancellationToken))!);
        now.ShouldBeInRange(before.AddDays(400), shop.Clock.GetUtcNow().AddSeconds(1));
    }

    [Fact]
    public async Task A_job_that_is_put_off_for_a_week_runs_when_the_week_is_over_and_not_before()
    {
        await using var shop = await TestBackend.StartAsync(() => Shop.Declare());
        await shop.WorkAsync(work => { work.Insert(tea); return Task.CompletedTask; });
        var order = (await shop.As("ann", "customer").PostAsync("/v1/orders", new PlaceOrder(tea.Id, 1))).Expect(201).Read<Order>();
        await shop.DrainAsync();

        await shop.Clock.AdvanceAsync(TimeSpan.FromDays(6.9));
        await shop.DrainAsync();
        (await shop.ReadAsync(snapshot => snapshot.RequireAsync(order.Id))).IsReviewAsked.ShouldBeFalse();

        await shop.Clock.AdvanceAsync(TimeSpan.FromDays(0.2));
        await shop.DrainAsync();
        (await shop.ReadAsync(snapshot => snapshot.RequireAsync(order.Id))).IsReviewAsked.ShouldBeTrue();
    }

    [Fact]
    public async Task Time_that_passes_gives_each_planned_time_its_run_and_a_jump_makes_up_for_them_once()
    {
        await using var passing = await TestBackend.StartAsync(Nightly);
        await using var jumping = await TestBackend.StartAsync(Nightly);

        await passing.PassAsync(TimeSpan.FromDays(7));
        await jumping.Clock.AdvanceAsync(TimeSpan.FromDays(7));
        await jumping.DrainAsync();

        (await CountAsync(passing)).ShouldBe(7);
        (await CountAsync(jumping)).ShouldBe(1);
    }

    [Fact]
    public async Task Retries_come_at_their_times_while_time_passes()
    {
        var attempts = new List<DateTimeOffset>();
        await using var shop = await TestBackend.StartAsync(() => Succeeding(attempts, 3, TimeSpan.FromHours(1)));
        await shop.WorkAsync(work => { work.Enqueue(new Attempted(1)); return Task.CompletedTask; });

        await shop.DrainAsync();
        attempts.Count.ShouldBe(1);
        await shop.PassAsync(TimeSpan.FromHours(3));

        attempts.Count.ShouldBe(3);
        (attempts[2] - attempts[0]).ShouldBeLessThan(TimeSpan.FromHours(2.1));
    }

    /// <summary>The clock runs while it is looked at: pauses this short are over between the end of a drain and the question what is due next.</summary>
    [Fact]
    public async Task Nothing_is_passed_over_that_becomes_due_by_itself()
    {
        var attempts = new List<DateTimeOffset>();
        await using var shop = await TestBackend.StartAsync(() => Succeeding(attempts, 60, TimeSpan.FromMilliseconds(4)));
        await shop.WorkAsync(work => { work.Enqueue(new Attempted(1)); return Task.CompletedTask; });

        await shop.PassAsync(TimeSpan.FromDays(1));

        attempts.Count.ShouldBe(60);
        (attempts[^1] - attempts[0]).ShouldBeLessThan(TimeSpan.FromHours(12));
    }

    [Fact]
    public async Task Timers_go_off_when_the_clock_passes_their_time()
    {
        await using var shop = await TestBackend.StartAsync(() => Shop.Declare());
        var soon = Task.Delay(TimeSpan.FromHours(1), shop.Clock, TestContext.Current.CancellationToken);
        var later = Task.Delay(TimeSpan.FromHours(3), shop.Clock, TestContext.Current.CancellationToken);

        await shop.Clock.AdvanceAsync(TimeSpan.FromHours(2));

        await soon.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        later.IsCompleted.ShouldBeFalse();
        await Should.ThrowAsync<ArgumentOutOfRangeException>(() => shop.Clock.AdvanceAsync(TimeSpan.FromSeconds(-1)));
    }

    [Fact]
    public async Task An_instant_is_reached_that_has_not_come_yet()
    {
        await using var shop = await TestBackend.StartAsync(() => Shop.Declare());
        var now = shop.Clock.GetUtcNow();

        await shop.Clock.AdvanceToAsync(now.AddHours(1));

        shop.Clock.GetUtcNow().ShouldBeGreaterThanOrEqualTo(now.AddHours(1));
        shop.Clock.Ahead.ShouldBeLessThanOrEqualTo(TimeSpan.FromHours(1));
        await Should.ThrowAsync<ArgumentOutOfRangeException>(() => shop.Clock.AdvanceToAsync(now));
    }

    /// <summary>With a job that notes when it is attempted, and succeeds at last.</summary>
    private static Backend Succeeding(List<DateTimeOffset> attempts, int last, TimeSpan pause)
    {
        var backend = Shop.Declare();
        backend.Job<Attempted>("attempted", (Attempted job, UnitOfWork work) =>
        {
            attempts.Add(work.Now);
            return attempts.Count < last ? throw new InvalidOperationException("Not yet.") : Task.CompletedTask;
        }).Retry(last, pause, pause);
        return backend;
    }

    /// <summary>With a daily job half a day away from now, so that none of its times comes while a test begins or ends.</summary>
    private static Backend Nightly()
    {
        var backend = Shop.Declare();
        backend.Job("nightly", Schedule.Cron($"0 {(TimeProvider.System.GetUtcNow().Hour + 12) % 24} * * *"), (UnitOfWork work) => { work.Insert(tea with { Id = Id<Product>.New(), Sku = work.Now.ToString("O") }); return Task.CompletedTask; });
        return backend;
    }

    private static Task<long> CountAsync(TestBackend shop) => shop.ReadAsync(async snapshot => (await snapshot.QueryAsync<long>($"select count(*) from products"))[0]);
}

public sealed record Attempted(int Number);
