using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>Work that is handled together in one transaction. Each test has its own database.</summary>
public sealed class BatchedWorkTests(PostgresFixture postgres) : OwnDatabaseTests(postgres)
{
    private readonly ConcurrentQueue<int> _sizes = new();

    protected override Task PrepareAsync() => Source.ExecuteAsync("create table effects (number integer primary key, xid bigint not null)");

    [Fact]
    public async Task What_waits_is_handled_together()
    {
        await FillAsync(250);
        await using var app = await StartAsync(WriteAsync);

        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_done", 250L);

        (await Source.ScalarAsync<long>("select count(*) from effects")).ShouldBe(250);
        _sizes.Sum().ShouldBe(250);
        _sizes.Max().ShouldBe(40);
        _sizes.Count.ShouldBeLessThan(20);
        (await Source.ScalarAsync<long>("select count(distinct xid) from effects")).ShouldBe(_sizes.Count);
    }

    [Fact]
    public async Task The_culprit_fails_alone_and_the_others_are_done_in_their_first_attempt()
    {
        await FillAsync(30);
        await using var app = await StartAsync(async (all, work) =>
        {
            await WriteAsync(all, work);
            if (all.Any(item => item.Number is 7 or 21))
                throw new InvalidOperationException("Cannot stand it.");
        }, jobs => jobs.Retry(2, from: TimeSpan.FromMilliseconds(1)));

        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_dead", 2L);
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs", 0L);

        (await Source.ScalarAsync<string>("select string_agg((payload ->> 'number') || ' ' || attempt || ' ' || reason, ', ' order by (payload ->> 'number')::int) from mainstay.jobs_dead")).ShouldBe("7 2 failed, 21 2 failed");
        (await Source.ScalarAsync<string>("select count(*) || ' ' || max(attempt) from mainstay.jobs_done")).ShouldBe("28 1");
        (await Source.ScalarAsync<string>("select count(*) || ' ' || count(*) filter (where number in (7, 21)) from effects")).ShouldBe("28 0");
    }

    [Fact]
    public async Task One_that_puts_itself_off_or_cannot_be_read_leaves_the_others_alone()
    {
        await FillAsync(8);
        await Source.ExecuteAsync("""insert into mainstay.jobs (id, handler, payload) values (gen_random_uuid(), 'write', '{"other":1}')""");
        await using var app = await StartAsync(async (all, work) =>
        {
            await WriteAsync(all, work);
            if (all.Any(item => item.Number == 3))
                throw new SnoozeException(TimeSpan.FromHours(1));
        });

        // They may have come into several batches.
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_done", 7L);
        await Source.ShouldBecomeAsync("select coalesce((select reason from mainstay.jobs_dead), '')", "unreadable");
        await Source.ShouldBecomeAsync("select state || ' ' || attempt || ' ' || (payload ->> 'number') from mainstay.jobs", "2 0 3");
    }

    [Fact]
    public async Task The_first_of_a_batch_waits_for_others_for_as_long_as_it_is_told_to()
    {
        await using var app = await StartAsync(WriteAsync, jobs => jobs.Batch(3, linger: TimeSpan.FromMinutes(1)));
        var jobs = app.Services.GetRequiredService<Jobs>();

        await jobs.EnqueueAsync(new Write(1), cancellation: Stop);
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs where state = 1", 1L);
        _sizes.ShouldBeEmpty();
        await app.DisposeAsync();

        (await Source.ScalarAsync<string>("select state || ' ' || attempt from mainstay.jobs")).ShouldBe("0 0");
        await using var other = await StartAsync(WriteAsync, declared => declared.Batch(3, linger: TimeSpan.FromMilliseconds(300)));
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_done", 1L);
        _sizes.ShouldBe([1]);
    }

