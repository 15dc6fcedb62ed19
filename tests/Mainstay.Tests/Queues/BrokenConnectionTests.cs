using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>A node on a data source of its application, whose own code opens connections and may fail with anything.</summary>
public sealed class BrokenConnectionTests(PostgresFixture postgres) : OwnDatabaseTests(postgres)
{
    protected override Task PrepareAsync() => Source.ExecuteAsync("create table effects (text text not null)");

    [Fact]
    public async Task A_node_goes_on_whatever_its_connections_fail_with()
    {
        var isBroken = false;
        var refused = 0;
        await using var own = Build(() =>
        {
            if (!Volatile.Read(ref isBroken))
                return;
            Interlocked.Increment(ref refused);
            throw new InvalidOperationException("The secret cannot be read.");
        });
        await using var app = await PlainApplication.StartAsync(ConnectionString, services => services.AddSingleton(own).AddJobs(jobs =>
        {
            jobs.Job<Note>("note", (Note note, UnitOfWork work) => Write(work, note.Text));
            jobs.Job("tick", Schedule.Every(TimeSpan.FromSeconds(1)), (UnitOfWork work) => Write(work, "tick"));
        }));
        await Source.ShouldBecomeAsync("select count(*) > 1 from effects where text = 'tick'", true);

        Volatile.Write(ref isBroken, true);
        await Source.ExecuteAsync("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'node'");
        await Waiting.UntilAsync(() => Task.FromResult(Volatile.Read(ref refused) >= 10));
        await Source.ExecuteAsync("""truncate effects; select mainstay.enqueue('note', '{"text":"afterwards"}')""");
        Volatile.Write(ref isBroken, false);

        await Source.ShouldBecomeAsync("select count(*) = 1 from effects where text = 'afterwards'", true);
        await Source.ShouldBecomeAsync("select count(*) > 1 from effects where text = 'tick'", true);
        app.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.IsCancellationRequested.ShouldBeFalse();
    }

    private NpgsqlDataSource Build(Action open)
    {
        var builder = new NpgsqlDataSourceBuilder(new NpgsqlConnectionStringBuilder(ConnectionString) { ApplicationName = "node" }.ConnectionString);
        builder.UsePhysicalConnectionInitializer(_ => open(), _ =>
        {
            open();
            return Task.CompletedTask;
        });
        return builder.Build();
    }

    private static Task<int> Write(UnitOfWork work, string text) => work.ExecuteAsync($"insert into effects values ({text})");

    private sealed record Note(string Text);
}
