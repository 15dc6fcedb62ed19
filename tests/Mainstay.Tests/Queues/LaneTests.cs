using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>Work that waits for other work with its key: in order, or so many at a time. The states are those of docs/internals/queues.md.</summary>
public sealed class LaneTests(PostgresFixture postgres) : OwnDatabaseTests(postgres)
{
    /// <summary>Lanes with more jobs than places, and lanes in which something waits that nobody will ever wake.</summary>
    private const string Broken = """
        select
            (select count(*) from (select from mainstay.jobs where lane is not null and state < 4 and (state <> 2 or fence > 0) group by handler, lane having count(*) > 1) crowded) +
            (select count(*) from mainstay.jobs waiting where state = 5
                and not exists (select from mainstay.jobs_stopped stopped where stopped.handler = waiting.handler and stopped.lane = waiting.lane)
                and not exists (select from mainstay.jobs job where job.handler = waiting.handler and job.lane = waiting.lane and (job.state = 4 or (job.state < 4 and (job.state <> 2 or job.fence > 0)))))
        """;

    private const string Complete = "select mainstay.complete_in_lanes(array(select id from mainstay.jobs where fence = 1), array[1], false)";
    private const string Admit = "select admitted || ' ' || is_unfinished from mainstay.admit_jobs(array['move'], array[1], array[0]::smallint[], array[null]::interval[], array[0]::bigint[], 100)";

    protected override Task PrepareAsync() => Source.ExecuteAsync("create table effects (id bigint generated always as identity, key text not null, number integer not null)");

    [Fact]
    public async Task Many_writers_and_two_nodes_keep_the_order_of_every_key()
    {
        await using var one = await StartAsync(Ordered);
        await using var other = await StartAsync(Ordered);
        PlainApplication[] nodes = [one, other];

        // Each writer has keys of its own, so that it knows their order; the nodes that run have nothing to do with it.
        await Task.WhenAll(Enumerable.Range(0, 8).Select(async writer =>
        {
            for (var number = 0; number < 40; number++)
            {
                var jobs = nodes[number % 2].Services.GetRequiredService<Jobs>();
                await jobs.EnqueueAsync(new Move($"{writer} {number % 2}", number), cancellation: Stop);
                (await Source.ScalarAsync<long>(Broken)).ShouldBe(0);
            }
        }));

        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs", 0L);
        (await Source.ScalarAsync<long>("select count(*) from effects")).ShouldBe(320);
        (await Source.ScalarAsync<long>("select count(*) from (select number - lag(number) over (partition by key order by id) as step from effects) steps where step <= 0")).ShouldBe(0);
    }

    [Fact]
    public async Task Whoever_comes_while_the_head_ends_is_not_forgotten()
    {
        var running = 0;
        var most = 0;
        await using var one = await StartAsync(Declare);
        await using var other = await StartAsync(Declare);
        void Declare(JobsBuilder jobs) => jobs.Job<Move>("move", async (Move move, Outbound outbound) =>
        {
            InterlockedMax(ref most, Interlocked.Increment(ref running));
            await Task.Yield();
            Interlocked.Decrement(ref running);
        }).InOrderOf((Move move) => move.Key);

        // Commits that come long after their insert, in one lane that is empty again and again.
        await Task.WhenAll(Enumerable.Range(0, 6).Select(async writer =>
        {
            await using var connection = await Source.OpenConnectionAsync(Stop);
            for (var i = 0; i < 60; i++)
            {
                await using var transaction = await connection.BeginTransactionAsync(Stop);
                var node = writer % 2 == 0 ? one : other;
                await node.Services.GetRequiredService<Jobs>().EnqueueAsync(new Move("same", i), transaction, cancellation: Stop);
                await using var wait = new NpgsqlCommand($"select pg_sleep({(writer + i) % 4 * 0.002m})", connection, transaction);
                await wait.ExecuteNonQueryAsync(Stop);
                await transaction.CommitAsync(Stop);
                node.Services.GetRequiredService<Jobs>().Wake();
                (await Source.ScalarAsync<long>(Broken)).ShouldBe(0);
            }
        }));

        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_done", 360L);
        most.ShouldBe(1);
    }

    [Fact]
    public async Task What_arrives_while_the_head_is_ending_is_decided_about_when_that_has_ended()
    {
        await LeaseHeadAsync();
        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using var ending = await connection.BeginTransactionAsync(Stop);
        await using (var complete = new NpgsqlCommand(Complete, connection, ending))
            (await complete.ExecuteScalarAsync(Stop)).ShouldBe(1L);

        // The completion has looked who waits, and nobody did.
        await Source.ExecuteAsync("""select mainstay.enqueue('move', '{"key":"a","number":1}', lane => 'a')""");
        (await Source.ScalarAsync<string>(Admit)).ShouldBe("0 true");
        (await Source.ScalarAsync<short>("select state from mainstay.jobs where fence = 0")).ShouldBe((short)4);
        await ending.CommitAsync(Stop);

        (await Source.ScalarAsync<string>(Admit)).ShouldBe("1 false");
        (await Source.ScalarAsync<short>("select state from mainstay.jobs")).ShouldBe((short)0);
    }