    [Fact]
    public async Task A_batch_of_which_one_was_lost_is_committed_without_it()
    {
        await FillAsync(4);
        var meeting = new Meeting();
        await using var app = await StartAsync(async (all, work) =>
        {
            await WriteAsync(all, work);
            if (all.Count == 4)
                await meeting.MeetAsync(work.Cancellation);
        });
        await meeting.Arrived.Task.WaitAsync(TimeSpan.FromSeconds(20), Stop);

        await Source.ExecuteAsync("update mainstay.jobs set state = 2, node = null, due_at = now() + interval '1 hour', fence = fence + 1 where payload ->> 'number' = '2'");
        meeting.Leave.TrySetResult();

        await Source.ShouldBecomeAsync("select coalesce(string_agg(number::text, ',' order by number), '') from effects", "1,3,4");
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_done", 3L);
    }

    [Fact]
    public async Task Events_are_handled_together_too()
    {
        var sizes = new ConcurrentQueue<int>();
        await using (var publisher = await PlainApplication.StartAsync(ConnectionString, services => services.AddOutbox(outbox => Declare(outbox, sizes), new QueueOptions { Workers = 0 })))
        {
            await using var connection = await Source.OpenConnectionAsync(Stop);
            await using var transaction = await connection.BeginTransactionAsync(Stop);
            for (var i = 0; i < 12; i++)
                await publisher.Services.GetRequiredService<Outbox>().PublishAsync(new Write(i), transaction, Stop);
            await transaction.CommitAsync(Stop);
        }
        await using var app = await PlainApplication.StartAsync(ConnectionString, services => services.AddOutbox(outbox => Declare(outbox, sizes)));

        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_done", 12L);

        sizes.ShouldBe([5, 5, 2]);

        static void Declare(OutboxBuilder outbox, ConcurrentQueue<int> sizes)
        {
            outbox.Event<Write>("written");
            outbox.Queue("one").PerNode(1);
            outbox.On("count", (IReadOnlyList<Write> all, UnitOfWork work) => sizes.Enqueue(all.Count)).Batch(5).Queue("one");
        }
    }

    [Fact]
    public async Task Batches_that_cannot_be_are_refused_at_the_start()
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { EnvironmentName = "Development" });
        builder.Services.AddLogging().AddJobs(jobs =>
        {
            jobs.Job<Write>("single", (Write job, UnitOfWork work) => { }).Batch(10);
            jobs.Job<Other>("outbound", (IReadOnlyList<Other> all, Outbound outbound) => { });
        }, new QueueOptions { ConnectionString = ConnectionString });
        using var host = builder.Build();

        var mistakes = await Should.ThrowAsync<ConfigurationException>(() => host.StartAsync(Stop));

        mistakes.Message.ShouldContain("MST1002: The handler of 'single' takes one at a time, and .Batch(…) says several. Let it take a list: (IReadOnlyList<Write> all, UnitOfWork work)");
        mistakes.Message.ShouldContain("MST1002: The handler of 'outbound' takes a list without a UnitOfWork.");
    }

    private async Task WriteAsync(IReadOnlyList<Write> all, UnitOfWork work)
    {
        foreach (var item in all)
            await work.ExecuteAsync($"insert into effects values ({item.Number}, txid_current())");
        _sizes.Enqueue(all.Count);
    }

    private async Task FillAsync(int count)
    {
        await using (await StartAsync(WriteAsync, options: new QueueOptions { Workers = 0 }))
        {
        }
        await Source.ExecuteAsync($"insert into mainstay.jobs (id, handler, payload) select gen_random_uuid(), 'write', json_build_object('number', i) from generate_series(1, {count}) i");
    }

    private Task<PlainApplication> StartAsync(Func<IReadOnlyList<Write>, UnitOfWork, Task> handler, Action<JobDeclaration>? declare = null, QueueOptions? options = null) =>
        PlainApplication.StartAsync(ConnectionString, services => services.AddJobs(jobs =>
        {
            var declared = jobs.Job<Write>("write", (IReadOnlyList<Write> all, UnitOfWork work) => handler(all, work)).Batch(40);
            declare?.Invoke(declared);
        }, options ?? new QueueOptions { PollInterval = TimeSpan.FromMilliseconds(100), Drain = TimeSpan.Zero }));

    private sealed record Write(int Number);

    private sealed record Other(int Number);
}
