using System.Collections.Concurrent;
using Mainstay.Internal;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>Work that reaches out in steps goes on where it stopped. Each test has its own database.</summary>
public sealed class StepTests(PostgresFixture postgres) : OwnDatabaseTests(postgres)
{
    private readonly ConcurrentQueue<(string Step, string Key)> _calls = new();

    protected override Task PrepareAsync() => Source.ExecuteAsync("create table effects (text text not null)");

    [Fact]
    public async Task A_retry_goes_on_where_it_stopped_and_is_given_what_was_found()
    {
        var isAway = true;
        await using var app = await StartAsync(async (job, outbound) =>
        {
            var charge = await outbound.StepAsync("charge", key => CallAsync("charge", key, new Charge($"ch of {job.Text}", 12.50m, ["a", "b"])));
            var none = await outbound.StepAsync("find coupon", key => CallAsync<string?>("find coupon", key, null));
            await outbound.StepAsync("notify", key => CallAsync("notify", key, 1));
            if (isAway)
                throw new IOException("The courier is away.");
            await outbound.StepAsync("book", key => CallAsync($"book {charge.Id} {charge.Amount} {string.Join('+', charge.Tags)} {none ?? "-"}", key, 1));
        });

        var id = await EnqueueAsync(app, "x\u0000y");
        await HurryAsync("select count(*) from mainstay.jobs where attempt >= 2", 1L);
        isAway = false;
        await HurryAsync("select count(*) from mainstay.jobs_done", 1L);

        _calls.Select(call => call.Step).ShouldBe(["charge", "find coupon", "notify", "book ch of x\u0000y 12.50 a+b -"]);
        _calls.Select(call => call.Key).Append(id.ToString()).Distinct().Count().ShouldBe(5);
        (await Source.ScalarAsync<long>("select count(*) from mainstay.jobs")).ShouldBe(0);
    }

    [Fact]
    public async Task A_step_that_failed_is_done_again_with_the_same_key()
    {
        await using var app = await StartAsync((job, outbound) => outbound.StepAsync("charge", key =>
        {
            _calls.Enqueue(("charge", key));
            return _calls.Count < 3 ? throw new IOException("Away.") : Task.FromResult(1);
        }));

        await EnqueueAsync(app, "x");
        await HurryAsync("select count(*) from mainstay.jobs_done", 1L);

        _calls.Count.ShouldBe(3);
        _calls.Distinct().Count().ShouldBe(1);
        Guid.Parse(_calls.First().Key).Version.ShouldBe(8);
    }

    [Fact]
    public async Task A_step_in_a_transaction_is_one_commit_with_its_record()
    {
        var fails = true;
        await using var app = await StartAsync(async (job, outbound) =>
        {
            var before = await outbound.CommitAsync("reserve", async work =>
            {
                await work.ExecuteAsync($"insert into effects values ({job.Text})");
                work.Enqueue(new Note("reserved"));
                return (await work.QueryAsync<long>($"select count(*) from effects"))[0];
            });
            if (fails)
                throw new IOException("Away.");
            await outbound.CommitAsync("confirm", work => work.ExecuteAsync($"insert into effects values ({$"confirmed {before}"})"));
        });

        await EnqueueAsync(app, "x");
        await HurryAsync("select count(*) from mainstay.jobs where handler = 'call' and attempt >= 2", 1L);
        fails = false;
        await HurryAsync("select count(*) from mainstay.jobs_done", 2L);

        (await Source.ScalarAsync<string>("select string_agg(text, ', ' order by text) from effects")).ShouldBe("confirmed 1, note reserved, x");
    }

    [Theory]
    [InlineData("step")]
    [InlineData("transaction")]
    public async Task A_run_that_has_lost_its_job_records_no_step(string kind)
    {
        var meeting = new Meeting();
        var runs = 0;
        await using var app = await StartAsync(async (job, outbound) =>
        {
            var isFirst = Interlocked.Increment(ref runs) == 1;
            if (isFirst)
                await meeting.MeetAsync(outbound.Cancellation);
            if (kind == "transaction")
                await outbound.CommitAsync("write", work => work.ExecuteAsync($"insert into effects values ({(isFirst ? "stale" : "fresh")})"));
            else
                await outbound.StepAsync("write", key => CallAsync(isFirst ? "stale" : "fresh", key, 1));
            if (isFirst)
                _calls.Enqueue(("after", ""));
        });

        await EnqueueAsync(app, "x");
        await meeting.Arrived.Task.WaitAsync(TimeSpan.FromSeconds(20), Stop);
        await Source.ExecuteAsync("update mainstay.jobs set state = 2, node = null, due_at = now() + interval '1 hour', fence = fence + 1");
        meeting.Leave.TrySetResult();
        await app.DisposeAsync();

        (await Source.ScalarAsync<bool>("select steps is null from mainstay.jobs")).ShouldBeTrue();
        (await Source.ScalarAsync<long>("select count(*) from effects")).ShouldBe(0);
        _calls.ShouldNotContain(call => call.Step == "after");
    }