    [Fact]
    public async Task A_head_that_ends_while_something_is_sent_to_wait_behind_it_looks_afterwards()
    {
        await LeaseHeadAsync();
        await Source.ExecuteAsync("""select mainstay.enqueue('move', '{"key":"a","number":1}', lane => 'a')""");
        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using var admitting = await connection.BeginTransactionAsync(Stop);
        await using (var admit = new NpgsqlCommand(Admit, connection, admitting))
            (await admit.ExecuteScalarAsync(Stop)).ShouldBe("0 false");

        var completing = Source.ScalarAsync<long>(Complete);
        await Source.ShouldBecomeAsync("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'", 1L);
        await admitting.CommitAsync(Stop);

        (await completing).ShouldBe(1);
        (await Source.ScalarAsync<short>("select state from mainstay.jobs")).ShouldBe((short)0);
    }

    [Fact]
    public async Task A_head_that_is_tried_again_keeps_its_place()
    {
        var failed = 0;
        await using var app = await StartAsync(jobs => jobs.Job<Move>("move", async (Move move, UnitOfWork work) =>
        {
            if (move.Number == 0 && Interlocked.Increment(ref failed) < 3)
                throw new InvalidOperationException("Not yet.");
            await Write(move, work);
        }).InOrderOf((Move move) => move.Key).Retry(5, from: TimeSpan.FromMilliseconds(200)));
        await EnqueueAsync(app, "a", 0, 1, 2);
        await EnqueueAsync(app, "b", 3);

        await Source.ShouldBecomeAsync("select count(*) from effects", 4L);

        (await Source.ScalarAsync<string>("select string_agg(number::text, ' ' order by id) from effects where key = 'a'")).ShouldBe("0 1 2");
    }

    [Fact]
    public async Task Behind_a_dead_head_the_rest_waits_until_that_is_dealt_with()
    {
        await using var app = await StartAsync(jobs => Dying(jobs, DeadHead.Block));
        var letters = app.Services.GetRequiredService<DeadLetters>();
        await EnqueueAsync(app, "a", 0, 1, 2);
        await EnqueueAsync(app, "b", 1, 2);

        await Source.ShouldBecomeAsync("select coalesce((select reason || ' ' || lane from mainstay.jobs_dead), '')", "failed a");
        await Source.ShouldBecomeAsync("select coalesce(string_agg(key || number, ' ' order by id), '') from effects", "b1 b2");
        await EnqueueAsync(app, "a", 3);
        await Source.ShouldBecomeAsync("select string_agg(state::text, ' ' order by seq) from mainstay.jobs", "5 5 5");
        (await Source.ScalarAsync<long>(Broken)).ShouldBe(0);

        (await letters.RedriveAsync(await Source.ScalarAsync<Guid>("select id from mainstay.jobs_dead"), "Again.", cancellation: Stop)).ShouldBeTrue();
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_dead where errors -> -1 ->> 'attempt' = '1' and jsonb_array_length(errors) = 2", 1L);
        await Source.ShouldBecomeAsync("select string_agg(state::text, ' ' order by seq) from mainstay.jobs", "5 5 5");

        (await letters.RedriveAsync(await Source.ScalarAsync<Guid>("select id from mainstay.jobs_dead"), "Once more, better.", "{\"key\":\"a\",\"number\":9}", cancellation: Stop)).ShouldBeTrue();
        await Source.ShouldBecomeAsync("select coalesce(string_agg(number::text, ' ' order by id), '') from effects where key = 'a'", "9 1 2 3");
    }

    [Fact]
    public async Task A_dead_head_that_is_discarded_lets_the_rest_go_on()
    {
        await using var app = await StartAsync(jobs => Dying(jobs, DeadHead.Block));
        await EnqueueAsync(app, "a", 0, 1, 2, 3);
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_stopped", 1L);

        (await app.Services.GetRequiredService<DeadLetters>().DiscardAsync(await Source.ScalarAsync<Guid>("select id from mainstay.jobs_dead"), "Nobody needs it.", cancellation: Stop)).ShouldBeTrue();
        await Source.ShouldBecomeAsync("select coalesce(string_agg(number::text, ' ' order by id), '') from effects where key = 'a'", "1 2 3");
    }

