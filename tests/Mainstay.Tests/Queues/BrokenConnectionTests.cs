using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>A node on a data source of its application, whose own code opens connections and may fail with anything.</summary>
public sealed class BrokenConnectionTests(PostgresFixture postgres) : OwnDatabaseTests(postgres)
{
    private bool _isBroken;
    private int _refused;

    private readonly RecordedLogs _logs = new();

    protected override Task PrepareAsync() => Source.ExecuteAsync("create table effects (text text not null)");

    [Fact]
    public async Task A_node_goes_on_whatever_its_connections_fail_with()
    {
        await using var own = Build();
        await using var app = await StartAsync(own, jobs => jobs.Job("tick", Schedule.Every(TimeSpan.FromSeconds(1)), (UnitOfWork work) => WriteAsync(work, "tick")));
        await Source.ShouldBecomeAsync("select count(*) > 1 from effects where text = 'tick'", true);
        await Source.ExecuteAsync("""
            insert into mainstay.jobs_dead (id, handler, attempt, crashes, fence, created_at, dead_at, reason, payload)
            select gen_random_uuid(), 'note', 1, 0, 1, now(), now(), 'failed', '{"text":"redriven"}' from generate_series(1, 100)
            """);
        await app.Services.GetRequiredService<DeadLetters>().RedriveManyAsync(new DeadLetterFilter(), "They may be done now.", perSecond: 10, cancellation: Stop);

        Volatile.Write(ref _isBroken, true);
        await Source.ExecuteAsync("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'node'");
        await Waiting.UntilAsync(() => Task.FromResult(Volatile.Read(ref _refused) >= 20));
        await Source.ExecuteAsync("""delete from effects where text = 'tick'; select mainstay.enqueue('note', '{"text":"afterwards"}')""");
        Volatile.Write(ref _isBroken, false);

        await Source.ShouldBecomeAsync("select count(*) = 1 from effects where text = 'afterwards'", true);
        await Source.ShouldBecomeAsync("select count(*) > 1 from effects where text = 'tick'", true);
        await Source.ShouldBecomeAsync("select count(*) from effects where text = 'redriven'", 100L);
        app.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.IsCancellationRequested.ShouldBeFalse();
    }

    [Fact]
    public async Task A_connection_that_cannot_be_opened_is_no_attempt_of_the_job_that_needs_it()
    {
        await using var own = Build();
        await using var app = await StartAsync(own, _ => { });
        await Source.ExecuteAsync("""select mainstay.enqueue('note', '{"text":"before"}')""");
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_done", 1L);

        // Those that are open answer, and are too few for what waits in them.
        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using (var transaction = await connection.BeginTransactionAsync(Stop))
        {
            await using (var hold = new NpgsqlCommand("select pg_advisory_xact_lock(1)", connection, transaction))
                await hold.ExecuteNonQueryAsync(Stop);
            Volatile.Write(ref _isBroken, true);
            await Source.ExecuteAsync("""select mainstay.enqueue('note', '{"text":"waiting"}') from generate_series(1, 15)""");
            await Waiting.UntilAsync(() => Task.FromResult(_logs.Lines.Any(line => line.Text.Contains("The database was away when 'note'", StringComparison.Ordinal))));
            Volatile.Write(ref _isBroken, false);
            await transaction.CommitAsync(Stop);
        }
        await Waiting.UntilAsync(async () =>
        {
            await Source.ExecuteAsync("update mainstay.jobs set due_at = now() where state = 2 and due_at > now()");
            return await Source.ScalarAsync<long>("select count(*) from mainstay.jobs_done") == 16;
        });

        (await Source.ScalarAsync<int>("select max(attempt) from mainstay.jobs_done")).ShouldBe(1);
    }

    private Task<PlainApplication> StartAsync(NpgsqlDataSource own, Action<JobsBuilder> declare) => PlainApplication.StartAsync(ConnectionString, services => services.AddSingleton(own).AddSingleton<ILoggerProvider>(_logs).AddJobs(jobs =>
    {
        jobs.Job<Note>("note", async (Note note, UnitOfWork work) =>
        {
            await WriteAsync(work, note.Text);
            if (note.Text == "waiting")
                await work.ExecuteAsync($"select pg_advisory_xact_lock(1)");
        });
        declare(jobs);
    }, new QueueOptions { Workers = 16, PollInterval = TimeSpan.FromMilliseconds(100) }));

    private NpgsqlDataSource Build()
    {
        var builder = new NpgsqlDataSourceBuilder(new NpgsqlConnectionStringBuilder(ConnectionString) { ApplicationName = "node" }.ConnectionString);
        builder.UsePhysicalConnectionInitializer(_ => Open(), _ =>
        {
            Open();
            return Task.CompletedTask;
        });
        return builder.Build();
    }

    private void Open()
    {
        if (!Volatile.Read(ref _isBroken))
            return;
        Interlocked.Increment(ref _refused);
        throw new InvalidOperationException("The secret cannot be read.");
    }

    private static Task<int> WriteAsync(UnitOfWork work, string text) => work.ExecuteAsync($"insert into effects values ({text})");

    private sealed record Note(string Text);
}
