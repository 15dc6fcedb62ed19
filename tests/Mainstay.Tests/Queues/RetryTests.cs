using System.Net;
using Mainstay.Internal;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>What becomes of runs that fail, put themselves off, come too late or do not end. Each test has its own database.</summary>
public sealed class RetryTests(PostgresFixture postgres) : OwnDatabaseTests(postgres)
{
    private static readonly QueueOptions often = new() { PollInterval = TimeSpan.FromMilliseconds(100) };

    /// <summary>For what happens when it is renewed, or is not. A node that gets no time for a second loses it.</summary>
    private static readonly QueueOptions shortLease = often with { Lease = TimeSpan.FromSeconds(1.5) };

    private readonly RecordedLogs _logs = new();

    public override ValueTask DisposeAsync()
    {
        _logs.Dispose();
        return base.DisposeAsync();
    }

    [Theory]
    [InlineData(1, 2)]
    [InlineData(3, 8)]
    [InlineData(5, 30)]
    [InlineData(100, 30)]
    public void Pauses_are_drawn_between_nothing_and_a_limit_that_doubles(int attempt, int mostSeconds)
    {
        var rule = RetryRule.Backoff(from: TimeSpan.FromSeconds(2), to: TimeSpan.FromSeconds(30));

        var pauses = Enumerable.Range(0, 2000).Select(_ => rule.Pause(attempt).TotalSeconds).ToArray();

        pauses.Min().ShouldBeInRange(0, mostSeconds * 0.1);
        pauses.Max().ShouldBeInRange(mostSeconds * 0.9, mostSeconds);
        pauses.Average().ShouldBeInRange(mostSeconds * 0.4, mostSeconds * 0.6);
    }

    [Fact]
    public void A_rule_counts_for_its_exception_and_those_derived_from_it()
    {
        var rules = new RetryRules();
        rules.On(typeof(IOException), RetryRule.Never);
        rules.On(typeof(FileNotFoundException), RetryRule.After(TimeSpan.FromSeconds(3), attempts: 4));

        rules.For(new DirectoryNotFoundException()).Attempts.ShouldBe(1);
        rules.For(new FileNotFoundException()).Attempts.ShouldBe(4);
        rules.For(new FileNotFoundException()).Pause(9).ShouldBe(TimeSpan.FromSeconds(3));
        rules.For(new InvalidOperationException()).Attempts.ShouldBe(10);
    }

    [Fact]
    public async Task Failures_of_one_kind_are_not_tried_again_and_others_are()
    {
        var runs = 0;
        await using var app = await StartAsync(jobs => jobs.Job<Call>("call", (Call job, Outbound outbound) =>
            {
                Interlocked.Increment(ref runs);
                throw job.Text == "declined" ? new UnauthorizedAccessException("Declined.") : new IOException("Away.");
            })
            .Retry(2, from: TimeSpan.FromMilliseconds(1)).On<UnauthorizedAccessException>(RetryRule.Never));

        await EnqueueAsync(app, "declined");
        await EnqueueAsync(app, "away");

        await Source.ShouldBecomeAsync("select coalesce(string_agg(reason || ' ' || attempt || ' ' || (errors -> -1 ->> 'error'), ', ' order by attempt), '') from mainstay.jobs_dead",
            "failed 1 UnauthorizedAccessException: Declined., failed 2 IOException: Away.");
        runs.ShouldBe(3);
    }

    [Theory]
    [InlineData("exception")]
    [InlineData("response")]
    [InlineData("data")]
    public async Task The_other_side_is_not_asked_again_before_it_wants_to_be(string how)
    {
        await using var app = await StartAsync(jobs => jobs.Job<Call>("call", (Call job, Outbound outbound) =>
        {
            using var response = new HttpResponseMessage(HttpStatusCode.TooManyRequests);
            response.Headers.Add("Retry-After", "600");
            if (job.Text == "response")
                RetryAfterException.ThrowIfAsked(response);
            var refused = new HttpRequestException("Too many requests.") { Data = { ["Retry-After"] = "600" } };
            throw job.Text == "data" ? new InvalidOperationException("The bank refused.", refused) : new RetryAfterException(TimeSpan.FromSeconds(600));
        }));

        await EnqueueAsync(app, how);

        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs where state = 2 and attempt = 1 and due_at - (errors -> 0 ->> 'at')::timestamptz between '590 seconds' and '600 seconds'", 1L);
    }

