using Shop.Ordering;

namespace Shop.Tests;

public sealed class ShopTests
{
    private static readonly CheckOptions options = new()
    {
        Inputs = new Dictionary<string, Func<TestBackend, Task<object>>>
        {
            ["POST /v1/orders"] = async shop => new PlaceOrder((await shop.StockUpAsync(pieces: 10, price: 4.50m)).Id, 1, "Harbour Street 4"),
        },
    };

    /// <summary>Who may call, bad input, repeated requests: made from the declarations. Without the condition, all operations of all modules are checked.</summary>
    public static TheoryData<BackendCheck> Checks =>
        [.. BackendChecks.All(() => Application.Declare(), options).Where(check => check.Name.StartsWith("POST /v1/orders:", StringComparison.Ordinal))];

    [Theory, MemberData(nameof(Checks))]
    public async Task The_shop_keeps_what_every_backend_keeps(BackendCheck check)
    {
        await using var shop = await ShopSteps.OpenAsync();

        Assert.Null((await check.RunAsync(shop)).Skipped);
    }

    [Fact]
    public async Task More_than_there_is_cannot_be_ordered()
    {
        await using var shop = await ShopSteps.OpenAsync();
        var tea = await shop.StockUpAsync(pieces: 1, price: 4.50m);

        var reply = await shop.As("ann", "customer").PostAsync("/v1/orders", new PlaceOrder(tea.Id, 2, "Harbour Street 4"));

        Assert.Equal("out-of-stock", reply.Expect(409).Code);
        Assert.Equal(1, await shop.StockOfAsync(tea));
    }
}
