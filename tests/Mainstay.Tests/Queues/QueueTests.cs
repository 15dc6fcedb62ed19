using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>What happens to work whose handler fails, whose node dies, or whose lease is gone. Each test has its own database.</summary>
public sealed class QueueTests(PostgresFixture postgres) : OwnDatabaseTests(postgres)
{
    protected override Task PrepareAsync() => Source.ExecuteAsync("create table effects (id bigint generated always as identity, text text not null)");

    [Fact]
    public async Task A_delayed_job_waits_until_it_is_due_and_no_longer()
    {
        var ran = new TaskCompletionSource<DateTimeOffset>();
        await using var app = await StartAsync(jobs => jobs.Job<Write>("write", (Write job, UnitOfWork work) => ran.TrySetResult(work.Now)), new QueueOptions { PollInterval = TimeSpan.FromMinutes(5) });

        var due = TimeProvider.System.GetUtcNow() + TimeSpan.FromSeconds(1.5);
        await app.Services.GetRequiredService<Jobs>().EnqueueAsync(new Write("late"), at: due, cancellation: Stop);
        var at = await ran.Task.WaitAsync(TimeSpan.FromSeconds(20), Stop);      // long before the node would look by itself

        at.ShouldBeGreaterThanOrEqualTo(due.AddMilliseconds(-5));
    }

    [Fact]
    public async Task A_handler_that_reaches_out_is_told_the_same_key_at_every_attempt()
    {
        var keys = new ConcurrentQueue<(string Key, int Attempt)>();
        await using var app = await StartAsync(jobs => jobs.Job<Write>("write", (Write job, Outbound outbound) =>
        {
            keys.Enqueue((outbound.Key, outbound.Attempt));
            if (keys.Count < 2)
                throw new InvalidOperationException("The other side is away.");
        }));

        var id = await app.Services.GetRequiredService<Jobs>().EnqueueAsync(new Write("x"), cancellation: Stop);

        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_done", 1L);
        keys.ShouldBe([(id.ToString(), 1), (id.ToString(), 2)]);
        (await Source.ScalarAsync<long>("select count(*) from mainstay.jobs")).ShouldBe(0);
    }

    [Fact]
    public async Task Work_of_a_dead_node_runs_again_and_the_attempt_that_may_have_killed_it_counts()
    {
        await using (await StartAsync(Writing))
        {
        }
        await DieWithAsync(crashes: 0);

        await using var app = await StartAsync(Writing);

        await Source.ShouldBecomeAsync("select coalesce(string_agg(text, ','), '') from effects", "mine");
        (await Source.ScalarAsync<int>("select attempt from mainstay.jobs_done")).ShouldBe(2);
    }

    [Fact]
    public async Task A_job_that_takes_its_third_process_with_it_is_a_dead_letter()
    {
        await using (await StartAsync(Writing))
        {
        }
        await DieWithAsync(crashes: 2);

        await using var app = await StartAsync(Writing);

        await Source.ShouldBecomeAsync("select coalesce((select reason || ' ' || crashes || ' ' || (errors -> 0 ->> 'error') from mainstay.jobs_dead), '')", "crashed 3 The process that ran it died.");
        (await Source.ScalarAsync<long>("select count(*) from effects")).ShouldBe(0);
    }

    [Fact]
    public async Task When_a_suspect_was_there_its_neighbours_are_not_to_blame()
    {
        await using (await StartAsync(Writing))
        {
        }
        await DieWithAsync(crashes: 1);
        await Source.ExecuteAsync("insert into mainstay.jobs (id, handler, state, node, attempt, fence, payload) select gen_random_uuid(), 'elsewhere', 1, node, 1, 1, '{}' from mainstay.jobs limit 1");

        await using var app = await StartAsync(Writing);

        await Source.ShouldBecomeAsync("select coalesce(string_agg(text, ','), '') from effects", "mine");
        (await Source.ScalarAsync<string>("select state || ' ' || crashes || ' ' || attempt from mainstay.jobs where handler = 'elsewhere'")).ShouldBe("0 0 0");
    }

    [Fact]
    public async Task The_effect_of_a_node_that_has_lost_the_job_is_refused()
    {
        var meeting = new Meeting();
        var runs = 0;
        await using var app = await StartAsync(jobs => jobs.Job<Write>("write", async (Write job, UnitOfWork work) =>
        {
            await work.ExecuteAsync($"insert into effects (text) values ({job.Text})");
            if (Interlocked.Increment(ref runs) == 1)
                await meeting.MeetAsync(work.Cancellation);
        }));

        await app.Services.GetRequiredService<Jobs>().EnqueueAsync(new Write("once"), cancellation: Stop);
        await meeting.Arrived.Task.WaitAsync(TimeSpan.FromSeconds(20), Stop);
        await Source.ExecuteAsync("update mainstay.jobs set state = 0, node = null, seq = nextval('mainstay.jobs_seq_seq')");
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_done", 1L);
        meeting.Leave.TrySetResult();

        await Waiting.UntilAsync(() => Task.FromResult(Volatile.Read(ref runs) == 2));
        await app.DisposeAsync();
        (await Source.ScalarAsync<long>("select count(*) from effects")).ShouldBe(1);
        (await Source.ScalarAsync<int>("select attempt from mainstay.jobs_done")).ShouldBe(2);
    }