    [Fact]
    public void A_date_to_come_back_at_is_read_by_the_clock_of_who_sent_it()
    {
        using var response = new HttpResponseMessage(HttpStatusCode.ServiceUnavailable);
        var there = new DateTimeOffset(2019, 3, 1, 12, 0, 0, TimeSpan.Zero);
        (response.Headers.Date, response.Headers.RetryAfter) = (there, new(there.AddMinutes(2)));

        Should.Throw<RetryAfterException>(() => RetryAfterException.ThrowIfAsked(response)).After.ShouldBe(TimeSpan.FromMinutes(2));
        response.StatusCode = HttpStatusCode.OK;
        RetryAfterException.ThrowIfAsked(response);
    }

    [Fact]
    public async Task A_run_that_puts_itself_off_leaves_nothing_and_does_not_count()
    {
        await Source.ExecuteAsync("create table effects (text text not null)");
        var runs = 0;
        await using var app = await StartAsync(jobs => jobs.Job<Call>("call", async (Call job, UnitOfWork work) =>
        {
            await work.ExecuteAsync($"insert into effects values ({job.Text})");
            if (Interlocked.Increment(ref runs) < 4)
                throw new SnoozeException(TimeSpan.FromMilliseconds(20));
        }).Retry(1));

        await EnqueueAsync(app, "x");

        await Source.ShouldBecomeAsync("select coalesce(string_agg(attempt::text, ','), '') from mainstay.jobs_done", "1");
        runs.ShouldBe(4);
        (await Source.ScalarAsync<long>("select count(*) from effects")).ShouldBe(1);
    }

    [Fact]
    public async Task Work_that_cannot_be_done_in_time_is_given_up()
    {
        var runs = 0;
        await using var app = await StartAsync(jobs =>
        {
            jobs.Job<Call>("call", (Call job, Outbound outbound) =>
            {
                Interlocked.Increment(ref runs);
                throw job.Text == "snooze" ? new SnoozeException(TimeSpan.FromHours(2)) : new IOException("Away.");
            }).On<IOException>(RetryRule.After(TimeSpan.FromHours(2))).GiveUpAfter(TimeSpan.FromHours(1));
        });

        await EnqueueAsync(app, "away");
        await EnqueueAsync(app, "snooze");
        await Source.ExecuteAsync("""insert into mainstay.jobs (id, handler, payload, created_at) values (gen_random_uuid(), 'call', '{"text":"late"}', now() - interval '61 minutes')""");

        await Source.ShouldBecomeAsync("select coalesce(string_agg(reason || ' ' || (payload ->> 'text'), ', ' order by payload ->> 'text'), '') from mainstay.jobs_dead", "expired away, expired late, expired snooze");
        runs.ShouldBe(2);
    }

    [Fact]
    public async Task The_time_to_give_up_after_begins_when_it_was_to_run()
    {
        await using var app = await StartAsync(jobs => jobs.Job<Call>("call", (Call job, Outbound outbound) => { }).GiveUpAfter(TimeSpan.FromHours(1)));

        await Source.ExecuteAsync("""
            insert into mainstay.jobs (id, handler, payload, created_at, state, due_at, first_due_at) values (gen_random_uuid(), 'call', '{"text":"x"}', now() - interval '5 hours', 2, now(), now() - interval '59 minutes')
            """);

        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_done", 1L);
    }

    [Theory]
    [InlineData("away")]
    [InlineData("too slow")]
    [InlineData("dying")]
    public async Task What_a_handler_meets_on_a_connection_of_its_own_is_a_failed_attempt(string how)
    {
        async Task AskAsync()
        {
            await using var own = new NpgsqlConnection(how == "away" ? "Host=127.0.0.1;Port=1;Timeout=2" : ConnectionString + ";Pooling=false");
            await own.OpenAsync(Stop);
            await using var command = new NpgsqlCommand(how == "dying" ? "select pg_terminate_backend(pg_backend_pid())" : "select pg_sleep(30)", own) { CommandTimeout = 1 };
            await command.ExecuteNonQueryAsync(Stop);
        }
        var runs = 0;
        await using var app = await StartAsync(jobs =>
        {
            jobs.Job<Call>("call", (Call job, Outbound outbound) =>
            {
                Interlocked.Increment(ref runs);
                return AskAsync();
            }).Retry(2, from: TimeSpan.FromMilliseconds(1));
            jobs.Job<Write>("write", async (Write job, UnitOfWork work) =>
            {
                Interlocked.Increment(ref runs);
                await work.ExecuteAsync($"select {job.Number}");
                await AskAsync();
            }).Retry(2, from: TimeSpan.FromMilliseconds(1));
        });

        await EnqueueAsync(app, "x");
        await app.Services.GetRequiredService<Jobs>().EnqueueAsync(new Write(1), cancellation: Stop);

        await Source.ShouldBecomeAsync("select coalesce(string_agg(handler || ' ' || attempt || ' ' || jsonb_array_length(errors), ', ' order by handler), '') from mainstay.jobs_dead", "call 2 2, write 2 2");
        runs.ShouldBe(4);
    }

