using System.ComponentModel.DataAnnotations;

namespace Mainstay.Tests;

/// <summary>The application under test: what a user of the kit has, in small.</summary>
public static class Shop
{
    public static readonly Policy Customer = Policy.Role("customer");
    public static readonly Policy Staff = Policy.Role("staff");

    public static Backend Declare(params string[] args)
    {
        var shop = Backend.Create("shop", args);
        var outOfStock = shop.Problem("out-of-stock", 409, "Not enough stock");
        shop.Resource<Product>("/v1/products").Unique(product => product.Sku).Filterable(product => product.Price).AllowRead(Policy.Anyone).AllowWrite(Staff);
        shop.Resource<Order>("/v1/orders").BelongsTo(order => order.ProductId).AllowRead(Policy.For<Order>((order, user) => order.CustomerId == user.Id) | Staff);

        shop.Command("POST /v1/orders", async (PlaceOrder input, UnitOfWork work) =>
        {
            var product = await work.LockAsync(input.ProductId);
            if (product.Stock < input.Quantity)
                throw outOfStock.Because($"{product.Stock} left, {input.Quantity} ordered.");
            var order = new Order(Id<Order>.New(), work.User.Id, product.Id, input.Quantity, product.Price * input.Quantity, work.Now);
            work.Update(product with { Stock = product.Stock - input.Quantity });
            work.Insert(order);
            work.Publish(new OrderPlaced(order.Id, product.Id, order.Quantity));
            work.Enqueue(new AskForReview(order.Id), after: TimeSpan.FromDays(7));
            return order;
        }).Allow(Customer).Refuses(outOfStock);

        shop.Event<OrderPlaced>("order.placed");
        shop.On("count units sold", async (OrderPlaced placed, UnitOfWork work) =>
        {
            var product = await work.LockAsync(placed.ProductId);
            work.Update(product with { Sold = product.Sold + placed.Quantity });
        });
        shop.Job<AskForReview>("ask-for-review", async (AskForReview job, UnitOfWork work) =>
        {
            var order = await work.LockAsync(job.OrderId);
            work.Update(order with { IsReviewAsked = true });
        });
        return shop;
    }
}

public sealed record Product(Id<Product> Id, [property: MaxLength(40)] string Sku, [property: MaxLength(200)] string Name, [property: Range(0, 100_000)] decimal Price, [property: Range(0, 1_000_000)] int Stock, int Sold = 0);

public sealed record Order(Id<Order> Id, string CustomerId, Id<Product> ProductId, int Quantity, decimal Total, DateTimeOffset PlacedAt, bool IsReviewAsked = false);

public sealed record PlaceOrder(Id<Product> ProductId, [property: Range(1, 100)] int Quantity);

public sealed record OrderPlaced(Id<Order> OrderId, Id<Product> ProductId, int Quantity);

public sealed record AskForReview(Id<Order> OrderId);
