using Dapper;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>An outbox in an application that brings its own transactions.</summary>
public sealed class OutboxTests(PostgresFixture postgres) : OwnDatabaseTests(postgres)
{
    protected override Task PrepareAsync() => Source.ExecuteAsync($"create table counts (product text primary key, sold bigint not null); {ShopContext.Tables}");

    [Fact]
    public async Task A_message_is_delivered_with_its_commit_and_never_without()
    {
        await using var app = await StartAsync(Count);

        await PublishAsync(app, new Placed("tea", 1), commits: false);
        await PublishAsync(app, new Placed("tea", 2));

        await Source.ShouldBecomeAsync("select coalesce(sum(sold), 0)::bigint from counts", 2L);
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs", 0L);
    }

    [Fact]
    public async Task Two_nodes_deliver_every_message_once()
    {
        await using var one = await StartAsync(Count);
        await using var other = await StartAsync(Count);

        await Task.WhenAll(Enumerable.Range(0, 60).Select(i => PublishAsync(i % 2 == 0 ? one : other, new Placed($"tea {i % 3}", 1))));

        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs", 0L);
        (await Source.ScalarAsync<decimal>("select sum(sold) from counts")).ShouldBe(60);
    }

    [Fact]
    public async Task Entity_Framework_records_and_handles_in_its_own_transactions()
    {
        await using var app = await StartAsync(outbox =>
        {
            outbox.Event<Placed>("order.placed");
            outbox.On("copy order", async (Placed placed, UnitOfWork work) =>
            {
                // The transaction is open already, so Entity Framework begins none.
                await using var shop = new ShopContext(new DbContextOptionsBuilder<ShopContext>().UseNpgsql(await work.ConnectionAsync()).Options);
                shop.Database.AutoTransactionBehavior = AutoTransactionBehavior.Never;
                shop.Orders.Add(new ShopOrder { Product = $"copy of {placed.Product}", Quantity = placed.Quantity });
                await shop.SaveChangesAsync(work.Cancellation);
            });
        });
        await using var shop = new ShopContext(new DbContextOptionsBuilder<ShopContext>().UseNpgsql(ConnectionString).Options);

        await using var transaction = await shop.Database.BeginTransactionAsync(Stop);
        shop.Orders.Add(new ShopOrder { Product = "tea", Quantity = 3 });
        await shop.SaveChangesAsync(Stop);
        await app.Services.GetRequiredService<Outbox>().PublishAsync(new Placed("tea", 3), transaction.GetDbTransaction(), Stop);
        await transaction.CommitAsync(Stop);

        await Source.ShouldBecomeAsync("select count(*) from orders where product = 'copy of tea' and quantity = 3", 1L);
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs", 0L);
    }

    [Fact]
    public async Task A_handler_that_fails_leaves_no_effect_and_is_tried_again()
    {
        var attempts = 0;
        await using var app = await StartAsync(outbox =>
        {
            outbox.Event<Placed>("order.placed");
            outbox.On("count", async (Placed placed, UnitOfWork work) =>
            {
                await CountAsync(placed, work);
                if (Interlocked.Increment(ref attempts) == 1)
                    throw new InvalidOperationException("The first attempt fails.");
            });
        });

        await PublishAsync(app, new Placed("tea", 2));

        await Source.ShouldBecomeAsync("select coalesce(sum(sold), 0)::bigint from counts", 2L);
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs", 0L);
        attempts.ShouldBe(2);
    }

    [Fact]
    public async Task A_message_whose_attempts_are_used_up_stays_as_a_dead_letter()
    {
        await using var app = await StartAsync(outbox =>
        {
            outbox.Event<Placed>("order.placed");
            outbox.On("count", static Task (Placed placed, UnitOfWork work) => throw new InvalidOperationException("Broken.")).Retry(1);
        });

        await PublishAsync(app, new Placed("tea", 2));

        await Source.ShouldBecomeAsync("select coalesce((select reason || ' ' || (errors -> 0 ->> 'error') from mainstay.jobs_dead), '')", "failed InvalidOperationException: Broken.");
    }

    [Fact]
    public async Task An_attempt_ends_at_the_timeout_of_its_subscription()
    {
        await using var app = await StartAsync(outbox =>
        {
            outbox.Event<Placed>("order.placed");
            outbox.On("count", (Placed placed, UnitOfWork work) => Task.Delay(Timeout.Infinite, work.Cancellation)).Timeout(TimeSpan.FromMilliseconds(100)).Retry(1);
        });

        await PublishAsync(app, new Placed("tea", 2));

        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_dead", 1L);
    }

