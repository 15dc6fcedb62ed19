using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>Dead letters by the service that every application has. Each test has its own database.</summary>
public sealed class DeadLetterTests(PostgresFixture postgres) : OwnDatabaseTests(postgres)
{
    private static readonly DateTimeOffset noon = new(TimeProvider.System.GetUtcNow().UtcDateTime.Date.AddDays(-2).AddHours(12), TimeSpan.Zero);

    private readonly ConcurrentQueue<(string Text, string Key)> _ran = [];

    [Fact]
    public async Task What_has_failed_for_good_is_listed_with_its_errors_and_runs_again_under_its_id()
    {
        var isBroken = true;
        await using var app = await StartAsync(jobs => jobs.Job<Write>("write", (Write job, Outbound outbound) =>
        {
            _ran.Enqueue((job.Text, outbound.Key));
            if (Volatile.Read(ref isBroken))
                throw new InvalidOperationException("The other side is away.");
        }).Retry(1));
        var letters = app.Services.GetRequiredService<DeadLetters>();

        var id = await app.Services.GetRequiredService<Jobs>().EnqueueAsync(new Write("x"), cancellation: Stop);
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_dead", 1L);
        var entry = (await letters.ListAsync(cancellation: Stop)).ShouldHaveSingleItem();
        var letter = (await letters.FindAsync(id, Stop)).ShouldNotBeNull();
        Volatile.Write(ref isBroken, false);
        (await letters.RedriveAsync(id, "it is back", cancellation: Stop)).ShouldBeTrue();
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_done", 1L);

        (entry.Id, entry.Handler, entry.Reason, entry.Attempts, entry.LastError).ShouldBe((id, "write", "failed", 1, "InvalidOperationException: The other side is away."));
        letter.Payload.GetRawText().ShouldBe("""{"text":"x"}""");
        letter.Errors.ShouldHaveSingleItem().Attempt.ShouldBe(1);
        _ran.ShouldBe([("x", id.ToString()), ("x", id.ToString())]);
        (await letters.RedriveAsync(id, "again", cancellation: Stop)).ShouldBeFalse();
        (await letters.ListAsync(cancellation: Stop)).ShouldBeEmpty();
        (await Source.ScalarAsync<string>("select action || ' ' || actor || ' ' || row_id || ' ' || (after ->> 'why') || ' ' || (after ->> 'count') from mainstay.audit")).ShouldBe($"redrive application {id} it is back 1");
    }

    [Fact]
    public async Task Letters_of_subscriptions_are_redriven_like_those_of_jobs()
    {
        var isBroken = true;
        await using var app = await PlainApplication.StartAsync(ConnectionString, services => services.AddOutbox(outbox =>
        {
            outbox.Event<Written>("text.written");
            outbox.On("note", (Written written, Outbound outbound) =>
            {
                if (Volatile.Read(ref isBroken))
                    throw new InvalidOperationException("Not now.");
                _ran.Enqueue((written.Text, outbound.Key));
            }).Retry(1);
        }));
        await using (var connection = await Source.OpenConnectionAsync(Stop))
        await using (var transaction = await connection.BeginTransactionAsync(Stop))
        {
            await app.Services.GetRequiredService<Outbox>().PublishAsync(new Written("x"), transaction, Stop);
            await transaction.CommitAsync(Stop);
        }
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_dead", 1L);
        Volatile.Write(ref isBroken, false);
        var letters = app.Services.GetRequiredService<DeadLetters>();
        var entry = (await letters.ListAsync(new DeadLetterFilter { Handler = "note" }, cancellation: Stop)).ShouldHaveSingleItem();

        await letters.RedriveAsync(entry.Id, "it is back", cancellation: Stop);

        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_done", 1L);
        _ran.ShouldBe([("x", entry.Id.ToString())]);
    }

