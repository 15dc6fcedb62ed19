using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Mainstay.Internal;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>What operators see of the queues from outside: measurements, traces, warnings. Each test has its own database, and handlers of its own name.</summary>
public sealed class QueueSignalTests(PostgresFixture postgres) : OwnDatabaseTests(postgres)
{
    private readonly string _handler = $"write-{Guid.CreateVersion7():N}";
    private readonly ConcurrentQueue<(string Instrument, double Value, Dictionary<string, object?> Tags)> _measured = [];

    [Fact]
    public async Task Runs_retries_attempts_and_dead_letters_are_measured()
    {
        using var listener = Listen();
        await using var app = await StartAsync(jobs => jobs.Job<Write>(_handler, (Write job, UnitOfWork work) => job.Text == "fine" ? Task.CompletedTask : throw new InvalidOperationException("Broken.")).Retry(2, TimeSpan.FromMilliseconds(10)));
        var jobs = app.Services.GetRequiredService<Jobs>();

        await jobs.EnqueueAsync(new Write("fine"), cancellation: Stop);
        await jobs.EnqueueAsync(new Write("broken"), cancellation: Stop);
        await Source.ShouldBecomeAsync("select (select count(*) from mainstay.jobs_done) || ' ' || (select count(*) from mainstay.jobs_dead)", "1 1");
        await Waiting.UntilAsync(() => Task.FromResult(Of("mainstay.queue.attempts").Count() == 2 && Of("mainstay.queue.retries").Any()));       // which is what a run is measured by last

        Of("messaging.client.consumed.messages").Sum(measured => measured.Value).ShouldBe(3);
        Of("messaging.process.duration").Select(measured => $"{measured.Tags["mainstay.outcome"]} {measured.Tags["messaging.system"]} {measured.Tags["messaging.operation.name"]} {measured.Tags["mainstay.queue"]} {measured.Tags.GetValueOrDefault("error.type")}").Order(StringComparer.Ordinal)
            .ShouldBe(["dead mainstay process default System.InvalidOperationException", "done mainstay process default ", "retried mainstay process default System.InvalidOperationException"]);
        Of("mainstay.queue.retries").Sum(measured => measured.Value).ShouldBe(1);
        Of("mainstay.queue.dead_letters").ShouldHaveSingleItem().Tags["mainstay.reason"].ShouldBe("failed");
        Of("mainstay.queue.attempts").Select(measured => $"{measured.Tags["mainstay.outcome"]} {measured.Value}").Order(StringComparer.Ordinal).ShouldBe(["dead 2", "done 1"]);
        _measured.ShouldContain(measured => measured.Instrument == "messaging.client.operation.duration" && (string)measured.Tags["messaging.operation.name"]! == "claim");
    }

    [Fact]
    public async Task Runs_that_die_with_their_process_are_counted()
    {
        using var listener = Listen();
        await using (await StartAsync(Nothing))
        {
        }
        await Source.ExecuteAsync($$"""
            insert into mainstay.nodes (id, lease_until) values ('01890a5d-ac96-774b-bcce-b302099a8057', now() - interval '1 second');
            insert into mainstay.jobs (id, handler, state, node, attempt, fence, crashes, payload)
            select gen_random_uuid(), '{{_handler}}', 1, '01890a5d-ac96-774b-bcce-b302099a8057', 1, 1, 2, '{"text":"x"}' from generate_series(1, 2)
            """);

        await using var app = await StartAsync(Nothing);

        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_dead", 2L);
        await Waiting.UntilAsync(() => Task.FromResult(Of("mainstay.queue.dead_letters").Count() == 2));
        Of("mainstay.queue.crashes").Sum(measured => measured.Value).ShouldBe(2);
        Of("mainstay.queue.dead_letters").Select(measured => measured.Tags["mainstay.reason"]).ShouldBe(["crashed", "crashed"]);
    }

