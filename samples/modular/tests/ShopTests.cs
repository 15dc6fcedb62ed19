using Shop.Ordering;

namespace Shop.Tests;

/// <summary>One shop for all tests of a class that need none of their own.</summary>
public sealed class OpenShop : IAsyncLifetime
{
    public TestBackend Shop { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Shop = await ShopSteps.OpenAsync();

    public ValueTask DisposeAsync() => Shop.DisposeAsync();
}

public sealed class ShopTests(OpenShop open) : IClassFixture<OpenShop>
{
    private static readonly CheckOptions options = new()
    {
        Inputs = new Dictionary<string, Func<TestBackend, Task<object>>>
        {
            ["POST /v1/orders"] = async shop => new PlaceOrder((await shop.StockUpAsync(pieces: 10, price: 4.50m)).Id, 1, "Harbour Street 4"),
        },
    };

    /// <summary>Who may call, bad input, repeated requests, statements when data grows: made from the declarations. Without the condition, all operations of all modules are checked.</summary>
    public static TheoryData<BackendCheck> Checks =>
        [.. BackendChecks.All(() => Application.Declare(), options).Where(check => check.Name.StartsWith("POST /v1/orders:", StringComparison.Ordinal))];

    [Theory, MemberData(nameof(Checks))]
    public async Task The_shop_keeps_what_every_backend_keeps(BackendCheck check)
    {
        Assert.Null((await check.RunAsync(open.Shop)).Skipped);
    }

    /// <summary>So that the database, too, shows whose they are, and can be told who may read what.</summary>
    [Fact]
    public async Task Each_module_keeps_its_tables_in_a_schema_of_its_own()
    {
        await using var command = open.Shop.Database.CreateCommand("select array_agg(schemaname || '.' || tablename order by schemaname) from pg_tables where schemaname in ('catalogue', 'ordering', 'fulfilment', 'public')");

        Assert.Equal(["catalogue.products", "fulfilment.deliveries", "ordering.orders"], (string[])(await command.ExecuteScalarAsync(TestContext.Current.CancellationToken))!);
    }

    [Fact]
    public async Task More_than_there_is_cannot_be_ordered()
    {
        var tea = await open.Shop.StockUpAsync(pieces: 1, price: 4.50m);

        var reply = await open.Shop.As("ann", "customer").PostAsync("/v1/orders", new PlaceOrder(tea.Id, 2, "Harbour Street 4"));

        Assert.Equal("out-of-stock", reply.Expect(409).Code);
        Assert.Equal(1, await open.Shop.StockOfAsync(tea));
    }
}
