using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>Everything that queues do, through a PgBouncer in transaction mode.</summary>
public sealed class PoolerTests(PostgresFixture postgres)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Queues_work_behind_a_pooler_in_transaction_mode()
    {
        var program = TransactionPooler.Find();
        Assert.SkipWhen(program is null, "PgBouncer is not installed here: apt-get install pgbouncer");
        var server = await postgres.CreateDatabaseAsync();
        await using var direct = NpgsqlDataSource.Create(server);
        await direct.ExecuteAsync("create table effects (text text not null)");
        await using var pooler = await TransactionPooler.StartAsync(program!, server);
        var pooled = pooler.Before(server);
        await using var source = NpgsqlDataSource.Create(pooled);

        await using var one = await StartAsync(pooled);
        await using var other = await StartAsync(pooled);
        await direct.ShouldBecomeAsync("select count(*) from mainstay.nodes where lease_until > now()", 2L);

        // Alone, in transactions of the application, by COPY, in plain SQL, delayed; in one transaction, at least once, in steps, in batches, at planned times.
        await Task.WhenAll(Enumerable.Range(0, 100).Select(i => (i % 2 == 0 ? one : other).Services.GetRequiredService<Jobs>().EnqueueAsync(new Write($"alone {i}"), cancellation: Stop)));
        await Task.WhenAll(Enumerable.Range(0, 40).Select(async i =>
        {
            await using var connection = await source.OpenConnectionAsync(Stop);
            await using var transaction = await connection.BeginTransactionAsync(Stop);
            await one.Services.GetRequiredService<Jobs>().EnqueueAsync(new Write($"with {i}"), transaction, cancellation: Stop);
            await other.Services.GetRequiredService<Outbox>().PublishAsync(new Placed(i), transaction, Stop);
            if (i % 4 == 0)
                await transaction.RollbackAsync(Stop);
            else
                await transaction.CommitAsync(Stop);
        }));
        await one.Services.GetRequiredService<Jobs>().EnqueueManyAsync(Enumerable.Range(0, 500).Select(i => new Write($"many {i}")), cancellation: Stop);
        await source.ExecuteAsync("select mainstay.enqueue('call', '{\"text\": \"plain\"}')");
        await other.Services.GetRequiredService<Jobs>().EnqueueAsync(new Write("delayed"), after: TimeSpan.FromMilliseconds(400), cancellation: Stop);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(i => (i % 2 == 0 ? one : other).Services.GetRequiredService<Inbox>().ReceiveAsync("payments", "evt_1", async work =>
        {
            await work.ExecuteAsync($"insert into effects values ('received')");
            return "done";
        }, Stop)));

        await direct.ShouldBecomeAsync("""
            select string_agg(kind || ' ' || count, ', ' order by kind)
            from (select split_part(text, ' ', 1) as kind, count(distinct text) || case when count(*) > count(distinct text) then ' and again' else '' end as count
                from effects where text not like 'tick%' group by 1) counted
            """, "alone 100, called 1, counted 30, delayed 1, many 500, received 1, with 30");
        await direct.ShouldBecomeAsync("select count(*) from mainstay.jobs where handler <> 'tick'", 0L);
        await direct.ShouldBecomeAsync("select count(*) >= 2 and count(*) = count(distinct planned_at) from mainstay.schedule_runs", true);
        (await direct.ScalarAsync<long>("select count(*) from mainstay.jobs_dead")).ShouldBe(0);
        // Nobody listens on what everybody shares: whoever gets a notification instead of an answer waits for ever.
        (await Task.WhenAll(Enumerable.Range(0, 2 * TransactionPooler.ServerConnectionsMost).Select(_ => source.ScalarAsync<long>("select count(*) from pg_listening_channels(), pg_sleep(0.05)"))))
            .ShouldAllBe(channels => channels == 0);
        // All of it on a few connections, which the pooler alone knows of; one more is ours.
        (await direct.ScalarAsync<long>("select count(*) from pg_stat_activity where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()")).ShouldBeInRange(1, TransactionPooler.ServerConnectionsMost + 2);
    }

    [Fact]
    public async Task A_node_that_dies_behind_a_pooler_is_succeeded()
    {
        var program = TransactionPooler.Find();
        Assert.SkipWhen(program is null, "PgBouncer is not installed here: apt-get install pgbouncer");
        var server = await postgres.CreateDatabaseAsync();
        await using var direct = NpgsqlDataSource.Create(server);
        await direct.ExecuteAsync("create table effects (text text not null)");
        await using var pooler = await TransactionPooler.StartAsync(program!, server);
        await using var app = await StartAsync(pooler.Before(server));

        await direct.ExecuteAsync("""
            insert into mainstay.nodes (id, lease_until) values ('01890a5d-ac96-774b-bcce-b302099a8057', now() - interval '1 second');
            insert into mainstay.jobs (id, handler, state, node, attempt, fence, payload)
            select gen_random_uuid(), 'write', 1, '01890a5d-ac96-774b-bcce-b302099a8057', 1, 1, json_build_object('text', 'taken over ' || i) from generate_series(1, 20) i
            """);

        await direct.ShouldBecomeAsync("select count(*) || ' ' || count(distinct text) from effects where text like 'taken over%'", "20 20");
    }

    private static Task<PlainApplication> StartAsync(string connectionString) => PlainApplication.StartAsync(connectionString, services => services
        .AddOutbox(outbox =>
        {
            outbox.Event<Placed>("order.placed");
            outbox.On("count", async (IReadOnlyList<Placed> all, UnitOfWork work) =>
            {
                foreach (var placed in all)
                    await work.ExecuteAsync($"insert into effects values ({$"counted {placed.Number}"})");
            }).Batch(10);
        })
        .AddInbox(inbox => inbox.Source("payments"))
        .AddJobs(jobs =>
        {
            jobs.Job<Write>("write", (Write job, UnitOfWork work) => work.ExecuteAsync($"insert into effects values ({job.Text})"));
            jobs.Job<Call>("call", async (Call job, Outbound outbound) =>
            {
                var length = await outbound.StepAsync("measure", key => Task.FromResult(job.Text.Length));
                await outbound.CommitAsync("write", work => work.ExecuteAsync($"insert into effects values ({$"called {length}"})"));
            });
            jobs.Job("tick", Schedule.Every(TimeSpan.FromSeconds(1)), (Tick tick, UnitOfWork work) => work.ExecuteAsync($"insert into effects values ({$"tick {tick.PlannedAt:O}"})"));
        }, new QueueOptions { PollInterval = TimeSpan.FromMilliseconds(200), Lease = TimeSpan.FromSeconds(3) }));

    private sealed record Write(string Text);

    private sealed record Call(string Text);

    private sealed record Placed(int Number);
}
