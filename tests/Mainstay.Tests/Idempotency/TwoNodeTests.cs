namespace Mainstay.Tests;

/// <summary>Two nodes of one application on one database.</summary>
public sealed class TwoNodeFixture(PostgresFixture postgres) : IAsyncLifetime
{
    internal TestBackend First { get; private set; } = null!;

    internal TestBackend Second { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        var database = await postgres.CreateDatabaseAsync();
        First = await TestBackend.StartAsync(database, Shop.Declare);
        Second = await TestBackend.StartAsync(database, Shop.Declare);
    }

    public async ValueTask DisposeAsync()
    {
        if (First is not null)
            await First.DisposeAsync();
        if (Second is not null)
            await Second.DisposeAsync();
    }
}

public sealed class TwoNodeTests(TwoNodeFixture nodes) : IClassFixture<TwoNodeFixture>
{
    private static Caller Staff(TestBackend node) => node.User("sam", "staff");

    [Fact]
    public async Task Twelve_identical_requests_to_two_nodes_are_one_row_and_one_answer()
    {
        for (var round = 0; round < 10; round++)
        {
            var product = Shop.Product();

            var replies = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => Staff(i % 2 == 0 ? nodes.First : nodes.Second).PostAsync("/v1/products", product, $"Idempotency-Key: both-{round}")));

            replies.ShouldAllBe(reply => reply.Status == 201);
            replies.Select(reply => (reply.Text, reply.Id, reply.ETag, reply.Header("Location"), reply.Header("Content-Type"))).Distinct().ShouldHaveSingleItem();
            replies.Count(reply => reply.Header("Idempotency-Replayed") is null).ShouldBe(1);
            (await nodes.First.CountAsync($"products where sku = '{product["sku"]}'")).ShouldBe(1);
        }
    }

    [Fact]
    public async Task A_lock_taken_on_one_node_makes_the_duplicate_on_the_other_wait_and_sells_once()
    {
        var product = (await Staff(nodes.First).PostAsync("/v1/products", Shop.Product(("stock", 1)))).Expect(201).Id;

        var replies = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => (i % 2 == 0 ? nodes.First : nodes.Second).User("ann").PostAsync("/v1/orders/place", new { productId = product, quantity = 1 }, "Idempotency-Key: one-left")));

        replies.Select(reply => reply.Expect(201).Text).Distinct().ShouldHaveSingleItem();
        (await nodes.First.CountAsync($"orders where product_id = (select id from products where stock = 0 and sku = (select sku from products where id = orders.product_id)) and owner_id = 'ann'")).ShouldBe(1);
    }

    [Fact]
    public async Task A_refusal_of_one_node_is_repeated_by_the_other_and_a_key_used_there_is_used_here()
    {
        var product = (await Staff(nodes.First).PostAsync("/v1/products", Shop.Product(("stock", 1)))).Expect(201).Id;
        var order = new { productId = product, quantity = 2 };

        var refused = (await nodes.First.User("ann").PostAsync("/v1/orders/place", order, "Idempotency-Key: refused")).Expect(409, "out-of-stock");
        (await Staff(nodes.Second).PatchAsync("/v1/products/" + product, """{"stock":9}""")).Expect(200);

        (await nodes.Second.User("ann").PostAsync("/v1/orders/place", order, "Idempotency-Key: refused")).Expect(409, "out-of-stock").Text.ShouldBe(refused.Text);
        (await nodes.Second.User("ann").PostAsync("/v1/orders/place", new { productId = product, quantity = 1 }, "Idempotency-Key: refused")).Expect(422, "idempotency-key-reused");
    }
}