    [Fact]
    public async Task Depth_and_age_of_what_waits_are_shown_without_counting_all_of_it()
    {
        using var listener = Listen();
        await using (await StartAsync(Nothing))
        {
        }
        await Source.ExecuteAsync($$"""
            insert into mainstay.jobs (id, handler, payload, created_at) select gen_random_uuid(), '{{_handler}}', '{"text":"x"}', now() - interval '1 hour' from generate_series(1, 700);
            insert into mainstay.jobs (id, handler, payload, created_at) select gen_random_uuid(), 'elsewhere', '{"text":"x"}', now() from generate_series(1, 40000)
            """);
        await using var database = new Database(NpgsqlDataSource.Create(ConnectionString), TimeProvider.System);

        var depths = await new QueueWatchStore(database).DepthsAsync([_handler, "elsewhere", "nobody"], Stop);
        await using var app = await StartAsync(Nothing, workers: 0);
        await Waiting.UntilAsync(() =>
        {
            _measured.Clear();
            listener.RecordObservableInstruments();
            return Task.FromResult(Of("mainstay.queue.depth").Any(measured => measured.Value > 0) && Of("mainstay.queue.oldest.age").Any());
        });

        depths[_handler].ShouldBe(700);
        depths["nobody"].ShouldBe(0);
        ((double)depths["elsewhere"]).ShouldBeInRange(28_000, 52_000);
        Of("mainstay.queue.depth").ShouldHaveSingleItem().Value.ShouldBe(700);
        Of("mainstay.queue.oldest.age").ShouldHaveSingleItem().Value.ShouldBeInRange(3600, 3700);
    }

    [Fact]
    public async Task The_age_of_what_was_delayed_begins_when_it_became_ready()
    {
        await using (await StartAsync(Nothing))
        {
        }
        await Source.ExecuteAsync($$"""
            insert into mainstay.jobs (id, handler, payload, created_at, state, due_at) select gen_random_uuid(), '{{_handler}}', '{"text":"x"}', now() - interval '1 day', 2, now() - interval '10 minutes'
            """);
        await Source.ExecuteAsync(QueueSql.Promote);
        await using var database = new Database(NpgsqlDataSource.Create(ConnectionString), TimeProvider.System);

        var look = await new QueueWatchStore(database).LookAsync([_handler], [], Stop);

        look.Ages[_handler]!.Value.TotalSeconds.ShouldBeInRange(600, 660);
    }

    [Theory]
    [InlineData("suspect")]
    [InlineData("arrived")]
    [InlineData("behind leased")]
    [InlineData("behind ready")]
    [InlineData("behind suspect")]
    [InlineData("behind retried")]
    public async Task The_age_is_also_that_of_what_waits_and_is_not_ready(string how)
    {
        await using (await StartAsync(Nothing))
        {
        }
        string Job(int state, string since, string lane = "null", string node = "null", int fence = 0) =>
            $"insert into mainstay.jobs (id, handler, payload, created_at, due_at, state, lane, node, fence) values (gen_random_uuid(), '{_handler}', '{{}}', now() - interval '{since}', now() - interval '{since}', {state}, {lane}, {node}, {fence});";
        string[] jobs = how switch
        {
            "suspect" => [Job(3, "1 h")],
            "arrived" => [Job(4, "1 h", "'a'")],
            "behind leased" => ["insert into mainstay.nodes (id, lease_until) values ('01890a5d-ac96-774b-bcce-b302099a8057', now() + interval '1 day');", Job(1, "0 s", "'a'", "'01890a5d-ac96-774b-bcce-b302099a8057'", 1), Job(5, "1 h", "'a'")],
            "behind ready" => [Job(0, "0 s", "'a'"), Job(5, "1 h", "'a'")],
            "behind suspect" => [Job(3, "0 s", "'a'", fence: 1), Job(5, "1 h", "'a'")],
            _ => [Job(2, "-1 h", "'a'", fence: 1), Job(5, "1 h", "'a'")],
        };
        await Source.ExecuteAsync(string.Concat(jobs));
        await using var database = new Database(NpgsqlDataSource.Create(ConnectionString), TimeProvider.System);

        var look = await new QueueWatchStore(database).LookAsync([_handler, "nobody"], [_handler], Stop);

        look.Ages[_handler]!.Value.TotalSeconds.ShouldBeInRange(3600, 3660);
        look.Ages["nobody"].ShouldBeNull();
    }