    [Fact]
    public async Task Whoever_redrives_a_letter_together_with_others_makes_one_job_of_it()
    {
        await using var app = await StartAsync(Noting);
        await BuryAsync("failed", noon, 1);
        var letters = app.Services.GetRequiredService<DeadLetters>();
        var id = (await letters.ListAsync(cancellation: Stop))[0].Id;

        var redriven = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => letters.RedriveAsync(id, "all at once", cancellation: Stop)));
        await letters.RedriveManyAsync(new DeadLetterFilter(), "and once more", cancellation: Stop);
        await Source.ShouldBecomeAsync("select count(*) from mainstay.redrives where status = 'done'", 1L);

        redriven.Count(isRedriven => isRedriven).ShouldBe(1);
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_done", 1L);
        _ran.Count.ShouldBe(1);
    }

    [Fact]
    public async Task An_edited_payload_is_checked_against_what_the_handler_takes()
    {
        await using var app = await StartAsync(Noting);
        await BuryAsync("unreadable", noon, 1, payload: """{"txt":"old"}""");
        var letters = app.Services.GetRequiredService<DeadLetters>();
        var id = (await letters.ListAsync(cancellation: Stop))[0].Id;

        var refused = await Should.ThrowAsync<ProblemException>(() => letters.RedriveAsync(id, "mended", """{"txt":"new"}""", cancellation: Stop));
        (await Should.ThrowAsync<ProblemException>(() => letters.RedriveAsync(id, "mended", """{"text":""", cancellation: Stop))).Type.Code.ShouldBe("malformed-json");
        await letters.RedriveAsync(id, "mended", """{"text":"new"}""", new User("ann"), Stop);
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_done", 1L);

        refused.Type.Code.ShouldBe("validation-failed");
        refused.Errors.Select(error => $"{error.Pointer} {error.Code}").ShouldBe(["#/payload/txt unknown", "#/payload/text required"]);
        _ran.ShouldHaveSingleItem().Text.ShouldBe("new");
        (await Source.ScalarAsync<string>("select actor || ' ' || (before ->> 'payload') || ' ' || (after ->> 'payload') from mainstay.audit")).ShouldBe("""ann {"txt":"old"} {"text":"new"}""");
    }

    [Fact]
    public async Task Filters_and_pages_find_each_letter_once()
    {
        await using var app = await StartAsync(Noting);
        await BuryAsync("failed", noon, 30, error: "Timeout of 100%_\\ mail");
        await BuryAsync("crashed", noon, 5);
        await BuryAsync("failed", noon.AddHours(1), 5, handler: "other");
        var letters = app.Services.GetRequiredService<DeadLetters>();

        var all = new List<DeadLetterEntry>();
        while (await letters.ListAsync(after: all.LastOrDefault(), size: 7, cancellation: Stop) is { Count: > 0 } page)
            all.AddRange(page);
        async Task<int> CountAsync(DeadLetterFilter filter) => (await letters.PreviewAsync(filter, Stop)).Count;

        all.Select(entry => entry.Id).Distinct().Count().ShouldBe(40);
        all.Count.ShouldBe(40);
        all.Select(entry => entry.DeadAt).ShouldBeInOrder(SortDirection.Descending);
        (await CountAsync(new DeadLetterFilter { Handler = "other" })).ShouldBe(5);
        (await CountAsync(new DeadLetterFilter { Reason = "crashed" })).ShouldBe(5);
        (await CountAsync(new DeadLetterFilter { From = noon.AddMinutes(1) })).ShouldBe(5);
        (await CountAsync(new DeadLetterFilter { Before = noon.AddMinutes(1) })).ShouldBe(35);
        (await CountAsync(new DeadLetterFilter { Error = "100%_\\ MAIL" })).ShouldBe(30);
        (await CountAsync(new DeadLetterFilter { Error = "100%%" })).ShouldBe(0);
        (await CountAsync(new DeadLetterFilter { Handler = "write", Reason = "failed", Before = noon.AddDays(1) })).ShouldBe(30);
        var preview = await letters.PreviewAsync(new DeadLetterFilter { Before = noon.AddDays(1) }, Stop);
        preview.Groups.Select(group => (group.Handler, group.Reason, group.Count)).ShouldBe([("write", "failed", 30), ("other", "failed", 5), ("write", "crashed", 5)]);
        preview.Sample.Count.ShouldBe(10);
        preview.CountIsCapped.ShouldBeFalse();
    }

    [Fact]
    public async Task A_preview_counts_up_to_its_limit()
    {
        await using var app = await StartAsync(Noting);
        await BuryAsync("failed", noon, DeadLetters.CountMost + 5);

        var preview = await app.Services.GetRequiredService<DeadLetters>().PreviewAsync(new DeadLetterFilter(), Stop);

        (preview.Count, preview.CountIsCapped).ShouldBe((DeadLetters.CountMost, true));
    }

    [Fact]
    public async Task A_redrive_goes_on_where_a_node_left_it_and_keeps_to_its_rate()
    {
        await using (await StartAsync(Noting))
        {
        }
        await BuryAsync("failed", noon, 60);
        await Source.ExecuteAsync("""
            create function hold() returns trigger language plpgsql as 'begin perform pg_advisory_xact_lock(1); return new; end';
            create trigger hold before update on mainstay.redrives for each row when (new.redriven > 30) execute function hold()
            """);
        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using var holding = await connection.BeginTransactionAsync(Stop);
        await using (var hold = new NpgsqlCommand("select pg_advisory_xact_lock(1)", connection, holding))
            await hold.ExecuteNonQueryAsync(Stop);
        Redrive redrive;
        var started = TimeProvider.System.GetTimestamp();
        await using (var first = await StartAsync(Noting))
        {
            redrive = await first.Services.GetRequiredService<DeadLetters>().RedriveManyAsync(new DeadLetterFilter { Handler = "write" }, "the mailer is back", perSecond: 20, cancellation: Stop);
            await Source.ShouldBecomeAsync("select redriven >= 8 from mainstay.redrives", true);
        }
        (redrive.Status, redrive.Found).ShouldBe((RedriveStatus.Running, 60));
        (await Source.ScalarAsync<string>("select status from mainstay.redrives")).ShouldBe("running");
        await holding.RollbackAsync(Stop);

        await using var second = await StartAsync(Noting);

        await Source.ShouldBecomeAsync("select status || ' ' || redriven from mainstay.redrives", "done 60");
        TimeProvider.System.GetElapsedTime(started).ShouldBeGreaterThan(TimeSpan.FromSeconds(60 / 20 - 0.5));       // four at once are 0.2 s of its rate
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_done", 60L);
        _ran.Select(ran => ran.Key).Distinct().Count().ShouldBe(60);
        _ran.Count.ShouldBe(60);
        var ended = (await second.Services.GetRequiredService<DeadLetters>().FindRedriveAsync(redrive.Id, Stop)).ShouldNotBeNull();
        ended.EndedAt.ShouldNotBeNull();
        (await Source.ScalarAsync<string>("select string_agg(action || ' ' || (after ->> 'count') || ' ' || actor, ', ' order by at) from mainstay.audit")).ShouldBe("redrive 60 application, redriven 60 application");
    }

    [Fact]
    public async Task What_dies_again_is_not_redriven_in_a_circle()
    {
        await using var app = await StartAsync(jobs => jobs.Job<Write>("write", void (Write job, Outbound outbound) => throw new InvalidOperationException("Still away.")).Retry(1));
        await BuryAsync("failed", noon, 10);

        await app.Services.GetRequiredService<DeadLetters>().RedriveManyAsync(new DeadLetterFilter(), "perhaps now", perSecond: 1000, cancellation: Stop);

        await Source.ShouldBecomeAsync("select status || ' ' || redriven from mainstay.redrives", "done 10");
        await Source.ShouldBecomeAsync("select count(*) || ' ' || coalesce(min(jsonb_array_length(errors)), 0) || ' ' || coalesce(max(jsonb_array_length(errors)), 0) from mainstay.jobs_dead", "10 2 2");
    }

    [Fact]
    public async Task A_redrive_that_is_stopped_moves_nothing_more()
    {
        await using var app = await StartAsync(Noting);
        await BuryAsync("failed", noon, 50);
        var letters = app.Services.GetRequiredService<DeadLetters>();

        var redrive = await letters.RedriveManyAsync(new DeadLetterFilter(), "trying", perSecond: 1, cancellation: Stop);
        await Source.ShouldBecomeAsync("select redriven >= 1 from mainstay.redrives", true);
        (await letters.StopRedriveAsync(redrive.Id, "enough", cancellation: Stop)).ShouldBeTrue();
        (await letters.StopRedriveAsync(redrive.Id, "enough", cancellation: Stop)).ShouldBeFalse();
        var other = await letters.RedriveManyAsync(new DeadLetterFilter { Handler = "nobody" }, "a step later", perSecond: 1, cancellation: Stop);
        await Waiting.UntilAsync(async () => (await letters.FindRedriveAsync(other.Id, Stop))!.Status == RedriveStatus.Done);

        (await letters.FindRedriveAsync(redrive.Id, Stop))!.Status.ShouldBe(RedriveStatus.Stopped);
        (await Source.ScalarAsync<long>("select redriven + (select count(*) from mainstay.jobs_dead) from mainstay.redrives where status = 'stopped'")).ShouldBe(50);
        (await letters.ListRedrivesAsync(Stop)).Select(known => known.Id).ShouldBe([other.Id, redrive.Id]);
    }

    [Fact]
    public async Task What_is_discarded_can_be_restored_for_a_while_and_not_be_redriven()
    {
        await using var app = await StartAsync(Noting);
        await BuryAsync("failed", noon, 3);
        var letters = app.Services.GetRequiredService<DeadLetters>();
        var id = (await letters.ListAsync(cancellation: Stop))[0].Id;

        (await letters.DiscardAsync(id, "not wanted", cancellation: Stop)).ShouldBeTrue();
        (await letters.DiscardAsync(id, "not wanted", cancellation: Stop)).ShouldBeFalse();
        (await letters.RedriveAsync(id, "wanted", cancellation: Stop)).ShouldBeFalse();
        (await letters.ListAsync(cancellation: Stop)).Count.ShouldBe(2);
        (await letters.ListAsync(new DeadLetterFilter { Discarded = true }, cancellation: Stop)).ShouldHaveSingleItem().Id.ShouldBe(id);
        (await letters.RestoreAsync(id, "wanted after all", cancellation: Stop)).ShouldBeTrue();
        (await letters.DiscardManyAsync(new DeadLetterFilter { Handler = "write" }, "none is wanted", cancellation: Stop)).ShouldBe(3);
        (await letters.RestoreManyAsync(new DeadLetterFilter { Reason = "failed" }, "all are", cancellation: Stop)).ShouldBe(3);
        await letters.DiscardAsync(id, "not wanted", cancellation: Stop);
        await Source.ExecuteAsync("update mainstay.jobs_dead set discarded_at = now() - interval '8 days' where discarded_at is not null");
        (await letters.RestoreAsync(id, "too late", cancellation: Stop)).ShouldBeFalse();

        (await Source.ScalarAsync<string>("select string_agg(action || ' ' || (after ->> 'count'), ', ' order by at) from mainstay.audit")).ShouldBe("discard 1, restore 1, discard 3, restore 3, discard 1");
    }

    [Fact]
    public async Task A_letter_that_killed_processes_comes_back_alone_and_with_its_fence()
    {
        await using (await StartAsync(Noting))
        {
        }
        await Source.ExecuteAsync("""
            insert into mainstay.jobs_dead (id, handler, attempt, crashes, fence, created_at, dead_at, reason, payload) values (gen_random_uuid(), 'elsewhere', 3, 3, 7, now(), now(), 'crashed', '{}')
            """);
        await using var app = await StartAsync(Noting);
        var letters = app.Services.GetRequiredService<DeadLetters>();

        await letters.RedriveAsync((await letters.ListAsync(cancellation: Stop))[0].Id, "the leak is mended", cancellation: Stop);

        (await Source.ScalarAsync<string>("select state || ' ' || crashes || ' ' || fence || ' ' || attempt from mainstay.jobs")).ShouldBe("3 1 7 0");
    }

    private void Noting(JobsBuilder jobs) => jobs.Job<Write>("write", (Write job, Outbound outbound) => _ran.Enqueue((job.Text, outbound.Key)));

    private Task<int> BuryAsync(string reason, DateTimeOffset at, int count, string handler = "write", string payload = """{"text":"x"}""", string error = "Broken.") => Source.ExecuteAsync($$"""
        insert into mainstay.jobs_dead (id, handler, attempt, crashes, fence, created_at, dead_at, reason, payload, errors)
        select gen_random_uuid(), '{{handler}}', 1, 0, 1, '{{at:O}}', '{{at:O}}', '{{reason}}', '{{payload}}', jsonb_build_array(jsonb_build_object('attempt', 1, 'at', now(), 'error', '{{error}}')) from generate_series(1, {{count}})
        """);

    private Task<PlainApplication> StartAsync(Action<JobsBuilder> declare) =>
        PlainApplication.StartAsync(ConnectionString, services => services.AddJobs(declare, new QueueOptions { PollInterval = TimeSpan.FromMilliseconds(100) }));

    private sealed record Write(string Text);

    private sealed record Written(string Text);
}