    [Fact]
    public async Task A_dead_head_that_is_skipped_holds_up_nobody()
    {
        await using var app = await StartAsync(jobs => Dying(jobs, DeadHead.Skip));
        await EnqueueAsync(app, "a", 0, 1, 0, 2);

        await Source.ShouldBecomeAsync("select coalesce(string_agg(number::text, ' ' order by id), '') from effects", "1 2");
        (await Source.ScalarAsync<long>("select count(*) from mainstay.jobs_dead")).ShouldBe(2);
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_stopped", 0L);
    }

    [Fact]
    public async Task A_dead_head_takes_its_lane_with_it_and_what_comes_later_begins_anew()
    {
        await using (var app = await StartAsync(jobs => Dying(jobs, DeadHead.BuryLane), new QueueOptions { Workers = 0 }))
        {
            await EnqueueAsync(app, "a", 0, 1, 2);
            await EnqueueAsync(app, "b", 3);
        }
        await using var node = await StartAsync(jobs => Dying(jobs, DeadHead.BuryLane));

        await Source.ShouldBecomeAsync("select coalesce(string_agg(reason, ' ' order by reason), '') from mainstay.jobs_dead", "failed lane lane");
        await EnqueueAsync(node, "a", 4);
        await Source.ShouldBecomeAsync("select coalesce(string_agg(key || number, ' ' order by key), '') from effects", "a4 b3");
    }

    [Fact]
    public async Task A_head_that_took_its_third_process_with_it_stops_its_lane()
    {
        await using (await StartAsync(Ordered))
        {
        }
        await Source.ExecuteAsync("""
            insert into mainstay.nodes (id, lease_until) values ('01890a5d-ac96-774b-bcce-b302099a8057', now() - interval '1 second');
            insert into mainstay.jobs (id, handler, state, node, attempt, fence, crashes, payload, lane)
            values (gen_random_uuid(), 'move', 1, '01890a5d-ac96-774b-bcce-b302099a8057', 3, 3, 2, '{"key":"a","number":0}', 'a');
            """);

        await using var app = await StartAsync(Ordered);
        await EnqueueAsync(app, "a", 1);

        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs where state = 5 and lane = (select lane from mainstay.jobs_stopped)", 1L);
        (await Source.ScalarAsync<long>("select count(*) from effects")).ShouldBe(0);
    }

    [Fact]
    public async Task What_is_delayed_takes_its_place_when_it_is_due()
    {
        await using var app = await StartAsync(Ordered);
        await app.Services.GetRequiredService<Jobs>().EnqueueAsync(new Move("a", 2), after: TimeSpan.FromHours(1), cancellation: Stop);
        await EnqueueAsync(app, "a", 0, 1);

        await Source.ShouldBecomeAsync("select coalesce(string_agg(number::text, ' ' order by id), '') from effects", "0 1");
        await Source.ExecuteAsync("update mainstay.jobs set due_at = now() where state = 2");
        await Source.ShouldBecomeAsync("select coalesce(string_agg(number::text, ' ' order by id), '') from effects", "0 1 2");
    }

    [Fact]
    public async Task Subscriptions_copies_and_sql_stand_in_lanes_too()
    {
        await using var app = await PlainApplication.StartAsync(ConnectionString, services => services
            .AddOutbox(outbox =>
            {
                outbox.Event<Moved>("moved");
                outbox.On("note", (Moved moved, UnitOfWork work) => work.ExecuteAsync($"insert into effects (key, number) values ({moved.Key}, {moved.Number})")).InOrderOf((Moved moved) => moved.Key);
            })
            .AddJobs(Ordered, new QueueOptions { PollInterval = TimeSpan.FromMilliseconds(100) }));
        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using (var transaction = await connection.BeginTransactionAsync(Stop))
        {
            for (var i = 0; i < 10; i++)
                await app.Services.GetRequiredService<Outbox>().PublishAsync(new Moved("event", i), transaction, Stop);
            await app.Services.GetRequiredService<Jobs>().EnqueueManyAsync(Enumerable.Range(0, 10).Select(i => new Move("copy", i)), transaction, cancellation: Stop);
            await transaction.CommitAsync(Stop);
        }
        await Source.ExecuteAsync("""select mainstay.enqueue('move', json_build_object('key', 'sql', 'number', i), lane => 'sql') from generate_series(0, 9) i""");

        await Source.ShouldBecomeAsync("select count(*) from effects", 30L);
        (await Source.ScalarAsync<string>("select string_agg(numbers, '/') from (select string_agg(number::text, '' order by id) as numbers from effects group by key) each")).ShouldBe("0123456789/0123456789/0123456789");
    }

