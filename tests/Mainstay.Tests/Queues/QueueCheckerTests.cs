using Mainstay.Internal;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>Each thing that must hold of the queues, violated by hand and found. Each test has its own database.</summary>
public sealed class QueueCheckerTests(PostgresFixture postgres) : OwnDatabaseTests(postgres)
{
    private const string Node = "01890a5d-ac96-774b-bcce-b302099a8057";

    private static readonly TimeSpan patience = TimeSpan.FromMinutes(1);

    private PlainApplication _app = null!;

    private QueueChecker Checker => _app.Services.GetRequiredService<QueueChecker>();

    protected override async Task PrepareAsync()
    {
        _app = await PlainApplication.StartAsync(ConnectionString, services => services.AddJobs(jobs =>
        {
            jobs.Job<Write>("write", (Write job, UnitOfWork work) => { });
            jobs.Job<Fail>("fail", void (Fail job, UnitOfWork work) => throw new InvalidOperationException("Broken.")).Retry(1);
            jobs.Job<Wait>("wait", (Wait job, UnitOfWork work) => { });
            jobs.Queue("narrow").AtMost(1);
            jobs.Job<Turn>("turn", (Turn job, UnitOfWork work) => { }).InOrderOf((Turn job) => job.Key);
            jobs.Job<Slow>("slow", (Slow job, UnitOfWork work) => { }).Queue("narrow");
            jobs.Job("tick", Schedule.Every(TimeSpan.FromSeconds(1)), (UnitOfWork work) => { });
        }, new QueueOptions { PollInterval = TimeSpan.FromMilliseconds(100) }));
        await Source.ShouldBecomeAsync("select count(*) > 0 from mainstay.schedule_runs", true);
    }