    [Fact]
    public async Task A_node_leaves_messages_alone_that_are_for_others()
    {
        await using (var publisher = await StartAsync(Count, new QueueOptions { Workers = 0 }))
            await PublishAsync(publisher, new Placed("tea", 2));
        var isDone = new TaskCompletionSource();
        await using var other = await StartAsync(outbox =>
        {
            outbox.Event<Placed>("order.placed");
            outbox.On("other", (Placed placed, UnitOfWork work) => isDone.TrySetResult());
        });

        await PublishAsync(other, new Placed("coffee", 1));
        await isDone.Task.WaitAsync(TimeSpan.FromSeconds(20), Stop);

        (await Source.ScalarAsync<int>("select attempt from mainstay.jobs where handler = 'count'")).ShouldBe(0);
        await using var late = await StartAsync(Count);
        await Source.ShouldBecomeAsync("select coalesce(sum(sold), 0)::bigint from counts", 2L);
    }

    [Fact]
    public async Task Handlers_take_services_and_publish_further_events()
    {
        var seen = new Seen();
        await using var app = await PlainApplication.StartAsync(ConnectionString, services => services.AddOutbox(outbox =>
        {
            outbox.Event<Placed>("order.placed");
            outbox.Event<Counted>("order.counted");
            outbox.On("count", (Placed placed, UnitOfWork work) => work.Publish(new Counted(placed.Product)));
            outbox.On("remember", (Counted counted, UnitOfWork work, Seen seen) => seen.Product.TrySetResult(counted.Product));
        }).AddSingleton(seen));

        await PublishAsync(app, new Placed("tea", 2));

        (await seen.Product.Task.WaitAsync(TimeSpan.FromSeconds(20), Stop)).ShouldBe("tea");
    }

    [Fact]
    public async Task A_transaction_that_cannot_carry_a_message_is_refused()
    {
        await using var app = await StartAsync(Count);
        var outbox = app.Services.GetRequiredService<Outbox>();
        await using var elsewhere = NpgsqlDataSource.Create(await CreateDatabaseAsync());
        await using var foreign = await elsewhere.OpenConnectionAsync(Stop);
        await using var other = await foreign.BeginTransactionAsync(Stop);
        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using var over = await connection.BeginTransactionAsync(Stop);
        await over.CommitAsync(Stop);

        (await Should.ThrowAsync<ConfigurationException>(() => outbox.PublishAsync(new Placed("tea", 1), other, Stop))).Code.ShouldBe("MST2105");
        (await Should.ThrowAsync<ConfigurationException>(() => outbox.PublishAsync(new Placed("tea", 1), over, Stop))).Code.ShouldBe("MST2105");
    }

    [Fact]
    public async Task An_undeclared_event_is_refused()
    {
        await using var app = await StartAsync(Count);

        (await Should.ThrowAsync<ConfigurationException>(() => PublishAsync(app, new Counted("tea")))).Code.ShouldBe("MST2101");
    }

    [Fact]
    public async Task A_start_reports_all_mistakes_of_the_declarations()
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { EnvironmentName = "Development" });
        builder.Services.AddLogging().AddOutbox(outbox =>
        {
            outbox.Event<Placed>("order.placed");
            outbox.Event<Counted>("order.placed");
            outbox.On("count", (Seen seen, UnitOfWork work) => { });
            outbox.On("count", (Placed placed) => { });
        }, new QueueOptions { ConnectionString = ConnectionString });
        using var host = builder.Build();

        var mistakes = await Should.ThrowAsync<ConfigurationException>(() => host.StartAsync(Stop));

        mistakes.Message.ShouldContain("MST2102: Event 'order.placed'");
        mistakes.Message.ShouldContain("MST2101: Seen is not declared");
        mistakes.Message.ShouldContain("MST1002: The handler of subscription 'count' must take");
        mistakes.Message.ShouldContain("MST2102: Subscription 'count'");
    }

    private static void Count(OutboxBuilder outbox)
    {
        outbox.Event<Placed>("order.placed");
        outbox.On("count", CountAsync);
    }

    private static async Task CountAsync(Placed placed, UnitOfWork work) =>
        await work.ExecuteAsync($"insert into counts values ({placed.Product}, {placed.Quantity}) on conflict (product) do update set sold = counts.sold + excluded.sold");

    private Task<PlainApplication> StartAsync(Action<OutboxBuilder> declare, QueueOptions? options = null) =>
        PlainApplication.StartAsync(ConnectionString, services => services.AddOutbox(declare, options ?? new QueueOptions { PollInterval = TimeSpan.FromMilliseconds(100) }));

    private async Task PublishAsync<T>(PlainApplication app, T @event, bool commits = true) where T : class
    {
        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using var transaction = await connection.BeginTransactionAsync(Stop);
        await connection.ExecuteAsync("select 1", transaction: transaction);
        await app.Services.GetRequiredService<Outbox>().PublishAsync(@event, transaction, Stop);
        if (commits)
            await transaction.CommitAsync(Stop);
    }

    private sealed record Placed(string Product, int Quantity);

    private sealed record Counted(string Product);

    private sealed class Seen
    {
        public TaskCompletionSource<string> Product { get; } = new();
    }
}
