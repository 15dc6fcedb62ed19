using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>Jobs of which there is one for each key. Nodes that only enqueue keep what is open where it is; those that run take it away.</summary>
public sealed class UniqueJobTests(PostgresFixture postgres) : OwnDatabaseTests(postgres)
{
    private static readonly QueueOptions enqueuesOnly = new() { Workers = 0 };

    protected override Task PrepareAsync() => Source.ExecuteAsync("create table effects (text text not null)");

    [Fact]
    public async Task Of_fifty_who_enqueue_the_same_one_does_and_all_learn_its_id()
    {
        await using var app = await StartAsync(Declare, enqueuesOnly);
        var jobs = app.Services.GetRequiredService<Jobs>();

        var ids = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => jobs.EnqueueAsync(new Rebuild("tea"), cancellation: Stop)));
        var other = await jobs.EnqueueAsync(new Rebuild("jam"), cancellation: Stop);

        ids.Distinct().ShouldHaveSingleItem();
        (await Source.ScalarAsync<Guid>("select id from mainstay.jobs where unique_key = 'tea'")).ShouldBe(ids[0]);
        other.ShouldNotBe(ids[0]);
        (await Source.ScalarAsync<long>("select count(*) from mainstay.jobs")).ShouldBe(2);
    }

    [Fact]
    public async Task Every_way_to_enqueue_learns_of_the_one_that_is_there()
    {
        await using var app = await StartAsync(Declare, enqueuesOnly);
        var jobs = app.Services.GetRequiredService<Jobs>();
        var first = await jobs.EnqueueAsync(new Rebuild("tea"), after: TimeSpan.FromHours(1), cancellation: Stop);

        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using (var transaction = await connection.BeginTransactionAsync(Stop))
        {
            (await jobs.EnqueueAsync(new Rebuild("tea"), transaction, cancellation: Stop)).ShouldBe(first);
            (await jobs.EnqueueAsync(new Rebuild("else"), transaction, unique: "tea", cancellation: Stop)).ShouldBe(first);
            await transaction.CommitAsync(Stop);
        }
        (await Source.ScalarAsync<Guid>("select mainstay.enqueue('rebuild', '{}', unique_key => 'tea')")).ShouldBe(first);

        (await Source.ScalarAsync<long>("select count(*) from mainstay.jobs")).ShouldBe(1);
        (await Source.ScalarAsync<Guid>("select mainstay.enqueue('another handler', '{}', unique_key => 'tea')")).ShouldNotBe(first);
    }

    [Fact]
    public async Task A_unit_of_work_learns_of_it_too_and_is_not_refused()
    {
        var ids = new ConcurrentQueue<Guid>();
        await using var app = await StartAsync(jobs =>
        {
            jobs.Queue("never").PerNode(1);
            Declare(jobs);
            jobs.Job<Ask>("ask", async (Ask ask, UnitOfWork work) =>
            {
                work.Enqueue(new Rebuild("tea"), after: TimeSpan.FromHours(1));
                ids.Enqueue(await work.EnqueueAsync(new Rebuild("tea"), after: TimeSpan.FromHours(1)));
                await work.ExecuteAsync($"insert into effects values ({ask.Who})");
            });
        });
        var jobs = app.Services.GetRequiredService<Jobs>();

        await Task.WhenAll(Enumerable.Range(0, 8).Select(i => jobs.EnqueueAsync(new Ask($"{i}"), cancellation: Stop)));

        await Source.ShouldBecomeAsync("select count(*) from effects", 8L);
        (await Source.ScalarAsync<long>("select count(*) from mainstay.jobs")).ShouldBe(1);
        ids.ShouldContain(await Source.ScalarAsync<Guid>("select id from mainstay.jobs"));
    }

    [Fact]
    public async Task A_transaction_that_rolls_back_leaves_the_key_to_who_waits()
    {
        await using var app = await StartAsync(Declare, enqueuesOnly);
        var jobs = app.Services.GetRequiredService<Jobs>();
        await using var connection = await Source.OpenConnectionAsync(Stop);
        Task<Guid> waiting;
        await using (var dropped = await connection.BeginTransactionAsync(Stop))
        {
            await jobs.EnqueueAsync(new Rebuild("tea"), dropped, cancellation: Stop);
            waiting = jobs.EnqueueAsync(new Rebuild("tea"), cancellation: Stop);
            await Source.ShouldBecomeAsync("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'", 1L);
        }

        (await waiting).ShouldBe(await Source.ScalarAsync<Guid>("select id from mainstay.jobs"));
    }

    [Fact]
    public async Task Whoever_enqueues_while_it_ends_gets_the_next_turn_and_nobody_is_refused()
    {
        await using var app = await StartAsync(Declare);
        var jobs = app.Services.GetRequiredService<Jobs>();

        var ids = new ConcurrentBag<Guid>();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(async _ =>
        {
            for (var i = 0; i < 50; i++)
                ids.Add(await jobs.EnqueueAsync(new Rebuild("tea"), cancellation: Stop));
        }));

        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs", 0L);
        var done = await Source.ScalarAsync<Guid[]>("select array_agg(id) from mainstay.jobs_done");
        ids.Distinct().ShouldBe(done, ignoreOrder: true);
        (await Source.ScalarAsync<long>("select count(*) from effects")).ShouldBe(done.Length);
    }

    [Fact]
    public async Task The_key_stays_through_retries_and_a_dead_job_frees_it()
    {
        var fails = true;
        await using var app = await StartAsync(jobs => jobs.Job<Rebuild>("rebuild", (Rebuild job, UnitOfWork work) =>
        {
            if (Volatile.Read(ref fails))
                throw new InvalidOperationException("Not today.");
        }).Unique((Rebuild job) => job.What, per: TimeSpan.FromHours(1)).On<InvalidOperationException>(RetryRule.After(TimeSpan.FromHours(1), attempts: 2)));
        var jobs = app.Services.GetRequiredService<Jobs>();

        var first = await jobs.EnqueueAsync(new Rebuild("tea"), cancellation: Stop);
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs where state = 2", 1L);
        (await jobs.EnqueueAsync(new Rebuild("tea"), cancellation: Stop)).ShouldBe(first);
        await Source.ExecuteAsync("update mainstay.jobs set due_at = now() where state = 2");
        await Source.ShouldBecomeAsync("select coalesce((select reason from mainstay.jobs_dead), '')", "failed");
        Volatile.Write(ref fails, false);
        var second = await jobs.EnqueueAsync(new Rebuild("tea"), cancellation: Stop);

        second.ShouldNotBe(first);
        await Source.ShouldBecomeAsync("select coalesce((select id from mainstay.jobs_done)::text, '')", second.ToString());
    }

    [Fact]
    public async Task A_window_keeps_others_out_after_the_job_is_done_and_until_it_is_over()
    {
        await using var app = await StartAsync(jobs => Writing(jobs).Unique((Rebuild job) => job.What, per: TimeSpan.FromHours(1)));
        var jobs = app.Services.GetRequiredService<Jobs>();

        var first = await jobs.EnqueueAsync(new Rebuild("tea"), cancellation: Stop);
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_done", 1L);
        var within = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => jobs.EnqueueAsync(new Rebuild("tea"), cancellation: Stop)));
        await Source.ExecuteAsync("update mainstay.jobs_unique set until = mainstay.now()");
        var after = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => jobs.EnqueueAsync(new Rebuild("tea"), cancellation: Stop)));

        within.ShouldAllBe(id => id == first);
        after.Distinct().ShouldHaveSingleItem().ShouldNotBe(first);
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_done", 2L);
    }

    [Fact]
    public async Task A_window_that_meets_an_older_open_job_gives_its_id()
    {
        await using var app = await StartAsync(jobs => Writing(jobs).Unique((Rebuild job) => job.What, per: TimeSpan.FromHours(1)), enqueuesOnly);
        var jobs = app.Services.GetRequiredService<Jobs>();

        var first = await jobs.EnqueueAsync(new Rebuild("tea"), cancellation: Stop);
        await Source.ExecuteAsync("delete from mainstay.jobs_unique");

        (await jobs.EnqueueAsync(new Rebuild("tea"), cancellation: Stop)).ShouldBe(first);
    }

    [Fact]
    public async Task Two_who_enqueue_the_same_keys_in_opposite_order_do_not_block_each_other()
    {
        await using var app = await StartAsync(jobs =>
        {
            Declare(jobs);
            jobs.Job<Ask>("ask", (Ask ask, UnitOfWork work) =>
            {
                string[] keys = ask.Who == "up" ? ["a", "b", "c", "d"] : ["d", "c", "b", "a"];
                foreach (var key in keys)
                    work.Enqueue(new Rebuild(key), after: TimeSpan.FromHours(1));
            }).Retry(1);
        });
        var jobs = app.Services.GetRequiredService<Jobs>();

        for (var i = 0; i < 20; i++)
        {
            await Task.WhenAll(jobs.EnqueueAsync(new Ask("up"), cancellation: Stop), jobs.EnqueueAsync(new Ask("down"), cancellation: Stop));
            await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_done where handler = 'ask'", 2L * (i + 1));
            await Source.ExecuteAsync("delete from mainstay.jobs where handler = 'rebuild'");
        }

        (await Source.ScalarAsync<long>("select deadlocks from pg_stat_database where datname = current_database()")).ShouldBe(0);
    }

    [Fact]
    public async Task Keys_that_cannot_be_are_refused()
    {
        await using var app = await StartAsync(Declare, enqueuesOnly);

        (await Should.ThrowAsync<ArgumentException>(() => app.Services.GetRequiredService<Jobs>().EnqueueAsync(new Rebuild(new string('x', 401)), cancellation: Stop)))
            .Message.ShouldStartWith("MST2511: A key of 'rebuild' has 401 characters, expected at most 400.");
        (await Should.ThrowAsync<InvalidOperationException>(() => app.Services.GetRequiredService<Jobs>().EnqueueManyAsync([new Rebuild("tea")], cancellation: Stop))).Message.ShouldStartWith("MST2512");
        (await Source.ScalarAsync<long>("select count(*) from mainstay.jobs")).ShouldBe(0);
        (await Should.ThrowAsync<ConfigurationException>(() => StartAsync(jobs => Writing(jobs).Unique((Ask ask) => ask.Who)))).Message.ShouldContain("MST2510: A key of 'rebuild' is computed from Ask, but its handler takes Rebuild.");
    }

    private static void Declare(JobsBuilder jobs) => Writing(jobs).Unique((Rebuild job) => job.What);

    private static JobDeclaration Writing(JobsBuilder jobs) =>
        jobs.Job<Rebuild>("rebuild", (Rebuild job, UnitOfWork work) => work.ExecuteAsync($"insert into effects values ({job.What})"));

    private Task<PlainApplication> StartAsync(Action<JobsBuilder> declare, QueueOptions? options = null) =>
        PlainApplication.StartAsync(ConnectionString, services => services.AddJobs(declare, options ?? new QueueOptions { PollInterval = TimeSpan.FromMilliseconds(100) }));

    private sealed record Rebuild(string What);

    private sealed record Ask(string Who);
}