    [Fact]
    public async Task A_lane_that_a_dead_job_has_stopped_is_shown_and_told_once()
    {
        using var listener = Listen();
        using var logs = new RecordedLogs();
        // Because of the age the watch looks every second.
        await using var app = await PlainApplication.StartAsync(ConnectionString, services => services
            .AddJobs(jobs => jobs.Job<Write>(_handler, (Write job, UnitOfWork work) => Task.FromException(new InvalidOperationException("Broken."))).Retry(1).InOrderOf((Write job) => job.Text).MaxAge(TimeSpan.FromSeconds(1)),
                new QueueOptions { PollInterval = TimeSpan.FromMilliseconds(100) })
            .AddSingleton<Microsoft.Extensions.Logging.ILoggerProvider>(logs));
        var jobs = app.Services.GetRequiredService<Jobs>();
        string[] Told() => [.. logs.Lines.Where(line => line.Text.StartsWith("Nothing goes on in", StringComparison.Ordinal)).Select(line => line.Text)];

        await jobs.EnqueueAsync(new Write("a"), cancellation: Stop);
        await Waiting.UntilAsync(() => Task.FromResult(Told().Length > 0));
        await jobs.EnqueueAsync(new Write("a"), cancellation: Stop);
        await jobs.EnqueueAsync(new Write("b"), cancellation: Stop);
        await Waiting.UntilAsync(() => Task.FromResult(Told().Length > 1));

        Told().ShouldBe([$"Nothing goes on in 1 keys of '{_handler}': the first job of each is a dead letter. What comes after it waits until the letter is redriven or discarded.",
            $"Nothing goes on in 2 keys of '{_handler}': the first job of each is a dead letter. What comes after it waits until the letter is redriven or discarded."]);
        await Waiting.UntilAsync(() =>
        {
            _measured.Clear();
            listener.RecordObservableInstruments();
            return Task.FromResult(Of("mainstay.queue.stopped_lanes").ShouldHaveSingleItem().Value == 2);
        });
    }

    [Fact]
    public async Task A_run_is_linked_to_the_request_that_caused_it()
    {
        var ended = new ConcurrentQueue<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name is "Mainstay" or "Microsoft.AspNetCore",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = ended.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        await using var backend = await TestBackend.StartAsync(ConnectionString, backend =>
        {
            backend.Job<Write>(_handler, (Write job, UnitOfWork work) => { });
            backend.Command("POST /v1/writes", (Write input, UnitOfWork work) => { work.Enqueue(input); }).Allow(Policy.Anyone);
        });
        var trace = ActivityTraceId.CreateRandom();

        (await backend.Anonymous.PostAsync("/v1/writes", new { text = "x" }, $"traceparent: 00-{trace}-{ActivitySpanId.CreateRandom()}-01")).Expect(204);
        await Waiting.UntilAsync(() => Task.FromResult(ended.Any(activity => activity.DisplayName == $"process {_handler}")));

        var run = ended.Single(activity => activity.DisplayName == $"process {_handler}");
        run.Links.ShouldHaveSingleItem().Context.TraceId.ShouldBe(trace);
        run.Kind.ShouldBe(ActivityKind.Consumer);
        run.TraceId.ShouldNotBe(trace);
        run.GetTagItem("messaging.destination.name").ShouldBe(_handler);
        run.GetTagItem("messaging.message.id").ShouldBe((await backend.ScalarAsync<Guid>("select id from mainstay.jobs_done")).ToString());
        run.GetTagItem("mainstay.outcome").ShouldBe("done");
    }

    [Fact]
    public async Task A_session_that_keeps_an_old_view_is_named_once()
    {
        await using var holder = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(ConnectionString) { ApplicationName = "forgotten report", Pooling = false }.ConnectionString);
        await holder.OpenAsync(Stop);
        await using (var begin = new NpgsqlCommand("begin isolation level repeatable read; select 'forgotten', count(*) from pg_class", holder))
            await begin.ExecuteNonQueryAsync(Stop);