    [Fact]
    public async Task A_result_that_cannot_be_read_any_more_is_a_dead_letter_that_keeps_its_steps()
    {
        await using var app = await StartAsync((job, outbound) => outbound.StepAsync("charge", key => CallAsync("charge", key, new Charge("ch", 1, []))));

        await Source.ExecuteAsync("""insert into mainstay.jobs (id, handler, payload, steps) values (gen_random_uuid(), 'call', '{"text":"x"}', '{"charge":"{\"id\":5}"}')""");

        await Source.ShouldBecomeAsync("select coalesce((select reason || ' ' || attempt || ' ' || (steps ->> 'charge') from mainstay.jobs_dead), '')", "unreadable 1 {\"id\":5}");
        (await Source.ScalarAsync<string>("select errors -> 0 ->> 'error' from mainstay.jobs_dead")).ShouldStartWith("StepException: MST2508: Step 'charge' of 'call' was done for");
        _calls.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_redriven_job_goes_on_where_it_stopped()
    {
        var isAway = true;
        await using var app = await StartAsync(async (job, outbound) =>
        {
            await outbound.StepAsync("charge", key => CallAsync("charge", key, 1));
            if (isAway)
                throw new NotSupportedException("No courier goes there.");
        });
        var id = await EnqueueAsync(app, "x");
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_dead", 1L);
        isAway = false;

        (await app.Services.GetRequiredService<DeadLetters>().RedriveAsync(id, "there is one now", cancellation: Stop)).ShouldBeTrue();

        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_done", 1L);
        _calls.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Steps_of_one_name_or_of_no_end_are_dead_letters()
    {
        await using var app = await StartAsync(async (job, outbound) =>
        {
            for (var i = 0; job.Text != "large"; i++)
                await outbound.StepAsync(job.Text == "same" ? "same" : $"{i}", key => Task.FromResult(i));
            await outbound.StepAsync("large", key => Task.FromResult(new string('x', 300_000)));
        });

        await EnqueueAsync(app, "same");
        await EnqueueAsync(app, "endless");
        await EnqueueAsync(app, "large");

        await Source.ShouldBecomeAsync("select coalesce(string_agg(reason || ' ' || attempt || ' ' || substring(errors -> 0 ->> 'error' from 16 for 30), ', ' order by payload ->> 'text'), '') from mainstay.jobs_dead",
            "failed 1 MST2508: 'call' runs more than, failed 1 MST2508: 'call' has stored mor, failed 1 MST2508: 'call' runs step 'sam");
    }

    [Fact]
    public async Task A_result_that_could_not_be_stored_is_refused_before_the_step()
    {
        await using var app = await StartAsync((job, outbound) => outbound.StepAsync("charge", key => CallAsync("charge", key, new object())));

        await EnqueueAsync(app, "x");

        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs where errors -> 0 ->> 'error' like 'ConfigurationException: MST1003: Step ''charge'' of ''call'':%'", 1L);
        _calls.ShouldBeEmpty();
    }

    private Task<T> CallAsync<T>(string step, string key, T result)
    {
        _calls.Enqueue((step, key));
        return Task.FromResult(result);
    }

    /// <summary>Makes due what is to be tried again, which nothing else does for as long as a test takes.</summary>
    private Task HurryAsync(string question, long expected) => Waiting.UntilAsync(async () =>
    {
        await Source.ExecuteAsync("update mainstay.jobs set due_at = now() where state = 2 and due_at > now()");
        return await Source.ScalarAsync<long>(question) == expected;
    });

    private static Task<Guid> EnqueueAsync(PlainApplication app, string text) => app.Services.GetRequiredService<Jobs>().EnqueueAsync(new Call(text), cancellation: Stop);

    private Task<PlainApplication> StartAsync(Func<Call, Outbound, Task> handler) => PlainApplication.StartAsync(ConnectionString, services => services.AddJobs(jobs =>
    {
        jobs.Job<Call>("call", (Call job, Outbound outbound) => handler(job, outbound)).On<Exception>(RetryRule.After(TimeSpan.FromHours(1))).On<NotSupportedException>(RetryRule.Never);
        jobs.Job<Note>("note", (Note job, UnitOfWork work) => work.ExecuteAsync($"insert into effects values ({$"note {job.Text}"})"));
    }, new QueueOptions { PollInterval = TimeSpan.FromMilliseconds(50) }));

    private sealed record Call(string Text);

    private sealed record Note(string Text);

    private sealed record Charge(string Id, decimal Amount, IReadOnlyList<string> Tags);
}
