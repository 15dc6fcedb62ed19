using System.ComponentModel.DataAnnotations;

namespace Mainstay.Benchmarks;

/// <summary>The server under test: products and orders much like those of samples/shop.cs, as production runs them.</summary>
internal static class ShopServer
{
    /// <summary>The same command, whose calls are committed together.</summary>
    public const string CoalescedOrders = "/v1/coalesced-orders";

    public static Task<int> RunAsync(string[] settings, Action<Backend>? change = null)
    {
        var shop = Backend.Create("shop", settings);
        BenchmarkSignIn.AddTo(shop);
        // The machine is alone, so everyone may read and fill the shop. Orders come from a caller who is known, because keys belong to callers.
        shop.Resource<Product>("/v1/products")
            .Unique(product => product.Sku)
            .Filterable(product => product.Category, product => product.Price)
            .Sortable(product => product.Name, product => product.Price)
            .AllowRead(Policy.Anyone)
            .AllowWrite(Policy.Anyone);
        shop.Resource<Order>("/v1/orders")
            .BelongsTo(order => order.ProductId)
            .AllowRead(Policy.Anyone);
        shop.Command("POST /v1/orders", Place).Allow(Policy.SignedIn);
        shop.Command($"POST {CoalescedOrders}", Place).Allow(Policy.SignedIn).Coalesce();
        shop.Event<OrderPlaced>("order.placed");
        shop.On("see order", (OrderPlaced placed, UnitOfWork work) => Task.CompletedTask);
        shop.Query($"GET {AllocatedBytes.Path}", (Snapshot snapshot) => Task.FromResult(AllocatedBytes.Now())).Allow(Policy.Anyone);
        change?.Invoke(shop);
        return shop.RunAsync();
    }

    private static Order Place(PlaceOrder input, UnitOfWork work)
    {
        var order = new Order(Id<Order>.New(), work.User.Id, input.ProductId, input.Quantity, input.Total, work.Now);
        work.Insert(order);
        work.Publish(new OrderPlaced(order.Id, order.ProductId, order.Quantity, order.Total));
        return order;
    }
}

internal sealed record Product(Id<Product> Id, [MaxLength(40)] string Sku, [MaxLength(200)] string Name, [MaxLength(40)] string Category, [Range(0, 100_000)] decimal Price, [Range(0, 1_000_000)] int Stock, int Sold);

internal sealed record Order(Id<Order> Id, string CustomerId, Id<Product> ProductId, int Quantity, decimal Total, DateTimeOffset PlacedAt);

internal sealed record PlaceOrder(Id<Product> ProductId, [Range(1, 100)] int Quantity, [Range(0, 1_000_000)] decimal Total);

internal sealed record OrderPlaced(Id<Order> OrderId, Id<Product> ProductId, int Quantity, decimal Total);
