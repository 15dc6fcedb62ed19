using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>Which work of a queue goes first, and that nothing waits for ever.</summary>
public sealed class PriorityTests(PostgresFixture postgres) : OwnDatabaseTests(postgres)
{
    private static readonly QueueOptions oneAtATime = new() { Workers = 1, PollInterval = TimeSpan.FromMilliseconds(100) };

    protected override Task PrepareAsync() => Source.ExecuteAsync("create table effects (id bigint generated always as identity, text text not null)");

    [Fact]
    public async Task Of_what_waits_the_highest_priority_goes_first()
    {
        await using (var before = await StartAsync(Declare, new QueueOptions { Workers = 0 }))
        {
            var jobs = before.Services.GetRequiredService<Jobs>();
            await jobs.EnqueueAsync(new Write("low"), priority: JobPriority.Low, cancellation: Stop);
            await jobs.EnqueueAsync(new Write("normal"), cancellation: Stop);
            await jobs.EnqueueManyAsync([new Other("other")], cancellation: Stop);
            await Source.ExecuteAsync("""select mainstay.enqueue('write', '{"text":"high"}', priority => -1)""");
        }

        await using var app = await StartAsync(Declare, oneAtATime);

        await Source.ShouldBecomeAsync("select count(*) from effects", 4L);
        (await Source.ScalarAsync<string[]>("select array_agg(text order by id) from effects"))[2..].ShouldBe(["normal", "low"]);
    }

    [Fact]
    public async Task The_lowest_is_claimed_with_the_sixteenth_claim_at_the_latest_however_much_is_higher()
    {
        await using (await StartAsync(Declare, new QueueOptions { Workers = 0 }))
        {
        }
        await Source.ExecuteAsync("""
            select mainstay.enqueue('write', '{"text":"low"}', priority => 1);
            select mainstay.enqueue('write', '{"text":"normal"}');
            select mainstay.enqueue('write', '{"text":"high"}', priority => -1) from generate_series(1, 2000);
            """);

        await using var app = await StartAsync(Declare, oneAtATime);
        await Source.ShouldBecomeAsync("select count(*) from effects", 2002L);

        // Claims take more than one job when they are done quickly: what the queue gets done in 50 ms, at most 500.
        (await Source.ScalarAsync<long>("select count(*) from effects where text = 'high' and id > (select max(id) from effects where text <> 'high')")).ShouldBeGreaterThan(0);
    }

    [Fact]
    public void Of_sixteen_claims_each_priority_comes_first_once()
    {
        var room = new Internal.QueueRoom(0, 1);

        var first = Enumerable.Range(0, 160).Select(_ => room.NextOrder()[0]).ToList();

        for (var i = 0; i + 16 <= first.Count; i++)
        {
            first.Skip(i).Take(16).Count(priority => priority == JobPriority.Low).ShouldBe(1);
            first.Skip(i).Take(16).Count(priority => priority == JobPriority.Normal).ShouldBe(1);
        }
    }

    [Fact]
    public async Task A_high_job_does_not_wait_for_a_backlog_of_low_ones()
    {
        var meeting = new Meeting();
        var count = 0;
        await using var app = await StartAsync(jobs => jobs.Job<Write>("write", async (Write job, UnitOfWork work) =>
        {
            if (Interlocked.Increment(ref count) == 1)
                await meeting.MeetAsync(work.Cancellation);
            await work.ExecuteAsync($"insert into effects (text) values ({job.Text})");
        }).Priority(JobPriority.Low), oneAtATime);
        await Source.ExecuteAsync("""select mainstay.enqueue('write', '{"text":"low"}', priority => 1) from generate_series(1, 1500)""");
        await meeting.Arrived.Task.WaitAsync(TimeSpan.FromSeconds(20), Stop);
        await app.Services.GetRequiredService<Jobs>().EnqueueAsync(new Write("high"), priority: JobPriority.High, cancellation: Stop);
        meeting.Leave.TrySetResult();

        await Source.ShouldBecomeAsync("select count(*) from effects where text = 'high'", 1L);
        // One runs, and the next claim may be the eighth.
        (await Source.ScalarAsync<long>("select count(*) from effects where id < (select id from effects where text = 'high')")).ShouldBeLessThan(750);
    }

    [Fact]
    public async Task What_another_release_gave_a_priority_is_not_forgotten()
    {
        await using (await StartAsync(Declare, new QueueOptions { Workers = 0 }))
        {
        }
        await Source.ExecuteAsync("""select mainstay.enqueue('write', '{"text":"x"}', priority => 1); select mainstay.enqueue('write', '{"text":"x"}', priority => -1)""");

        await using var after = await StartAsync(jobs => Writing(jobs), oneAtATime with { Lease = TimeSpan.FromSeconds(1) });

        await Source.ShouldBecomeAsync("select count(*) from effects", 2L);
    }

    [Fact]
    public async Task A_priority_that_the_declaration_does_not_know_is_refused()
    {
        await using var app = await StartAsync(jobs => Writing(jobs), new QueueOptions { Workers = 0 });

        (await Should.ThrowAsync<InvalidOperationException>(() => app.Services.GetRequiredService<Jobs>().EnqueueAsync(new Write("x"), priority: JobPriority.High, cancellation: Stop))).Message.ShouldStartWith("MST2514");
    }

    private static void Declare(JobsBuilder jobs)
    {
        Writing(jobs).Priority(JobPriority.Normal);
        jobs.Job<Other>("other", (Other other, UnitOfWork work) => work.ExecuteAsync($"insert into effects (text) values ({other.Text})")).Priority(JobPriority.High);
    }

    private static JobDeclaration Writing(JobsBuilder jobs) =>
        jobs.Job<Write>("write", (Write job, UnitOfWork work) => work.ExecuteAsync($"insert into effects (text) values ({job.Text})"));

    private Task<PlainApplication> StartAsync(Action<JobsBuilder> declare, QueueOptions options) =>
        PlainApplication.StartAsync(ConnectionString, services => services.AddJobs(declare, options));

    private sealed record Write(string Text);

    private sealed record Other(string Text);
}
