using System.ComponentModel.DataAnnotations;
using Mainstay;
using Shop.Catalogue;

namespace Shop.Ordering;

public enum OrderStatus { Placed, Fulfilled, Cancelled }

public sealed record Order(Id<Order> Id, string CustomerId, Id<Product> ProductId, int Quantity, decimal Total, [property: MaxLength(200)] string Address, OrderStatus Status, DateTimeOffset PlacedAt);

public sealed record PlaceOrder(Id<Product> ProductId, [property: Range(1, 100)] int Quantity, [property: MaxLength(200)] string Address);

/// <summary>For whoever has to do something for a new order.</summary>
public sealed record OrderPlaced(Id<Order> OrderId, decimal Total, string Address);

/// <summary>For whoever has brought an order to its customer to say so.</summary>
public sealed record OrderFulfilled(Id<Order> OrderId);

/// <summary>For whoever gives up an order to say so: whatever was charged is refunded, and the customer gets no parcel.</summary>
public sealed record FulfilmentFailed(Id<Order> OrderId);

/// <summary>What customers want, and what became of it. The module knows nobody who fulfils: it declares what it tells them, and what it has to be told.</summary>
public static class OrderingModule
{
    public static void Declare(Backend shop, Stock stock)
    {
        shop.Event<OrderPlaced>("order.placed");
        shop.Event<OrderFulfilled>("order.fulfilled");
        shop.Event<FulfilmentFailed>("order.fulfilment-failed");

        shop.Schema("ordering").Resource<Order>("/v1/orders")
            .Filterable(order => order.Status)
            .Sortable(order => order.PlacedAt)
            .AllowRead(Policy.For<Order>((order, user) => order.CustomerId == user.Id) | Roles.Staff);

        shop.Command("POST /v1/orders", async (PlaceOrder input, UnitOfWork work) =>
            {
                var price = await stock.TakeAsync(work, input.ProductId, input.Quantity);
                var order = new Order(Id<Order>.New(), work.User.Id, input.ProductId, input.Quantity, price * input.Quantity, input.Address, OrderStatus.Placed, work.Now);
                work.Insert(order);
                work.Publish(new OrderPlaced(order.Id, order.Total, order.Address));
                return order;
            })
            .Allow(Roles.Customer).Refuses(stock.OutOfStock).Sends<OrderPlaced>();

        shop.On("close order", async (OrderFulfilled fulfilled, UnitOfWork work) =>
        {
            var order = await work.LockAsync(fulfilled.OrderId);
            work.Update(order with { Status = OrderStatus.Fulfilled });
        });

        shop.On("cancel order", async (FulfilmentFailed failed, UnitOfWork work) =>
        {
            var order = await work.LockAsync(failed.OrderId);
            work.Update(order with { Status = OrderStatus.Cancelled });
            await stock.PutBackAsync(work, order.ProductId, order.Quantity);
        });
    }
}
