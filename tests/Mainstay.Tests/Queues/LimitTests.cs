using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>What a queue may do over all nodes, how often one key may begin, and who shares a queue fairly.</summary>
public sealed class LimitTests(PostgresFixture postgres) : OwnDatabaseTests(postgres)
{
    private static readonly QueueOptions often = new() { PollInterval = TimeSpan.FromMilliseconds(50) };

    protected override Task PrepareAsync() => Source.ExecuteAsync("create table effects (id bigint generated always as identity, text text not null, at timestamptz not null default clock_timestamp())");

    [Fact]
    public async Task No_more_of_a_queue_run_at_the_same_time_than_it_says_on_all_nodes_together()
    {
        var running = 0;
        var most = 0;
        await using var one = await StartAsync(Declare);
        await using var other = await StartAsync(Declare);
        void Declare(JobsBuilder jobs)
        {
            jobs.Queue("narrow").AtMost(3);
            jobs.Job<Write>("write", async (Write job, Outbound outbound) =>
            {
                var now = Interlocked.Increment(ref running);
                int known;
                while (now > (known = Volatile.Read(ref most)) && Interlocked.CompareExchange(ref most, now, known) != known)
                {
                }
                await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System, outbound.Cancellation);
                Interlocked.Decrement(ref running);
            }).Queue("narrow");
        }