    [Fact]
    public async Task An_outage_of_our_database_is_nobodys_attempt_and_said_with_its_pause()
    {
        var runs = 0;
        await using var app = await StartAsync(jobs => jobs.Job<Call>("call", (Call job, Outbound outbound) =>
            Interlocked.Increment(ref runs) == 1 ? throw DatabaseErrors.Unavailable(new IOException("Away.")) : Task.CompletedTask).Retry(1));

        await EnqueueAsync(app, "x");

        await Source.ShouldBecomeAsync("select coalesce(string_agg(attempt::text, ','), '') from mainstay.jobs_done", "1");
        runs.ShouldBe(2);
        (await Source.ScalarAsync<bool>("select done_at - created_at >= interval '0.5 s' from mainstay.jobs_done")).ShouldBeTrue();
        _logs.Lines.Where(line => line.Text.StartsWith("The database was away when 'call' worked on", StringComparison.Ordinal)).ShouldHaveSingleItem().Level.ShouldBe(LogLevel.Warning);
    }

    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(4, 4, 1)]
    [InlineData(4, 1, 8)]
    [InlineData(6, 1, 30)]
    [InlineData(500, 2, 30)]
    public void Pauses_after_outages_grow_with_the_claims_that_did_not_count(int fence, int attempt, int mostSeconds)
    {
        var job = new ClaimedJob(Guid.Empty, "call", null, "{}", null, attempt, fence, 0, 1, TimeSpan.Zero, JobPriority.Normal, null) { Term = 1 };

        var pauses = Enumerable.Range(0, 200).Select(_ => OutageNotice.Pause(job).TotalSeconds).ToArray();

        pauses.Min().ShouldBeGreaterThanOrEqualTo(mostSeconds / 2.0);
        pauses.Max().ShouldBeLessThanOrEqualTo(mostSeconds);
        pauses.Distinct().Count().ShouldBeGreaterThan(1);
    }

    [Fact]
    public void Of_those_that_meet_one_outage_one_is_told_for_each_pause()
    {
        var clock = new ManualClock();
        var notice = new OutageNotice(clock);

        notice.IsDue(TimeSpan.FromSeconds(2)).ShouldBeTrue();
        notice.IsDue(TimeSpan.FromSeconds(30)).ShouldBeFalse();
        clock.Advance(TimeSpan.FromSeconds(1.9));
        notice.IsDue(TimeSpan.FromSeconds(1)).ShouldBeFalse();
        clock.Advance(TimeSpan.FromSeconds(0.2));
        notice.IsDue(TimeSpan.FromSeconds(1)).ShouldBeTrue();
    }

    [Fact]
    public async Task The_node_leaves_a_server_that_has_become_read_only_when_another_one_is_there()
    {
        await using var app = await StartAsync(jobs => jobs.Job<Call>("call", (Call job, Outbound outbound) => { }), shortLease);
        var database = new NpgsqlConnectionStringBuilder(ConnectionString).Database;
        await EnqueueAsync(app, "before");
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_done", 1L);

        // Sessions that begin now can only read, and still can when new ones may write again: as with a server whose place another one has taken.
        await Source.ExecuteAsync($"alter database \"{database}\" set default_transaction_read_only = on");
        await Source.ExecuteAsync("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename = current_user and pid <> pg_backend_pid()");
        await Waiting.UntilAsync(() => Task.FromResult(_logs.Lines.Any(line => line.Text.StartsWith("The queues cannot be read", StringComparison.Ordinal) && line.Error is PostgresException { SqlState: "25006" })));
        await Source.ExecuteAsync($"alter database \"{database}\" reset default_transaction_read_only");
        await Source.ExecuteAsync("""insert into mainstay.jobs (id, handler, payload) values (gen_random_uuid(), 'call', '{"text":"after"}')""");

        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_done", 2L);
    }

    [Fact]
    public async Task A_run_past_its_timeout_has_a_rule_of_its_own()
    {
        await using var app = await StartAsync(jobs =>
        {
            jobs.Job<Call>("call", (Call job, Outbound outbound) => Task.Delay(Timeout.Infinite, outbound.Cancellation)).Timeout(TimeSpan.FromMilliseconds(50)).On<TimeoutException>(RetryRule.Never);
            jobs.Job<Write>("write", (Write job, UnitOfWork work) => work.ExecuteAsync($"select pg_sleep(60)")).Timeout(TimeSpan.FromMilliseconds(100)).On<TimeoutException>(RetryRule.Never);
        });

        await EnqueueAsync(app, "x");
        await app.Services.GetRequiredService<Jobs>().EnqueueAsync(new Write(1), cancellation: Stop);

        await Source.ShouldBecomeAsync("select coalesce(string_agg(handler || ' ' || (errors -> 0 ->> 'error'), ', ' order by handler), '') from mainstay.jobs_dead",
            "call TimeoutException: The run did not end within 00:00:00.0500000., write TimeoutException: The run did not end within 00:00:00.1000000.");
    }

    [Fact]
    public async Task A_handler_that_ignores_its_timeout_keeps_its_slot_and_is_named()
    {
        var meeting = new Meeting();
        var runs = 0;
        await using var app = await StartAsync(jobs => jobs.Job<Call>("call", (Call job, Outbound outbound) =>
        {
            Interlocked.Increment(ref runs);
            return meeting.MeetAsync(CancellationToken.None);
        }).Timeout(TimeSpan.FromMilliseconds(50)), shortLease);

        await EnqueueAsync(app, "x");
        await Waiting.UntilAsync(() => Task.FromResult(_logs.Lines.Any(line => line.Text.StartsWith("MST2506: 'call' goes on", StringComparison.Ordinal))));
        (await Source.ScalarAsync<int>("select state::int from mainstay.jobs")).ShouldBe(1);
        meeting.Leave.TrySetResult();

        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_done", 1L);
        runs.ShouldBe(1);
        _logs.Lines.Count(line => line.Text.StartsWith("MST2506", StringComparison.Ordinal)).ShouldBe(1);
    }

    [Fact]
    public async Task A_node_stops_without_a_handler_that_does_not_and_keeps_the_lease_of_it()
    {
        var meeting = new Meeting();
        await using (var app = await StartAsync(jobs => jobs.Job<Call>("call", (Call job, Outbound outbound) => meeting.MeetAsync(CancellationToken.None)), new QueueOptions { Drain = TimeSpan.Zero }))
        {
            await EnqueueAsync(app, "x");
            await meeting.Arrived.Task.WaitAsync(TimeSpan.FromSeconds(20), Stop);
        }

        (await Source.ScalarAsync<bool>("select job.state = 1 and node.lease_until > mainstay.now() from mainstay.jobs job join mainstay.nodes node on node.id = job.node")).ShouldBeTrue();
        _logs.Lines.ShouldContain(line => line.Level == LogLevel.Error && line.Text.StartsWith("MST2506: 1 handlers go on although the node stops: call.", StringComparison.Ordinal));
        meeting.Leave.TrySetResult();
    }

    [Fact]
    public async Task What_still_runs_after_the_loss_of_the_lease_is_not_begun_beside_itself()
    {
        var meeting = new Meeting();
        var runs = 0;
        await using var app = await StartAsync(jobs => jobs.Job<Call>("call", (Call job, Outbound outbound) =>
            Interlocked.Increment(ref runs) == 1 ? meeting.MeetAsync(CancellationToken.None) : Task.CompletedTask), shortLease);
        await EnqueueAsync(app, "x");
        await meeting.Arrived.Task.WaitAsync(TimeSpan.FromSeconds(20), Stop);

        await using (var connection = await Source.OpenConnectionAsync(Stop))
        await using (var transaction = await connection.BeginTransactionAsync(Stop))
        {
            await using var cut = new NpgsqlCommand("lock table mainstay.nodes in access exclusive mode", connection, transaction);
            await cut.ExecuteNonQueryAsync(Stop);
            await Waiting.UntilAsync(() => Task.FromResult(_logs.Lines.Any(line => line.Text.StartsWith("The lease of this node could not be renewed", StringComparison.Ordinal))));
            await using var taken = new NpgsqlCommand("update mainstay.jobs set state = 0, node = null", connection, transaction);
            await taken.ExecuteNonQueryAsync(Stop);
            await transaction.CommitAsync(Stop);
        }

        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs where state = 2 and attempt = 1 and fence >= 2", 1L);
        runs.ShouldBe(1);
        meeting.Leave.TrySetResult();
        await Waiting.UntilAsync(async () =>
        {
            await Source.ExecuteAsync("update mainstay.jobs set due_at = mainstay.now() where state = 2");
            return await Source.ScalarAsync<bool>("select exists (select from mainstay.jobs_done)");
        });
        runs.ShouldBe(2);
    }

    private static Task<Guid> EnqueueAsync(PlainApplication app, string text) => app.Services.GetRequiredService<Jobs>().EnqueueAsync(new Call(text), cancellation: Stop);

    private Task<PlainApplication> StartAsync(Action<JobsBuilder> declare, QueueOptions? options = null) => PlainApplication.StartAsync(ConnectionString, services => services
        .AddJobs(declare, options ?? often)
        .AddSingleton<ILoggerProvider>(_logs));

    private sealed record Call(string Text);

    private sealed record Write(int Number);
}