        await using var backend = await TestBackend.StartAsync(ConnectionString, backend => backend.Job<Write>(_handler, (Write job, UnitOfWork work) => { }).MaxAge(TimeSpan.FromSeconds(1)),
            "--Mainstay:Queues:HeldSnapshot", "00:00:02");
        // Of these two alone: what runs in the backend is told too, when it gets no time for so long.
        string[] Told(NpgsqlConnection session) => [.. backend.Logs.Lines.Where(line => line.Text.StartsWith("MST2521", StringComparison.Ordinal) && line.Text.Contains($"(pid {session.ProcessID})", StringComparison.Ordinal)).Select(line => line.Text)];
        await Waiting.UntilAsync(() => Task.FromResult(Told(holder).Length > 0));
        // By now the watch looks every second, because of the age: it has looked again when another one that is held is told.
        await using var second = await Source.OpenConnectionAsync(Stop);
        await using (var begin = new NpgsqlCommand("begin isolation level repeatable read; select count(*) from pg_class", second))
            await begin.ExecuteNonQueryAsync(Stop);
        await Waiting.UntilAsync(() => Task.FromResult(Told(second).Length > 0));

        var told = Told(holder).ShouldHaveSingleItem();
        told.ShouldContain("'forgotten report'");
        told.ShouldContain("select 'forgotten', count(*) from pg_class");
        await using var end = new NpgsqlCommand("rollback", second);
        await end.ExecuteNonQueryAsync(Stop);
    }

    [Fact]
    public void Slots_and_standbys_are_told_when_they_stay_where_they_are()
    {
        var clock = new ManualClock();
        var held = new HeldSnapshots(TimeSpan.FromMinutes(5), clock);
        SnapshotHolder Slot(string horizon) => new("replication slot", "feed", null, "pgoutput", "", null, horizon);

        held.News([Slot("700")]).ShouldBeEmpty();
        clock.Advance(TimeSpan.FromMinutes(4));
        held.News([Slot("800")]).ShouldBeEmpty();
        clock.Advance(TimeSpan.FromMinutes(4));
        held.News([Slot("800")]).ShouldBeEmpty();
        clock.Advance(TimeSpan.FromMinutes(2));
        held.News([Slot("800")]).ShouldHaveSingleItem().Age.ShouldBe(TimeSpan.FromMinutes(6));
        held.News([Slot("800")]).ShouldBeEmpty();
        held.News([]).ShouldBeEmpty();
        held.News([Slot("800")]).ShouldBeEmpty();
    }

    private void Nothing(JobsBuilder jobs) => jobs.Job<Write>(_handler, (Write job, UnitOfWork work) => { });

    private Task<PlainApplication> StartAsync(Action<JobsBuilder> declare, int workers = 4) =>
        PlainApplication.StartAsync(ConnectionString, services => services.AddJobs(declare, new QueueOptions { PollInterval = TimeSpan.FromMilliseconds(100), Workers = workers }));

    private IEnumerable<(string Instrument, double Value, Dictionary<string, object?> Tags)> Of(string instrument) =>
        _measured.Where(measured => measured.Instrument == instrument && (measured.Tags.GetValueOrDefault("mainstay.handler") ?? measured.Tags.GetValueOrDefault("messaging.destination.name")) as string == _handler);

    private MeterListener Listen()
    {
        var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listening) =>
            {
                if (instrument.Meter.Name == "Mainstay")
                    listening.EnableMeasurementEvents(instrument);
            },
        };
        void Note<T>(Instrument instrument, T value, ReadOnlySpan<KeyValuePair<string, object?>> tags, object? state) where T : struct, IConvertible =>
            _measured.Enqueue((instrument.Name, value.ToDouble(System.Globalization.CultureInfo.InvariantCulture), tags.ToArray().ToDictionary(tag => tag.Key, tag => tag.Value)));
        listener.SetMeasurementEventCallback<double>(Note);
        listener.SetMeasurementEventCallback<long>(Note);
        listener.SetMeasurementEventCallback<int>(Note);
        listener.Start();
        return listener;
    }

    private sealed record Write(string Text);
}
