namespace Mainstay.Tests;

public sealed class RecorderTests
{
    private static readonly Product tea = new(Id<Product>.New(), "TEA", "Tea", 4.5m, 10);

    [Fact]
    public async Task What_was_published_enqueued_and_done_is_there_typed_and_in_order()
    {
        await using var shop = await TestBackend.StartAsync(() => Shop.Declare());
        await shop.WorkAsync(work => { work.Insert(tea); return Task.CompletedTask; });
        var first = (await shop.As("ann", "customer").PostAsync("/v1/orders", new PlaceOrder(tea.Id, 1))).Expect(201).Read<Order>();
        var second = (await shop.As("bob", "customer").PostAsync("/v1/orders", new PlaceOrder(tea.Id, 2))).Expect(201).Read<Order>();
        await shop.DrainAsync();

        shop.Published<OrderPlaced>().ShouldBe([new OrderPlaced(first.Id, tea.Id, 1), new OrderPlaced(second.Id, tea.Id, 2)]);
        shop.Enqueued<AskForReview>().ShouldBe([new AskForReview(first.Id), new AskForReview(second.Id)]);
        shop.Applied("count units sold").Select(work => (work.Input, work.Attempt)).ShouldBe([(new OrderPlaced(first.Id, tea.Id, 1), 1), (new OrderPlaced(second.Id, tea.Id, 2), 1)], ignoreOrder: true);
        shop.Applied("ask-for-review").ShouldBeEmpty();

        shop.ForgetRecords();
        await shop.PassAsync(TimeSpan.FromDays(8));
        shop.Published<OrderPlaced>().ShouldBeEmpty();
    }

    [Fact]
    public async Task What_was_rolled_back_is_not_there_and_what_plain_SQL_enqueued_is()
    {
        await using var shop = await TestBackend.StartAsync(() => Shop.Declare());
        await Should.ThrowAsync<InvalidOperationException>(() => shop.WorkAsync(Task (work) =>
        {
            work.Enqueue(new AskForReview(Id<Order>.New()));
            throw new InvalidOperationException("Rolled back.");
        }));
        var id = Id<Order>.New();
        await using (var command = shop.Database.CreateCommand($"select mainstay.enqueue('ask-for-review', json_build_object('orderId', '{id}'), after => '1 day')"))
            await command.ExecuteScalarAsync(TestContext.Current.CancellationToken);

        shop.Enqueued<AskForReview>().ShouldBe([new AskForReview(id)]);
    }

    [Fact]
    public async Task The_attempt_that_did_it_is_told()
    {
        var runs = 0;
        await using var shop = await TestBackend.StartAsync(() =>
        {
            var backend = Shop.Declare();
            backend.Job<Attempted>("attempted", (Attempted job, UnitOfWork work) => ++runs < 3 ? throw new InvalidOperationException("Not yet.") : Task.CompletedTask).Retry(5);
            return backend;
        });
        await shop.WorkAsync(work => { work.Enqueue(new Attempted(7)); return Task.CompletedTask; });

        await shop.PassAsync(TimeSpan.FromMinutes(10));

        shop.Applied("attempted").Select(work => (work.Input, work.Attempt)).ShouldBe([(new Attempted(7), 3)]);
    }

    [Fact]
    public async Task A_question_about_something_that_is_not_declared_is_refused()
    {
        await using var shop = await TestBackend.StartAsync(() => Shop.Declare());

        Should.Throw<InvalidOperationException>(() => shop.Enqueued<PlaceOrder>()).Message.ShouldContain("PlaceOrder is not declared as a job");
        Should.Throw<InvalidOperationException>(() => shop.Published<PlaceOrder>()).Message.ShouldContain("Nobody subscribes to PlaceOrder");
        Should.Throw<ArgumentException>(() => shop.Applied("count unit sold")).Message.ShouldContain("Did you mean 'count units sold'?");
    }
}
