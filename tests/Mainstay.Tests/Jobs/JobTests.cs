using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>Jobs in an application that brings its own transactions, and beside an outbox.</summary>
public sealed class JobTests(PostgresFixture postgres) : OwnDatabaseTests(postgres)
{
    protected override Task PrepareAsync() => Source.ExecuteAsync("create table sent (product text not null)");

    [Fact]
    public async Task A_job_runs_with_the_commit_of_its_cause_and_never_without()
    {
        await using var app = await StartAsync();
        var jobs = app.Services.GetRequiredService<Jobs>();
        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using (var dropped = await connection.BeginTransactionAsync(Stop))
            await jobs.EnqueueAsync(new SendReceipt("dropped"), dropped, cancellation: Stop);
        await using (var kept = await connection.BeginTransactionAsync(Stop))
        {
            await jobs.EnqueueAsync(new SendReceipt("kept"), kept, cancellation: Stop);
            await kept.CommitAsync(Stop);
        }
        jobs.Wake();

        await Source.ShouldBecomeAsync("select coalesce(string_agg(product, ','), '') from sent", "kept");
        (await Source.ScalarAsync<long>("select count(*) from mainstay.jobs")).ShouldBe(0);
    }

    [Fact]
    public async Task A_subscription_enqueues_and_outbox_and_jobs_share_one_node()
    {
        await using var app = await PlainApplication.StartAsync(ConnectionString, services => services
            .AddOutbox(outbox =>
            {
                outbox.Event<Placed>("order.placed");
                outbox.On("enqueue receipt", (Placed placed, UnitOfWork work) => { work.Enqueue(new SendReceipt(placed.Product)); });
            })
            .AddJobs(Declare));
        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using var transaction = await connection.BeginTransactionAsync(Stop);
        await app.Services.GetRequiredService<Outbox>().PublishAsync(new Placed("tea"), transaction, Stop);
        await transaction.CommitAsync(Stop);

        await Source.ShouldBecomeAsync("select coalesce(string_agg(product, ','), '') from sent", "tea");
        (await Source.ScalarAsync<long>("select count(*) from mainstay.nodes")).ShouldBe(1);
    }

    [Fact]
    public async Task A_trigger_enqueues_in_plain_sql()
    {
        await using var app = await StartAsync();
        await Source.ExecuteAsync("""
            create table orders (product text not null);
            create function order_placed() returns trigger language plpgsql as $$
            begin
                perform mainstay.enqueue('send-receipt', json_build_object('product', new.product));
                return null;
            end $$;
            create trigger order_placed after insert on orders for each row execute function order_placed();
            """);

        await Source.ExecuteAsync("begin; insert into orders values ('dropped'); rollback;");
        await Source.ExecuteAsync("insert into orders values ('tea')");
        var later = await Source.ScalarAsync<Guid>("select mainstay.enqueue('send-receipt', '{\"product\": \"later\"}', after => '1 hour')");

        await Source.ShouldBecomeAsync("select coalesce(string_agg(product, ','), '') from sent", "tea");
        (await Source.ScalarAsync<bool>($"select state = 2 and due_at between mainstay.now() + '59 minutes' and mainstay.now() + '1 hour' from mainstay.jobs where id = '{later}'")).ShouldBeTrue();
        (await Source.ScalarAsync<long>("select count(*) from mainstay.jobs")).ShouldBe(1);
    }

    [Fact]
    public async Task Mistakes_are_reported_together_at_the_start()
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { EnvironmentName = "Development" });
        builder.Services.AddLogging().AddJobs(jobs =>
        {
            jobs.Queue("mail");
            jobs.Job<SendReceipt>("send-receipt", (SendReceipt job, UnitOfWork work) => { }).Queue("mial");
            jobs.Job<SendReceipt>("send-again", (SendReceipt job, UnitOfWork work) => { });
            jobs.Job<Placed>("send-receipt", (Placed placed) => { });
        }, new QueueOptions { ConnectionString = ConnectionString });
        using var host = builder.Build();

        var mistakes = await Should.ThrowAsync<ConfigurationException>(() => host.StartAsync(Stop));

        mistakes.Message.ShouldContain("MST2503: 'send-receipt' runs in the queue 'mial', which is not declared. Did you mean 'mail'?");
        mistakes.Message.ShouldContain("MST2502: SendReceipt is the input of the jobs 'send-receipt' and 'send-again'");
        mistakes.Message.ShouldContain("MST1002: The handler of job 'send-receipt' must take");
        mistakes.Message.ShouldContain("MST2102: Job 'send-receipt' is declared twice");
    }

    [Fact]
    public async Task A_job_that_is_not_declared_is_refused()
    {
        await using var app = await StartAsync();

        (await Should.ThrowAsync<ConfigurationException>(() => app.Services.GetRequiredService<Jobs>().EnqueueAsync(new Placed("tea"), cancellation: Stop))).Code.ShouldBe("MST2501");
    }

    private static void Declare(JobsBuilder jobs) =>
        jobs.Job<SendReceipt>("send-receipt", (SendReceipt job, UnitOfWork work) => work.ExecuteAsync($"insert into sent values ({job.Product})"));

    private Task<PlainApplication> StartAsync() => PlainApplication.StartAsync(ConnectionString, services => services.AddJobs(Declare));

    private sealed record Placed(string Product);

    private sealed record SendReceipt(string Product);
}
