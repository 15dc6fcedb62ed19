using System.ComponentModel.DataAnnotations;
using Mainstay.Tests;

// The application that the crash tests kill: samples/shop.cs without what they do not need, and with a marker in each order that says which
// request made it.
var shop = Backend.Create("shop", args);

var customer = Policy.Role("customer");
var outOfStock = shop.Problem("out-of-stock", 409, "Not enough stock");

shop.Resource<Product>("/v1/products").Unique(product => product.Sku).ReadOnly(product => product.Sold).AllowRead(Policy.Anyone);
shop.Resource<Order>("/v1/orders").BelongsTo(order => order.ProductId).AllowRead(customer);

async Task<Order> PlaceAsync(PlaceOrder input, UnitOfWork work)
{
    var product = await work.LockAsync(input.ProductId);
    if (product.Stock < input.Quantity)
        throw outOfStock.Because($"{product.Stock} of '{product.Sku}' left, {input.Quantity} ordered.");

    var order = new Order(Id<Order>.New(), product.Id, input.Quantity, input.Marker, work.Now);
    work.Update(product with { Stock = product.Stock - input.Quantity });
    work.Insert(order);
    work.Publish(new OrderPlaced(order.Id, product.Id, order.Quantity));
    return order;
}

shop.Command("POST /v1/orders", PlaceAsync).Allow(customer).Refuses(outOfStock);
shop.Command("POST /v1/orders/later", PlaceAsync).Allow(customer).Refuses(outOfStock).LongRunning();

// Refuses at the very moment at which the database stops answering, so that the refusal cannot be kept under the request's key.
shop.Command("POST /v1/refusals", async (Refuse input, UnitOfWork work) =>
    {
        await work.LockAsync(input.ProductId);
        ServerProcesses.Of(input.DataFolder).Signal(Signals.Stop);
        throw outOfStock.Because("Refused by request.");
    })
    .Allow(customer).Refuses(outOfStock).Timeout(TimeSpan.FromSeconds(2));

shop.Event<OrderPlaced>("order.placed");
shop.On("count units sold", async (OrderPlaced placed, UnitOfWork work) =>
{
    var product = await work.LockAsync(placed.ProductId);
    work.Update(product with { Sold = product.Sold + placed.Quantity });
});

// One product in four runs out, so that refusals are among the answers that have to survive.
shop.Seed("products", work =>
{
    for (var i = 1; i <= 24; i++)
    {
        var stock = i % 4 == 0 ? 50 : 1_000_000;
        work.Insert(new Product(Id<Product>.New(), $"SKU-{i:00}", stock, 0, stock));
    }
    return Task.CompletedTask;
});

return await shop.RunAsync();

internal sealed record Product(Id<Product> Id, [MaxLength(40)] string Sku, [Range(0, 1_000_000)] int Stock, int Sold, int Initial);
internal sealed record Order(Id<Order> Id, Id<Product> ProductId, int Quantity, [MaxLength(100)] string Marker, DateTimeOffset PlacedAt);
internal sealed record PlaceOrder(Id<Product> ProductId, [Range(1, 100)] int Quantity, [MaxLength(100)] string Marker);
internal sealed record Refuse(Id<Product> ProductId, [MaxLength(400)] string DataFolder);
internal sealed record OrderPlaced(Id<Order> OrderId, Id<Product> ProductId, int Quantity);