    public override async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        await base.DisposeAsync();
    }

    [Fact]
    public async Task A_running_application_is_sound_and_everything_enqueued_is_somewhere()
    {
        var jobs = _app.Services.GetRequiredService<Jobs>();
        var ids = new List<Guid>();
        for (var i = 0; i < 50; i++)
        {
            ids.Add(await jobs.EnqueueAsync(new Write("x"), cancellation: Stop));
            ids.Add(await jobs.EnqueueAsync(new Fail("x"), cancellation: Stop));
            ids.Add(await jobs.EnqueueAsync(new Wait("x"), after: TimeSpan.FromHours(1), cancellation: Stop));
            if (i % 10 == 0)
                await ShouldBeSoundAsync(ids);      // in the middle of it
        }
        await Source.ShouldBecomeAsync("select count(*) filter (where state <> 2) || ' ' || (select count(*) from mainstay.jobs_dead) from mainstay.jobs where handler <> 'tick'", "0 50");

        await ShouldBeSoundAsync(ids);
    }

    /// <summary>A connection that has ended while nobody used it is noticed when it is used: the check takes another.</summary>
    [Fact]
    public async Task A_check_outlives_the_end_of_an_idle_connection()
    {
        await _app.DisposeAsync();
        await using var database = new Database(NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(ConnectionString) { ApplicationName = "checked" }.ConnectionString), TimeProvider.System);
        var checker = new QueueChecker(database, new QueueOptions(), new QueueModel());
        (await checker.VerifyAsync(cancellation: Stop)).Unfinished.ShouldBeEmpty();

        (await Source.ScalarAsync<long>("select count(*) from (select pid from pg_stat_activity where datname = current_database() and application_name = 'checked' offset 0) idle where pg_terminate_backend(pid, 20000)")).ShouldBe(1);

        (await checker.VerifyAsync(cancellation: Stop)).Unfinished.ShouldBeEmpty();
    }

    [Fact]
    public Task A_lease_of_a_dead_node_is_found_when_nobody_has_taken_it_back() => ShouldFindAsync("lease-of-living-node", $"""
        insert into mainstay.nodes (id, lease_until) values ('{Node}', now() + interval '1 hour');
        insert into mainstay.jobs (id, handler, state, node, attempt, fence, payload) values ('{Node}', 'elsewhere', 1, '{Node}', 1, 1, json_build_object());
        delete from mainstay.nodes where id = '{Node}'
        """);

    [Fact]
    public async Task A_lease_that_has_just_ended_is_no_finding()
    {
        await Source.ExecuteAsync($$"""
            insert into mainstay.nodes (id, lease_until) values ('{{Node}}', now() - interval '1 second');
            insert into mainstay.jobs (id, handler, state, node, attempt, fence, payload) values (gen_random_uuid(), 'elsewhere', 1, '{{Node}}', 1, 1, '{}')
            """);

        await ShouldBeSoundAsync([]);
    }

    [Fact]
    public Task A_lane_with_two_heads_is_found() => ShouldFindAsync("places-of-lane", $"""
        insert into mainstay.nodes (id, lease_until) values ('{Node}', now() + interval '1 hour');
        insert into mainstay.jobs (id, handler, state, node, attempt, fence, payload, lane) values ('{Node}', 'turn', 1, '{Node}', 1, 1, json_build_object('key', 'a'), 'a');
        insert into mainstay.jobs (id, handler, state, due_at, attempt, fence, payload, lane) values ('ffffffff-ac96-774b-bcce-b302099a8057', 'turn', 2, now() + interval '1 hour', 1, 1, json_build_object('key', 'a'), 'a')
        """);

    [Fact]
    public Task A_lane_without_a_head_is_found() => ShouldFindAsync("lane-goes-on", $"""
        insert into mainstay.jobs (id, handler, state, payload, lane) values ('{Node}', 'turn', 5, json_build_object('key', 'a'), 'a')
        """);

    [Fact]
    public Task A_lane_that_is_stopped_by_nothing_is_found() => ShouldFindAsync("stop-has-letter", $"""
        insert into mainstay.jobs_stopped (handler, lane, job, stopped_at) values ('turn', 'a', '{Node}', now() - interval '1 hour')
        """);

    [Fact]
    public Task A_queue_with_more_leases_than_permits_is_found() => ShouldFindAsync("permits-of-queue", $"""
        insert into mainstay.nodes (id, lease_until) values ('{Node}', now() + interval '1 hour');
        insert into mainstay.jobs (id, handler, state, node, attempt, fence, payload) select gen_random_uuid(), 'slow', 1, '{Node}', 1, 1, json_build_object('key', 'a') from generate_series(1, 2)
        """);

    [Fact]
    public Task A_lease_without_a_fence_is_found() => ShouldFindAsync("fence-of-lease", $"""
        insert into mainstay.nodes (id, lease_until) values ('{Node}', now() + interval '1 hour');
        insert into mainstay.jobs (id, handler, state, node, attempt, fence, payload) values ('{Node}', 'elsewhere', 1, '{Node}', 1, 0, json_build_object())
        """);

    [Fact]
    public Task A_node_on_what_is_not_leased_is_found() => ShouldFindAsync("fence-of-lease", $"""
        alter table mainstay.jobs drop constraint jobs_lease_check;
        insert into mainstay.jobs (id, handler, state, node, payload) values ('{Node}', 'elsewhere', 0, gen_random_uuid(), json_build_object())
        """);

    [Theory]
    [InlineData(6, 0)]
    [InlineData(0, 2)]
    public Task A_job_that_nobody_looks_for_is_found(int state, int priority) => ShouldFindAsync("known-state", $"insert into mainstay.jobs (id, handler, state, priority, payload) values ('{Node}', 'elsewhere', {state}, {priority}, json_build_object())");

    [Fact]
    public Task A_delay_without_end_is_found() => ShouldFindAsync("due-time-of-delayed", $"""
        alter table mainstay.jobs drop constraint jobs_due_check;
        insert into mainstay.jobs (id, handler, state, payload) values ('{Node}', 'elsewhere', 2, json_build_object())
        """);

    [Theory]
    [InlineData("open", "done")]
    [InlineData("open", "dead")]
    [InlineData("done", "dead")]
    public Task A_job_in_two_places_is_found(string one, string other) => ShouldFindAsync("one-place", Insert(one), Insert(other));

    [Theory]
    [InlineData("done")]
    [InlineData("dead")]
    public Task A_job_that_ended_twice_is_found(string place) => ShouldFindAsync("ended-once", Insert(place), Insert(place));

    [Fact]
    public Task A_planned_time_with_two_rows_is_found() => ShouldFindAsync("planned-once", """
        alter table mainstay.schedule_runs drop constraint schedule_runs_pkey;
        insert into mainstay.schedule_runs (schedule, planned_at) select 'other', '2026-01-01T00:00:00Z' from generate_series(1, 2)
        """);

    [Fact]
    public Task A_job_at_two_planned_times_is_found() => ShouldFindAsync("planned-once", Insert("open"), $"""
        insert into mainstay.schedule_runs (schedule, planned_at, job) select 'other', now() - i * interval '1 minute', '{Node}' from generate_series(1, 2) i
        """);

    [Fact]
    public Task Two_open_jobs_of_one_planned_time_are_found() => ShouldFindAsync("planned-once", """
        insert into mainstay.schedules (name, timing) values ('other', 'never');
        insert into mainstay.jobs (id, handler, payload) select gen_random_uuid(), 'other', '{"plannedAt":"2026-01-01T00:00:00Z"}' from generate_series(1, 2)
        """);

    [Fact]
    public Task A_run_whose_job_is_nowhere_is_found() => ShouldFindAsync("run-is-somewhere", $"""
        insert into mainstay.schedule_runs (schedule, planned_at, job) values ('other', now() - interval '1 minute', '{Node}')
        """);

    [Fact]
    public Task An_arrival_that_nobody_decides_about_is_found() => ShouldFindAsync("arrival-is-decided", $"""
        select pg_advisory_lock(hashtextextended('mainstay.admit_jobs', 0));
        insert into mainstay.jobs (id, handler, state, payload, lane, created_at) values ('{Node}', 'turn', 4, json_build_object('key', 'a'), 'a', now() - interval '1 hour')
        """);

    [Fact]
    public Task A_unique_key_with_two_jobs_is_found() => ShouldFindAsync("unique-key-once", """
        drop index mainstay.jobs_unique_idx;
        insert into mainstay.jobs (id, handler, payload, unique_key) select gen_random_uuid(), 'elsewhere', '{}', 'a' from generate_series(1, 2)
        """);

    [Fact]
    public Task An_open_saga_without_a_job_is_found() => ShouldFindAsync("saga-has-job", InsertSaga("sagas", """{"pending":[],"log":[]}"""));

    [Fact]
    public Task An_open_saga_whose_job_is_nowhere_is_found() => ShouldFindAsync("saga-has-job", InsertSaga("sagas", $$"""{"pending":[{"job":"{{Node}}","part":"ship"}],"log":[]}"""));

    [Fact]
    public Task A_saga_that_has_ended_twice_is_found() => ShouldFindAsync("saga-in-one-place", InsertSaga("sagas_ended", """{"pending":[],"log":[]}"""), InsertSaga("sagas_ended", """{"pending":[],"log":[]}"""));

    [Fact]
    public Task A_saga_that_undid_what_it_had_not_done_is_found() => ShouldFindAsync("saga-walks-back", InsertSaga("sagas_ended", """{"pending":[],"log":[{"item":"ship","event":"undone"}]}"""));

    private static string InsertSaga(string table, string state) => table == "sagas"
        ? $"insert into mainstay.sagas (id, saga, version, shape, key, input, state) values ('{Node}', 'other', 1, '', 'a', '{{}}', '{state}')"
        : $"insert into mainstay.sagas_ended (id, saga, version, key, outcome, input, state, started_at) values ('{Node}', 'other', 1, 'a', 'completed', '{{}}', '{state}', now())";

    [Fact]
    public async Task What_was_enqueued_and_is_nowhere_is_found()
    {
        var lost = await _app.Services.GetRequiredService<Jobs>().EnqueueAsync(new Wait("x"), after: TimeSpan.FromHours(1), cancellation: Stop);
        var there = await _app.Services.GetRequiredService<Jobs>().EnqueueAsync(new Wait("x"), after: TimeSpan.FromHours(1), cancellation: Stop);
        await Source.ExecuteAsync($"delete from mainstay.jobs where id = '{lost}'");

        var finding = (await Checker.VerifyAsync([lost, there], cancellation: Stop)).Findings.ShouldHaveSingleItem();

        finding.Check.ShouldBe("enqueued-is-somewhere");
        finding.Rows.ShouldBe([new QueueFindingRow(lost.ToString(), "is nowhere")]);
    }

    [Fact]
    public async Task A_redrive_that_nobody_goes_on_with_is_found()
    {
        await _app.DisposeAsync();
        await Source.ExecuteAsync("insert into mainstay.redrives (id, died_before, per_second, found, started_by, why, origin, next_at) values (gen_random_uuid(), now(), 1, 1, 'ann', 'x', '{}', now() - interval '1 hour')");
        await using var database = new Database(NpgsqlDataSource.Create(ConnectionString), TimeProvider.System);

        var report = await new QueueChecker(database, new QueueOptions(), new QueueModel()).VerifyAsync(cancellation: Stop);

        report.Findings.ShouldHaveSingleItem().Check.ShouldBe("redrive-goes-on");
    }

    [Fact]
    public async Task Many_rows_are_cut_off_and_that_is_said()
    {
        await Source.ExecuteAsync("""
            alter table mainstay.jobs drop constraint jobs_due_check;
            insert into mainstay.jobs (id, handler, state, payload) select gen_random_uuid(), 'elsewhere', 2, '{}' from generate_series(1, 150)
            """);

        var finding = (await Checker.VerifyAsync(cancellation: Stop)).Findings.ShouldHaveSingleItem();

        (finding.Rows.Count, finding.HasMore).ShouldBe((100, true));
    }

    [Fact]
    public async Task What_there_was_no_time_for_is_named()
    {
        await using var locker = await Source.OpenConnectionAsync(Stop);
        await using var transaction = await locker.BeginTransactionAsync(Stop);
        await using (var command = new NpgsqlCommand("lock table mainstay.redrives in access exclusive mode", locker, transaction))
            await command.ExecuteNonQueryAsync(Stop);

        var report = await Checker.VerifyAsync(within: TimeSpan.FromSeconds(5), cancellation: Stop);       // for all the others

        report.IsSound.ShouldBeFalse();
        report.Unfinished.ShouldBe(["redrive-goes-on"]);
        report.Findings.ShouldBeEmpty();
    }

    private static string Insert(string place) => place switch
    {
        "open" => $"insert into mainstay.jobs (id, handler, payload) values ('{Node}', 'elsewhere', json_build_object())",
        "done" => $"insert into mainstay.jobs_done (id, handler, attempt, created_at, done_at) values ('{Node}', 'elsewhere', 1, now(), now())",
        _ => $"insert into mainstay.jobs_dead (id, handler, attempt, crashes, fence, created_at, dead_at, reason, payload) values ('{Node}', 'elsewhere', 1, 0, 1, now(), now(), 'failed', json_build_object())",
    };

    private async Task ShouldBeSoundAsync(IReadOnlyCollection<Guid> enqueued)
    {
        var report = await Checker.VerifyAsync(enqueued, patience, Stop);
        report.IsSound.ShouldBeTrue(string.Join('\n', report.Findings.SelectMany(finding => finding.Rows.Select(row => $"{finding.Check}: {row}")).Concat(report.Unfinished)));
    }

    /// <param name="check">The check that finds it, and no other.</param>
    /// <param name="plants">The violation.</param>
    private async Task ShouldFindAsync(string check, params string[] plants)
    {
        await ShouldBeSoundAsync([]);
        await Source.ExecuteAsync(string.Join(";\n", plants));

        var report = await Checker.VerifyAsync(within: patience, cancellation: Stop);

        var finding = report.Findings.ShouldHaveSingleItem();
        finding.Check.ShouldBe(check);
        finding.Rows.Count.ShouldBe(1);
        finding.NextStep.ShouldNotBeEmpty();
        report.Unfinished.ShouldBeEmpty();
    }

    private sealed record Write(string Text);

    private sealed record Fail(string Text);

    private sealed record Wait(string Text);

    private sealed record Turn(string Key);

    private sealed record Slow(string Key);
}