        await Source.ExecuteAsync("""select mainstay.enqueue('write', '{"text":"x"}') from generate_series(1, 300)""");
        for (var i = 0; i < 50; i++)
            await (i % 2 == 0 ? one : other).Services.GetRequiredService<Jobs>().EnqueueAsync(new Write("x"), cancellation: Stop);

        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs", 0L);
        (await Source.ScalarAsync<long>("select count(*) from mainstay.jobs_done")).ShouldBe(350);
        most.ShouldBeInRange(2, 3);
    }

    [Fact]
    public async Task What_a_dead_node_held_is_no_longer_counted_and_what_a_living_one_holds_is()
    {
        await using (await StartAsync(Narrow, new QueueOptions { Workers = 0 }))
        {
        }
        await Source.ExecuteAsync("""
            insert into mainstay.nodes (id, lease_until) values ('01890a5d-ac96-774b-bcce-b302099a8057', now() + interval '1 day'), ('01890a5d-ac96-774b-bcce-b302099a8058', now() - interval '1 second');
            insert into mainstay.jobs (id, handler, state, node, attempt, fence, payload) values
                (gen_random_uuid(), 'write', 1, '01890a5d-ac96-774b-bcce-b302099a8057', 1, 1, '{"text":"living"}'),
                (gen_random_uuid(), 'write', 1, '01890a5d-ac96-774b-bcce-b302099a8058', 1, 1, '{"text":"dead"}');
            select mainstay.enqueue('write', '{"text":"waiting"}');
            """);

        (await Source.ScalarAsync<int>("select mainstay.queue_room('narrow', array['write'], 10, 2, null, 1)")).ShouldBe(1);
        (await Source.ScalarAsync<int>("select mainstay.queue_room('narrow', array['write'], 10, 1, null, 1)")).ShouldBe(0);

        await using var app = await StartAsync(Narrow);
        await Source.ShouldBecomeAsync("select coalesce(string_agg(text, ' ' order by text), '') from effects", "dead waiting");
    }

    [Fact]
    public async Task A_queue_begins_as_often_as_it_says_over_all_nodes()
    {
        await using var one = await StartAsync(Declare, often);
        await using var other = await StartAsync(Declare, often);
        void Declare(JobsBuilder jobs)
        {
            jobs.Queue("slow").Rate(100, per: TimeSpan.FromSeconds(1), burst: 10);
            Writing(jobs).Queue("slow");
        }

        await Source.ExecuteAsync("""select mainstay.enqueue('write', '{"text":"x"}') from generate_series(1, 250)""");
        await Source.ShouldBecomeAsync("select count(*) from effects", 250L);

        // Whatever the machine does, it cannot have been quicker: the last one was allowed (250 - 10) / 100 s after the first, which may itself have begun late.
        (await Source.ScalarAsync<double>("select extract(epoch from max(done_at) - min(created_at))::double precision from mainstay.jobs_done")).ShouldBeGreaterThan(2.2);
        (await Source.ScalarAsync<int>("select max(attempt) from mainstay.jobs_done")).ShouldBe(1);
    }

    [Fact]
    public async Task One_key_begins_as_often_as_it_says_and_holds_up_no_other()
    {
        await using var app = await StartAsync(jobs => Writing(jobs).AtMost(2, per: (Write job) => job.Text).Rate(20, per: TimeSpan.FromSeconds(1)), often);
        var jobs = app.Services.GetRequiredService<Jobs>();

        await jobs.EnqueueManyAsync(Enumerable.Range(0, 400).Select(_ => new Write("a")), cancellation: Stop);
        await jobs.EnqueueAsync(new Write("b"), cancellation: Stop);

        await Source.ShouldBecomeAsync("select count(*) filter (where text = 'a') >= 40 and count(*) filter (where text = 'b') = 1 from effects", true);
        (await Source.ScalarAsync<double>("select extract(epoch from at - (select min(created_at) from mainstay.jobs_done))::double precision from effects where text = 'a' order by at offset 39 limit 1")).ShouldBeGreaterThan(1.8);
        // Far ahead of them, for which they would take 20 s.
        (await Source.ScalarAsync<long>("select count(*) from effects where id < (select id from effects where text = 'b')")).ShouldBeLessThan(200);
        (await Source.ScalarAsync<int>("select max(attempt) from mainstay.jobs_done")).ShouldBe(1);
    }

    [Fact]
    public async Task A_tenant_with_a_hundred_thousand_jobs_does_not_hold_up_one_with_one()
    {
        await using (await StartAsync(Fair, new QueueOptions { Workers = 0 }))
        {
        }
        await Source.ExecuteAsync("""
            insert into mainstay.jobs (id, handler, payload, state, tenant) select gen_random_uuid(), 'write', '{"text":"many"}', 4, 'many' from generate_series(1, 100000)
            """);
        await using var app = await StartAsync(Fair, new QueueOptions { Workers = 1, PollInterval = TimeSpan.FromMilliseconds(50) });
        await Source.ShouldBecomeAsync("select count(*) > 100 from effects", true);

        foreach (var tenant in new[] { "one", "two" })
            await app.Services.GetRequiredService<Jobs>().EnqueueAsync(new Write(tenant), cancellation: Stop);
        var before = await Source.ScalarAsync<long>("select max(id) from effects");
        await Source.ShouldBecomeAsync("select count(*) from effects where text <> 'many'", 2L);

        // Behind what had been claimed by then: at most 50 ms ahead, 500 at most.
        (await Source.ScalarAsync<long>("select max(id) from effects where text <> 'many'") - before).ShouldBeLessThan(2000);
    }

    [Fact]
    public async Task Tenants_take_turns_and_whoever_comes_new_joins_the_round()
    {
        await using (await StartAsync(Fair, new QueueOptions { Workers = 0 }))
        {
        }
        await ArriveAsync("a", 6);
        await ArriveAsync("b", 3);
        await AdmitAsync();
        (await OrderAsync()).ShouldBe("a,b,a,b,a,b,a,a,a");

        // The round is the third when two of each are gone.
        await Source.ExecuteAsync("delete from mainstay.jobs where id in (select id from mainstay.jobs order by seq, tenant limit 4)");
        await ArriveAsync("c", 2);
        await ArriveAsync("a", 1);
        await AdmitAsync();
        (await OrderAsync()).ShouldBe("a,b,c,a,c,a,a,a");
    }

    [Fact]
    public async Task A_tenant_that_comes_is_looked_at_however_much_arrived_before()
    {
        await using (await StartAsync(Fair, new QueueOptions { Workers = 0 }))
        {
        }
        await ArriveAsync("many", 3000);
        await ArriveAsync("one", 1);

        await AdmitAsync();

        (await Source.ScalarAsync<long>("select count(*) from mainstay.jobs where state = 0 and tenant = 'one'")).ShouldBe(1);
        (await Source.ScalarAsync<long>("select count(*) from mainstay.jobs where state = 4 and tenant = 'many'")).ShouldBeGreaterThan(2000);
    }

    [Fact]
    public async Task What_is_tried_again_takes_its_turn_like_what_is_new()
    {
        var failed = 0;
        await using var app = await StartAsync(jobs => jobs.Job<Write>("write", async (Write job, UnitOfWork work) =>
        {
            if (job.Text == "fails" && Interlocked.Increment(ref failed) < 3)
                throw new InvalidOperationException("Not yet.");
            await work.ExecuteAsync($"insert into effects (text) values ({job.Text})");
        }).FairTo((Write job) => job.Text).Retry(5, from: TimeSpan.FromMilliseconds(20)), often);
        var jobs = app.Services.GetRequiredService<Jobs>();

        await jobs.EnqueueAsync(new Write("fails"), cancellation: Stop);
        await jobs.EnqueueAsync(new Write("late"), after: TimeSpan.FromMilliseconds(300), cancellation: Stop);
        await jobs.EnqueueManyAsync(Enumerable.Range(0, 200).Select(_ => new Write("many")), cancellation: Stop);

        await Source.ShouldBecomeAsync("select count(*) from effects", 202L);
        (await Source.ScalarAsync<long>("select count(*) from mainstay.jobs")).ShouldBe(0);
    }

    [Fact]
    public async Task A_rate_without_a_key_is_refused() =>
        (await Should.ThrowAsync<ConfigurationException>(() => StartAsync(jobs => Writing(jobs).Rate(10, per: TimeSpan.FromSeconds(1))))).Message.ShouldContain("MST2515: 'write' has a Rate and no key");

    private static void Narrow(JobsBuilder jobs)
    {
        jobs.Queue("narrow").AtMost(2);
        Writing(jobs).Queue("narrow");
    }

    private static void Fair(JobsBuilder jobs) => Writing(jobs).FairTo((Write job) => job.Text);

    private static JobDeclaration Writing(JobsBuilder jobs) =>
        jobs.Job<Write>("write", (Write job, UnitOfWork work) => work.ExecuteAsync($"insert into effects (text) values ({job.Text})"));

    private Task<int> ArriveAsync(string tenant, int count) =>
        Source.ExecuteAsync($$"""select mainstay.enqueue('write', '{"text":"{{tenant}}"}', tenant => '{{tenant}}') from generate_series(1, {{count}})""");

    private Task<int> AdmitAsync() =>
        Source.ExecuteAsync("select mainstay.admit_jobs(array['write'], array[1], array[0]::smallint[], array[null]::interval[], array[0]::bigint[], 500)");

    private Task<string> OrderAsync() => Source.ScalarAsync<string>("select string_agg(tenant, ',' order by seq, tenant) from mainstay.jobs where state = 0");

    private Task<PlainApplication> StartAsync(Action<JobsBuilder> declare, QueueOptions? options = null) =>
        PlainApplication.StartAsync(ConnectionString, services => services.AddJobs(declare, options ?? new QueueOptions { PollInterval = TimeSpan.FromMilliseconds(100) }));

    private sealed record Write(string Text);
}
