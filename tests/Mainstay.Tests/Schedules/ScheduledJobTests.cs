using System.Collections.Concurrent;
using Mainstay.Internal;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>Jobs that run by themselves, on several nodes at once and after times at which nobody was there. Each test has its own database.</summary>
public sealed class ScheduledJobTests(PostgresFixture postgres) : OwnDatabaseTests(postgres)
{
    /// <summary>Half an hour away from now, so that none of its times comes while a test runs.</summary>
    private static readonly int minute = (TimeProvider.System.GetUtcNow().Minute + 30) % 60;

    private static readonly Schedule hourly = Schedule.Cron($"{minute} * * * *");
    private static readonly Schedule everySecond = Schedule.Every(TimeSpan.FromSeconds(1));

    private readonly ConcurrentQueue<DateTimeOffset> _ran = [];

    [Fact]
    public async Task Ten_nodes_give_each_planned_time_one_run()
    {
        await Source.ExecuteAsync("create table ran (at timestamptz not null)");
        PlainApplication[] apps = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ =>
            StartAsync(jobs => jobs.Job("tick", everySecond, (Tick tick, UnitOfWork work) => work.ExecuteAsync($"insert into ran values ({tick.PlannedAt})")))));

        await Source.ShouldBecomeAsync("select count(*) >= 4 from ran", true);
        foreach (var app in apps)
            await app.DisposeAsync();

        (await Source.ScalarAsync<bool>("select count(*) = count(distinct at) and bool_and(at = date_trunc('second', at)) from ran")).ShouldBeTrue();
        (await Source.ScalarAsync<long>("select count(*) from mainstay.schedules")).ShouldBe(1);
        (await Source.ScalarAsync<bool>("""
            select count(*) = count(distinct planned_at) and count(*) = (select count(*) from mainstay.jobs_done) + (select count(*) from mainstay.jobs)
            from mainstay.schedule_runs where job is not null
            """)).ShouldBeTrue();
    }

    [Fact]
    public async Task Eighty_starts_at_once_plan_one_schedule()
    {
        await PlanAsync(hourly, Missed.Once);
        await Source.ExecuteAsync("delete from mainstay.schedules");
        await using var database = new Database(NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(ConnectionString) { MaxPoolSize = 20 }.ConnectionString), TimeProvider.System);
        var store = new ScheduleStore(database);
        var definition = new ScheduleDefinition("tick", hourly.ToString(), "missed Once, overlap Skips");
        var next = hourly.NextAfter(TimeProvider.System.GetUtcNow());

        await Task.WhenAll(Enumerable.Range(0, 80).Select(_ => store.PlanAsync(definition, next, Stop)));
        var fired = await Task.WhenAll(Enumerable.Range(0, 80).Select(_ => store.FireAsync(definition, next, new DueTimes([next], hourly.NextAfter(next), null), Overlap.Skips, Stop)));

        fired.Count(times => times.IsDealtWith).ShouldBe(1);
        (await store.ListAsync(Stop)).ShouldHaveSingleItem().NextAt.ShouldBe(hourly.NextAfter(next));
        (await Source.ScalarAsync<long>("select count(*) from mainstay.jobs")).ShouldBe(1);
    }

    [Theory]
    [InlineData(Missed.Once, 1)]
    [InlineData(Missed.Skip, 0)]
    [InlineData(Missed.All, 4)]
    public async Task After_hours_in_which_no_node_was_there_the_rule_is_kept(Missed missed, int runs)
    {
        var planned = await PlanAsync(hourly, missed);
        await ShiftAsync(planned.AddMinutes(3 * 60 + 40) - TimeProvider.System.GetUtcNow());

        await using (await StartAsync(jobs => jobs.Job("tick", hourly, Note).Missed(missed)))
        {
            await Source.ShouldBecomeAsync("select next_at from mainstay.schedules", planned.AddHours(4).UtcDateTime);
            await Waiting.UntilAsync(() => Task.FromResult(_ran.Count >= runs));
        }

        _ran.ShouldBe(Enumerable.Range(4 - runs, runs).Select(hour => planned.AddHours(hour)));
    }

    [Fact]
    public async Task The_declaration_of_the_node_that_began_last_counts_while_it_lives()
    {
        await using var old = await StartAsync(jobs => jobs.Job("tick", hourly, Note));
        await Source.ShouldBecomeAsync("select coalesce((select timing from mainstay.schedules where next_at is not null), '')", $"cron {minute} * * * * in UTC");
        await using (var later = await StartAsync(jobs => jobs.Job("tick", Schedule.Cron("30 2 * * *", "Europe/Berlin"), Note)))
        {
            await Source.ShouldBecomeAsync("select timing from mainstay.schedules", "cron 30 2 * * * in Europe/Berlin");
            await LookAsync(old);
            (await Source.ScalarAsync<string>("select timing from mainstay.schedules")).ShouldBe("cron 30 2 * * * in Europe/Berlin");
        }

        await LookAsync(old);

        await Source.ShouldBecomeAsync("select timing from mainstay.schedules", $"cron {minute} * * * * in UTC");
        (await Source.ScalarAsync<DateTime>("select next_at from mainstay.schedules")).ShouldBe(hourly.NextAfter(TimeProvider.System.GetUtcNow()).UtcDateTime);
        (await Source.ScalarAsync<long>("select count(*) from mainstay.schedules")).ShouldBe(1);
    }

    [Fact]
    public async Task The_same_schedule_in_a_new_release_keeps_its_place()
    {
        var planned = await PlanAsync(hourly, Missed.Once);
        await Source.ExecuteAsync("update mainstay.schedules set next_at = next_at + interval '5 hours'");

        await using var app = await StartAsync(jobs => jobs.Job("tick", Schedule.Cron($"  {minute}  * * * *"), Note).Missed(Missed.All));
        await Source.ShouldBecomeAsync("select count(*) from mainstay.schedule_declarations where rules like 'missed All%'", 1L);
        await LookAsync(app);

        (await Source.ScalarAsync<DateTime>("select next_at from mainstay.schedules")).ShouldBe(planned.AddHours(5).UtcDateTime);
    }

    [Fact]
    public async Task A_planned_time_is_left_out_while_a_run_has_not_ended()
    {
        var end = new TaskCompletionSource();
        await using var app = await StartAsync(jobs => jobs.Job("tick", everySecond, async (Tick tick, Outbound outbound) =>
        {
            _ran.Enqueue(tick.PlannedAt);
            await end.Task.WaitAsync(outbound.Cancellation);
        }));

        await Source.ShouldBecomeAsync("select count(*) >= 2 from mainstay.schedule_runs where job is null", true);
        await Waiting.UntilAsync(() => Task.FromResult(!_ran.IsEmpty));
        _ran.Count.ShouldBe(1);
        end.SetResult();

        await Waiting.UntilAsync(() => Task.FromResult(_ran.Count >= 2));
        _ran.ShouldBeUnique();
    }

    [Fact]
    public async Task Runs_that_may_overlap_do()
    {
        var end = new TaskCompletionSource();
        await using var app = await StartAsync(jobs => jobs.Job("tick", everySecond, async (Tick tick, Outbound outbound) =>
        {
            _ran.Enqueue(tick.PlannedAt);
            await end.Task.WaitAsync(outbound.Cancellation);
        }).AllowOverlap());

        await Waiting.UntilAsync(() => Task.FromResult(_ran.Count >= 2));

        end.SetResult();
    }

    [Fact]
    public async Task A_paused_schedule_rests_but_runs_when_asked_and_goes_on_with_the_next_time()
    {
        await using var app = await StartAsync(jobs => jobs.Job("tick", hourly, Note));
        var schedules = app.Services.GetRequiredService<Schedules>();

        await schedules.PauseAsync("tick", Stop);
        await Source.ExecuteAsync("update mainstay.schedules set next_at = mainstay.now() - interval '1 hour'");
        await LookAsync(app);
        var job = await schedules.RunAsync("tick", Stop);

        await Source.ShouldBecomeAsync("select coalesce(string_agg(id::text, ','), '') from mainstay.jobs_done", job.ToString());
        (await schedules.ListAsync(Stop)).ShouldHaveSingleItem().PausedAt.ShouldNotBeNull();
        await schedules.ResumeAsync("tick", Stop);
        await Source.ShouldBecomeAsync("select coalesce(next_at > mainstay.now(), false) and paused_at is null from mainstay.schedules", true);
        _ran.Count.ShouldBe(1);
    }

    [Fact]
    public async Task A_backend_changes_rows_on_a_schedule_as_it_does_in_commands()
    {
        await using var backend = await TestBackend.StartAsync(ConnectionString, shop =>
        {
            Shop.Declare(shop);
            shop.Job("reorder low stock", hourly, async (UnitOfWork work) =>
            {
                foreach (var id in await work.QueryAsync<Id<Product>>($"select id from products where stock < 20 order by id limit 100"))
                {
                    var product = await work.LockAsync(id);
                    work.Update(product with { Stock = product.Stock + 100 });
                }
            });
        });
        await Source.ExecuteAsync("insert into products (id, sku, name, category, price, stock, sold) values (gen_random_uuid(), 'a', 'a', 'tea', 1, 5, 0), (gen_random_uuid(), 'b', 'b', 'tea', 1, 50, 0)");

        await backend.Running.App.Services.GetRequiredService<Schedules>().RunAsync("reorder low stock", Stop);

        await Source.ShouldBecomeAsync("select string_agg(sku || ' ' || stock, ', ' order by sku) from products", "a 105, b 50");
        (await Source.ScalarAsync<string>("select operation || ' ' || actor from mainstay.audit")).ShouldBe("job reorder low stock system");
    }

    [Fact]
    public async Task Mistakes_stop_the_start_and_unknown_names_are_refused()
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { EnvironmentName = "Development" });
        builder.Services.AddLogging().AddJobs(jobs =>
        {
            jobs.Job("tick", Schedule.Cron("0 25 * * *"), (UnitOfWork work) => { });
            jobs.Job("tock", hourly, (string text, UnitOfWork work) => { });
        }, new QueueOptions { ConnectionString = ConnectionString });
        using var host = builder.Build();

        var mistakes = (await Should.ThrowAsync<ConfigurationException>(() => host.StartAsync(Stop))).Message;

        mistakes.ShouldContain("MST2504: Job 'tick': The cron expression '0 25 * * *' has the hour '25', expected 0 to 23");
        mistakes.ShouldContain("MST1002: The handler of scheduled job 'tock' must take a UnitOfWork or an Outbound, and may take a Tick");
        await using var app = await StartAsync(jobs => jobs.Job("tick", hourly, (UnitOfWork work) => { }));
        (await Should.ThrowAsync<ConfigurationException>(() => app.Services.GetRequiredService<Schedules>().PauseAsync("tik", Stop))).Message.ShouldContain("MST2505: There is no schedule 'tik'. Did you mean 'tick'?");
    }

    private void Note(Tick tick, UnitOfWork work) => _ran.Enqueue(tick.PlannedAt);

    /// <summary>Lets a node plan the schedule and go away.</summary>
    /// <returns>The planned time.</returns>
    private async Task<DateTimeOffset> PlanAsync(Schedule schedule, Missed missed)
    {
        await using (await StartAsync(jobs => jobs.Job("tick", schedule, Note).Missed(missed)))
            await Source.ShouldBecomeAsync("select count(*) from mainstay.schedules where next_at is not null", 1L);
        return new DateTimeOffset(await Source.ScalarAsync<DateTime>("select next_at from mainstay.schedules"));
    }

    /// <summary>Makes a node look at its schedules until it has done so.</summary>
    private async Task LookAsync(PlainApplication app)
    {
        var desk = app.Services.GetRequiredService<JobDesk>();
        await Waiting.UntilAsync(() => Task.FromResult(desk.Scheduler is not null));
        var reads = await ReadsAsync();
        desk.Scheduler!();
        await Waiting.UntilAsync(async () => await ReadsAsync() > reads);
    }

    /// <summary>How often schedules were read by statements that have ended.</summary>
    private Task<long> ReadsAsync() => Source.ScalarAsync<long>("select coalesce(sum(idx_scan + seq_scan), 0)::bigint from pg_stat_user_tables where relname = 'schedule_declarations'");

    /// <summary>The clock of the database, from now on for everybody.</summary>
    private Task<int> ShiftAsync(TimeSpan by) =>
        Source.ExecuteAsync($"create or replace function mainstay.now() returns timestamptz language sql stable parallel safe as 'select pg_catalog.now() + interval ''{(long)by.TotalSeconds} seconds'''");

    private Task<PlainApplication> StartAsync(Action<JobsBuilder> declare) => PlainApplication.StartAsync(ConnectionString, services => services.AddJobs(declare));
}