    [Fact]
    public async Task A_node_that_stops_gives_back_what_runs_and_the_attempt_does_not_count()
    {
        var meeting = new Meeting();
        await using (var app = await StartAsync(jobs => jobs.Job<Write>("write", (Write job, Outbound outbound) => meeting.MeetAsync(outbound.Cancellation)), new QueueOptions { Drain = TimeSpan.Zero }))
        {
            await app.Services.GetRequiredService<Jobs>().EnqueueAsync(new Write("x"), cancellation: Stop);
            await meeting.Arrived.Task.WaitAsync(TimeSpan.FromSeconds(20), Stop);
        }

        (await Source.ScalarAsync<string>("select state || ' ' || attempt || ' ' || fence || ' ' || crashes from mainstay.jobs")).ShouldBe("0 0 1 0");
    }

    [Fact]
    public async Task What_cannot_be_read_is_a_dead_letter_at_once()
    {
        await using var app = await StartAsync(Writing);

        await Source.ExecuteAsync("""insert into mainstay.jobs (id, handler, payload) values (gen_random_uuid(), 'write', '{"other":1}')""");

        await Source.ShouldBecomeAsync("select coalesce((select reason || ' ' || attempt from mainstay.jobs_dead), '')", "unreadable 1");
    }

    [Fact]
    public async Task What_is_kept_of_errors_is_bounded_and_never_keeps_a_job_from_ending()
    {
        await using var app = await StartAsync(jobs => jobs.Job<Write>("write", void (Write job, UnitOfWork work) => throw new InvalidOperationException($"nul \0, half \ud800, {new string('x', 5000)}")).On<InvalidOperationException>(RetryRule.After(TimeSpan.FromHours(1), attempts: 12)));     // so that none is due by itself

        await app.Services.GetRequiredService<Jobs>().EnqueueAsync(new Write("x"), cancellation: Stop);
        for (var attempt = 1; attempt < 12; attempt++)
        {
            await Source.ShouldBecomeAsync("select coalesce((select state || ' ' || attempt from mainstay.jobs), '')", $"2 {attempt}");
            await Source.ExecuteAsync("update mainstay.jobs set due_at = now() where state = 2");
        }

        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_dead", 1L);
        (await Source.ScalarAsync<string>("select jsonb_array_length(errors) || ' ' || (errors -> 0 ->> 'attempt') || ' ' || (errors -> 9 ->> 'attempt') from mainstay.jobs_dead")).ShouldBe("10 3 12");
        (await Source.ScalarAsync<string>("select left(errors -> 0 ->> 'error', 47) || length(errors -> 0 ->> 'error') from mainstay.jobs_dead")).ShouldBe("InvalidOperationException: nul \ufffd, half \ufffd, xxxxx2000");
    }

    [Fact]
    public async Task A_full_queue_does_not_hold_up_another()
    {
        var meeting = new Meeting();
        await using var app = await StartAsync(jobs =>
        {
            jobs.Queue("slow").PerNode(1);
            jobs.Job<Wait>("wait", (Wait job, Outbound outbound) => meeting.MeetAsync(outbound.Cancellation)).Queue("slow");
            Writing(jobs);
        }, new QueueOptions { Drain = TimeSpan.Zero });
        var queue = app.Services.GetRequiredService<Jobs>();

        for (var i = 0; i < 3; i++)
            await queue.EnqueueAsync(new Wait(i), cancellation: Stop);
        await queue.EnqueueAsync(new Write("through"), cancellation: Stop);

        await Source.ShouldBecomeAsync("select coalesce(string_agg(text, ','), '') from effects", "through");
        (await Source.ScalarAsync<long>("select count(*) from mainstay.jobs where state = 1")).ShouldBe(1);
    }

    [Fact]
    public async Task Thousands_of_jobs_are_each_done_once()
    {
        await using var app = await StartAsync(Writing);

        await Source.ExecuteAsync("""insert into mainstay.jobs (id, handler, payload) select gen_random_uuid(), 'write', json_build_object('text', i::text) from generate_series(1, 3000) i""");

        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_done", 3000L);
        (await Source.ScalarAsync<long>("select count(distinct text) from effects")).ShouldBe(3000);
        (await Source.ScalarAsync<long>("select count(*) from effects")).ShouldBe(3000);
    }

    private static void Writing(JobsBuilder jobs) =>
        jobs.Job<Write>("write", (Write job, UnitOfWork work) => work.ExecuteAsync($"insert into effects (text) values ({job.Text})"));

    /// <summary>What a node leaves that was killed: a lease that is over, and a job that it held.</summary>
    private async Task DieWithAsync(int crashes) => await Source.ExecuteAsync($$"""
        insert into mainstay.nodes (id, lease_until) values ('01890a5d-ac96-774b-bcce-b302099a8057', now() - interval '1 second');
        insert into mainstay.jobs (id, handler, state, node, attempt, fence, crashes, payload)
        values (gen_random_uuid(), 'write', 1, '01890a5d-ac96-774b-bcce-b302099a8057', 1, 1, {{crashes}}, '{"text":"mine"}')
        """);

    private Task<PlainApplication> StartAsync(Action<JobsBuilder> declare, QueueOptions? options = null) =>
        PlainApplication.StartAsync(ConnectionString, services => services.AddJobs(declare, options ?? new QueueOptions { PollInterval = TimeSpan.FromMilliseconds(100) }));

    private sealed record Write(string Text);

    private sealed record Wait(int Number);
}
