using Mainstay.Internal;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>What becomes of the history of jobs in time. Each test has its own database.</summary>
public sealed class RetentionTests(PostgresFixture postgres) : OwnDatabaseTests(postgres)
{
    protected override async Task PrepareAsync()
    {
        await using (await StartAsync())
        {
        }
    }

    [Fact]
    public async Task Days_that_are_over_are_dropped()
    {
        await Source.ExecuteAsync("select mainstay.add_partition(parent, (now() at time zone 'UTC')::date - days) from unnest(array['jobs_done', 'jobs_dead', 'schedule_runs']) parent, unnest(array[3, 8, 91]) days");

        await using var app = await StartAsync();

        await Source.ShouldBecomeAsync("""
            select string_agg(parent.relname || ' ' || ((now() at time zone 'UTC')::date - to_date(right(child.relname, 8), 'YYYYMMDD')), ', ' order by parent.relname, child.relname)
            from pg_inherits join pg_class child on child.oid = inhrelid join pg_class parent on parent.oid = inhparent
            where child.relname ~ '_[0-9]{8}$' and parent.relname ~ '^(jobs|schedule)_' and to_date(right(child.relname, 8), 'YYYYMMDD') < (now() at time zone 'UTC')::date
            """, "jobs_dead 8, jobs_dead 3, jobs_done 3, schedule_runs 3");
    }

    [Fact]
    public async Task Rows_without_a_day_of_their_own_go_when_their_day_would()
    {
        await Source.ExecuteAsync("""
            insert into mainstay.jobs_done (id, handler, attempt, created_at, done_at) select gen_random_uuid(), 'write', 1, now(), now() - days * interval '1 day' from unnest(array[5, 6, 9, 400]) days;
            insert into mainstay.jobs_done (id, handler, attempt, created_at, done_at) select gen_random_uuid(), 'write', 1, now(), now() - interval '30 days' from generate_series(1, 25000);
            insert into mainstay.schedule_runs (schedule, planned_at) select 'tick', now() - days * interval '1 day' from unnest(array[5, 9]) days;
            insert into mainstay.jobs_dead (id, handler, attempt, crashes, fence, created_at, dead_at, reason, payload)
            select gen_random_uuid(), 'write', 1, 0, 1, now(), now() - days * interval '1 day', 'failed', '{}' from unnest(array[9, 80, 95]) days
            """);
        (await Source.ScalarAsync<long>("select count(*) from mainstay.jobs_done_default")).ShouldBe(25004);

        await using var app = await StartAsync();

        await Source.ShouldBecomeAsync("select (select count(*) from mainstay.jobs_done) || ' ' || (select count(*) from mainstay.schedule_runs) || ' ' || (select count(*) from mainstay.jobs_dead)", "2 1 2");
    }

    [Fact]
    public async Task What_was_discarded_goes_when_it_can_no_longer_be_restored()
    {
        await Source.ExecuteAsync("""
            insert into mainstay.jobs_dead (id, handler, attempt, crashes, fence, created_at, dead_at, reason, payload, discarded_at)
            select gen_random_uuid(), 'write', 1, 0, 1, now(), now() - interval '9 days', 'failed', '{}', now() - days * interval '1 day' from unnest(array[6, 8, null]) days
            """);

        await using var app = await StartAsync();

        await Source.ShouldBecomeAsync("select count(*) || ' ' || count(discarded_at) from mainstay.jobs_dead", "2 1");
    }

    [Fact]
    public async Task A_node_that_died_long_ago_is_forgotten_when_it_holds_no_job_any_more()
    {
        await Source.ExecuteAsync("""
            insert into mainstay.nodes (id, lease_until) select gen_random_uuid(), now() - interval '2 days' from generate_series(1, 2);
            insert into mainstay.jobs (id, handler, state, node, attempt, fence, payload) select gen_random_uuid(), 'write', 1, (select min(id::text)::uuid from mainstay.nodes where lease_until < now() - interval '1 day'), 1, 1, '{}'
            """);

        await Source.ExecuteAsync(NodeSql.DeleteDead);
        (await Source.ScalarAsync<long>("select count(*) from mainstay.nodes where lease_until < now() - interval '1 day'")).ShouldBe(1);
        (await Source.ScalarAsync<bool>("select exists (select from mainstay.nodes where id = (select node from mainstay.jobs where state = 1))")).ShouldBeTrue();

        await Source.ExecuteAsync("delete from mainstay.jobs");
        await Source.ExecuteAsync(NodeSql.DeleteDead);
        (await Source.ScalarAsync<long>("select count(*) from mainstay.nodes where lease_until < now() - interval '1 day'")).ShouldBe(0);
    }

    [Fact]
    public async Task Whoever_reads_the_history_does_not_keep_a_node_from_starting()
    {
        await Source.ExecuteAsync("""
            select mainstay.add_partition('jobs_done', (now() at time zone 'UTC')::date - 30);
            create table effects (text text not null)
            """);
        await using var reader = await Source.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await using var transaction = await reader.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await using (var command = new NpgsqlCommand("select count(*) from mainstay.jobs_done", reader, transaction))
            await command.ExecuteScalarAsync(TestContext.Current.CancellationToken);

        await using var app = await StartAsync();
        await app.Services.GetRequiredService<Jobs>().EnqueueAsync(new Write("done"), cancellation: TestContext.Current.CancellationToken);

        await Source.ShouldBecomeAsync("select coalesce(string_agg(text, ','), '') from effects", "done");
        (await Source.ScalarAsync<bool>("select to_regclass('mainstay.jobs_done_' || to_char((now() at time zone 'UTC')::date - 30, 'YYYYMMDD')) is not null")).ShouldBeTrue();
    }

    private Task<PlainApplication> StartAsync() => PlainApplication.StartAsync(ConnectionString, services => services.AddJobs(jobs =>
        jobs.Job<Write>("write", (Write job, UnitOfWork work) => work.ExecuteAsync($"insert into effects (text) values ({job.Text})")), new QueueOptions { PollInterval = TimeSpan.FromMilliseconds(100) }));

    private sealed record Write(string Text);
}
