using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>What may be stored as an event or a job, how much of it, and how much at once.</summary>
public sealed class PayloadTests(PostgresFixture postgres) : OwnDatabaseTests(postgres)
{
    protected override Task PrepareAsync() => Source.ExecuteAsync("create table effects (number integer not null, length integer not null)");

    [Fact]
    public async Task What_is_stored_is_read_without_the_bounds_for_strangers()
    {
        await using var app = await StartAsync(Declare);

        await app.Services.GetRequiredService<Jobs>().EnqueueAsync(new Import(-3, new string('x', 200_000)), cancellation: Stop);

        await Source.ShouldBecomeAsync("select coalesce((select number || ' ' || length from effects), '')", "-3 200000");
    }

    [Fact]
    public async Task What_is_too_large_is_refused_where_it_is_enqueued()
    {
        await using var app = await StartAsync(Declare);
        var jobs = app.Services.GetRequiredService<Jobs>();
        var large = new Import(1, new string('ö', 140_000));

        (await Should.ThrowAsync<InvalidOperationException>(() => jobs.EnqueueAsync(large, cancellation: Stop))).Message.ShouldStartWith("MST2507: A Import of 2800");
        await Should.ThrowAsync<InvalidOperationException>(() => jobs.EnqueueManyAsync([new Import(1, ""), large], cancellation: Stop));
        (await Should.ThrowAsync<PostgresException>(() => Source.ExecuteAsync("select mainstay.enqueue('import', json_build_object('number', 1, 'text', repeat('x', 262144)))"))).SqlState.ShouldBe("MS004");

        (await Source.ScalarAsync<long>("select count(*) from mainstay.jobs")).ShouldBe(0);
        (await Source.ScalarAsync<long>("select count(*) from mainstay.jobs_done")).ShouldBe(0);
    }

    [Fact]
    public async Task Many_jobs_are_recorded_at_once_in_the_transaction_of_their_cause()
    {
        await using var app = await StartAsync(Declare);
        var jobs = app.Services.GetRequiredService<Jobs>();
        await using var connection = await Source.OpenConnectionAsync(Stop);

        await using (var dropped = await connection.BeginTransactionAsync(Stop))
            (await jobs.EnqueueManyAsync(Enumerable.Range(0, 100).Select(i => new Import(i, "dropped")), dropped, cancellation: Stop)).ShouldBe(100);
        await using (var kept = await connection.BeginTransactionAsync(Stop))
        {
            (await jobs.EnqueueManyAsync(Enumerable.Range(0, 2000).Select(i => new Import(i, "tea")), kept, cancellation: Stop)).ShouldBe(2000);
            (await jobs.EnqueueManyAsync(Array.Empty<Import>(), kept, cancellation: Stop)).ShouldBe(0);
            await kept.CommitAsync(Stop);
        }
        jobs.Wake();

        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_done", 2000L);
        (await Source.ScalarAsync<string>("select count(distinct number) || ' ' || min(length) || ' ' || max(length) from effects")).ShouldBe("2000 3 3");
    }

    [Fact]
    public async Task Many_jobs_in_a_transaction_of_their_own_wait_until_they_are_due()
    {
        await using var app = await StartAsync(Declare);
        var jobs = app.Services.GetRequiredService<Jobs>();

        await jobs.EnqueueManyAsync([new Import(1, "tea"), new Import(2, "tea")], after: TimeSpan.FromHours(1), cancellation: Stop);
        await jobs.EnqueueManyAsync([new Import(3, "tea")], cancellation: Stop);

        await Source.ShouldBecomeAsync("select coalesce(string_agg(number::text, ','), '') from effects", "3");
        (await Source.ScalarAsync<long>("select count(*) from mainstay.jobs where state = 2 and due_at = first_due_at and due_at between mainstay.now() + '59 minutes' and mainstay.now() + '1 hour' and origin is not null")).ShouldBe(2);
    }

    [Fact]
    public async Task Types_that_could_not_be_read_again_are_refused_at_the_start()
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { EnvironmentName = "Development" });
        builder.Services.AddLogging().AddJobs(jobs =>
        {
            jobs.Job<string>("text", (string job, UnitOfWork work) => { });
            jobs.Job<Holding>("holding", (Holding job, UnitOfWork work) => { });
            jobs.Job<Unknown>("unknown", (Unknown job, UnitOfWork work) => { });
        }, new QueueOptions { ConnectionString = ConnectionString });
        using var host = builder.Build();

        var mistakes = await Should.ThrowAsync<ConfigurationException>(() => host.StartAsync(Stop));

        mistakes.Message.ShouldContain("MST1003: Job 'text': String is a value, and nothing could ever be added to it.");
        mistakes.Message.ShouldContain("MST1003: Job 'holding': Type OneWay cannot be read again");
        mistakes.Message.ShouldContain("MST1003: Job 'unknown': Type Object cannot be sent or stored");
    }

    private static void Declare(JobsBuilder jobs) =>
        jobs.Job<Import>("import", (Import job, UnitOfWork work) => work.ExecuteAsync($"insert into effects values ({job.Number}, {job.Length})"));

    private Task<PlainApplication> StartAsync(Action<JobsBuilder> declare) =>
        PlainApplication.StartAsync(ConnectionString, services => services.AddJobs(declare, new QueueOptions { PollInterval = TimeSpan.FromMilliseconds(100) }));

    private sealed record Import([property: Range(0, 100)] int Number, string Text)
    {
        public int Length => Text.Length;
    }

    private sealed record Holding(IReadOnlyList<OneWay> Items);

    private sealed class OneWay(int start)
    {
        public int End => start + 1;
    }

    private sealed record Unknown(object Thing);
}