    [Fact]
    public async Task At_most_so_many_with_one_key_run_on_all_nodes_together()
    {
        var running = new ConcurrentDictionary<string, int>();
        var most = 0;
        var two = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var one = await StartAsync(Declare);
        await using var other = await StartAsync(Declare);
        void Declare(JobsBuilder jobs) => jobs.Job<Move>("move", async (Move move, Outbound outbound) =>
        {
            var now = running.AddOrUpdate(move.Key, 1, (_, count) => count + 1);
            InterlockedMax(ref most, now);
            if (now == 2)
                two.TrySetResult();
            await two.Task.WaitAsync(outbound.Cancellation);       // so that not all of them run one by one
            await Task.Delay(TimeSpan.FromMilliseconds(2), TimeProvider.System, outbound.Cancellation);
            running.AddOrUpdate(move.Key, 0, (_, count) => count - 1);
            if (move.Number % 10 == 9)
                throw new InvalidOperationException("One of ten fails.");
        }).AtMost(3, per: (Move move) => move.Key).Retry(1);

        await Task.WhenAll(Enumerable.Range(0, 4).Select(async writer =>
        {
            for (var i = 0; i < 50; i++)
                await (i % 2 == 0 ? one : other).Services.GetRequiredService<Jobs>().EnqueueAsync(new Move($"{writer % 2}", i), cancellation: Stop);
        }));

        await Source.ShouldBecomeAsync("select coalesce(string_agg(concat_ws(' ', state, fence, attempt, lane, seq, node, (select count(*) from mainstay.jobs_stopped)), ', '), '') from mainstay.jobs", "");
        (await Source.ScalarAsync<long>("select count(*) from mainstay.jobs_done")).ShouldBe(180);
        (await Source.ScalarAsync<long>("select count(*) from mainstay.jobs_dead")).ShouldBe(20);
        most.ShouldBeInRange(2, 3);
    }

    [Fact]
    public async Task What_another_release_left_in_lanes_is_let_in()
    {
        await using (var before = await StartAsync(Ordered, new QueueOptions { Workers = 0 }))
            await EnqueueAsync(before, "a", 0, 1, 2);
        await Source.ExecuteAsync("update mainstay.jobs set state = 5 where (payload ->> 'number')::integer = 1");

        await using var after = await StartAsync(jobs => jobs.Job<Move>("move", Write), new QueueOptions { PollInterval = TimeSpan.FromMilliseconds(100), Lease = TimeSpan.FromSeconds(1) });

        await Source.ShouldBecomeAsync("select count(*) from effects", 3L);
    }

    [Fact]
    public async Task Two_lanes_for_one_handler_are_refused()
    {
        var mistake = await Should.ThrowAsync<ConfigurationException>(() => StartAsync(jobs => jobs.Job<Move>("move", Write).InOrderOf((Move move) => move.Key).AtMost(2, per: (Move move) => move.Number)));

        mistake.Message.ShouldContain("MST2513: 'move' says InOrderOf or AtMost more than once");
    }

    /// <summary>A lane whose head a living node has leased that does nothing about it.</summary>
    private async Task LeaseHeadAsync()
    {
        await using (await StartAsync(Ordered, new QueueOptions { Workers = 0 }))
        {
        }
        await Source.ExecuteAsync("""
            insert into mainstay.nodes (id, lease_until) values ('01890a5d-ac96-774b-bcce-b302099a8057', now() + interval '1 hour');
            insert into mainstay.jobs (id, handler, state, node, attempt, fence, payload, lane) values (gen_random_uuid(), 'move', 1, '01890a5d-ac96-774b-bcce-b302099a8057', 1, 1, '{"key":"a","number":0}', 'a');
            """);
    }

    private static void Ordered(JobsBuilder jobs) => jobs.Job<Move>("move", Write).InOrderOf((Move move) => move.Key);

    private static void Dying(JobsBuilder jobs, DeadHead deadHead) => jobs.Job<Move>("move", (Move move, UnitOfWork work) =>
        move.Number == 0 ? throw new InvalidOperationException("Never.") : Write(move, work)).InOrderOf((Move move) => move.Key, deadHead).Retry(1);

    private static Task<int> Write(Move move, UnitOfWork work) => work.ExecuteAsync($"insert into effects (key, number) values ({move.Key}, {move.Number})");

    private static async Task EnqueueAsync(PlainApplication app, string key, params int[] numbers)
    {
        foreach (var number in numbers)
            await app.Services.GetRequiredService<Jobs>().EnqueueAsync(new Move(key, number), cancellation: Stop);
    }

    private static void InterlockedMax(ref int most, int value)
    {
        int known;
        while (value > (known = Volatile.Read(ref most)) && Interlocked.CompareExchange(ref most, value, known) != known)
        {
        }
    }

    private Task<PlainApplication> StartAsync(Action<JobsBuilder> declare, QueueOptions? options = null) =>
        PlainApplication.StartAsync(ConnectionString, services => services.AddJobs(declare, options ?? new QueueOptions { PollInterval = TimeSpan.FromMilliseconds(100) }));

    private sealed record Move(string Key, int Number);

    private sealed record Moved(string Key, int Number);
}
