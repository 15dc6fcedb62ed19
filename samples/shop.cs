#!/usr/bin/env dotnet
#:sdk Microsoft.NET.Sdk.Web
#:project ../src/Mainstay

using System.ComponentModel.DataAnnotations;
using Mainstay;
using static System.TimeSpan;

var shop = Backend.Create("shop", args);

// Who may do what. Nothing is reachable until a declaration below allows it.
var customer = Policy.Role("customer");
var staff = Policy.Role("staff");
var owner = Policy.For<Order>((order, user) => order.CustomerId == user.Id);   // also the WHERE clause of every list

var outOfStock = shop.Problem("out-of-stock", 409, "Not enough stock");
var notOpen = shop.Problem("order-not-open", 409, "The order can no longer be cancelled");

// A resource is a table with typed ids, served as REST. Access patterns give the filters, the sorts, and the indexes.
shop.Resource<Product>("/v1/products")
    .Unique(product => product.Sku)
    .Filterable(product => product.Category, product => product.Price)
    .Sortable(product => product.Name, product => product.Price)
    .ReadOnly(product => product.Sold)
    .AllowRead(Policy.Anyone)
    .AllowWrite(staff);

shop.Resource<Customer>("/v1/customers")
    .Unique(person => person.Email)
    .AllowRead(staff)
    .AllowWrite(staff);

shop.Resource<Order>("/v1/orders")
    .BelongsTo(order => order.ProductId)
    .Filterable(order => order.Status)
    .Sortable(order => order.PlacedAt)
    .AllowRead(owner | staff);

// A command is one transaction: rows, idempotency record, audit entries and outgoing messages commit together.
// Returning commits; throwing rolls back.
shop.Command("POST /v1/orders", async (PlaceOrder input, UnitOfWork work) =>
    {
        var product = await work.LockAsync(input.ProductId);
        if (product.Stock < input.Quantity)
            throw outOfStock.Because($"{product.Stock} of '{product.Name}' left, {input.Quantity} ordered.");

        var order = new Order(Id<Order>.New(), work.User.Id, product.Id, input.Quantity, product.Price * input.Quantity, OrderStatus.Placed, work.Now);
        work.Update(product with { Stock = product.Stock - input.Quantity });
        work.Insert(order);
        work.Publish(new OrderPlaced(order.Id, product.Id, order.Quantity, order.Total));
        return order;
    })
    .Allow(customer).Refuses(outOfStock).Sends<OrderPlaced>();

shop.Command("POST /v1/orders/{id}/cancel", async (CancelOrder input, UnitOfWork work) =>
    {
        var order = await work.LockAsync(input.Id, owner | staff);      // for anybody else it does not exist
        if (order.Status != OrderStatus.Placed)
            throw notOpen.Because("It has been shipped or cancelled already.");

        var product = await work.LockAsync(order.ProductId);
        work.Update(product with { Stock = product.Stock + order.Quantity });
        var cancelled = order with { Status = OrderStatus.Cancelled };
        work.Update(cancelled);
        return cancelled;
    })
    .Allow(customer | staff).Refuses(notOpen);

// A query reads a snapshot. Values in $"…" become parameters.
shop.Query("GET /v1/reports/sales", (SalesReport input, Snapshot snapshot) =>
        snapshot.QueryAsync<SalesDay>($"""
            select date_trunc('day', placed_at) as day, count(*) as orders, sum(total) as revenue
            from orders
            where status <> 'cancelled' and placed_at >= {input.From} and placed_at < {input.To}
            group by 1 order by 1 limit 400
            """))
    .Allow(staff)
    .Timeout(FromSeconds(2));

// Events are stored, so their names are written by hand. The effect of a subscription is applied once.
shop.Event<OrderPlaced>("order.placed");
shop.On("count units sold", async (OrderPlaced placed, UnitOfWork work) =>
{
    var product = await work.LockAsync(placed.ProductId);
    work.Update(product with { Sold = product.Sold + placed.Quantity });
});

// What leaves the process happens at least once, after the commit, and with a key by which the other side knows it again.
shop.On("send receipt", (OrderPlaced placed, Outbound outbound) =>
        SendMailAsync($"{placed.Quantity} ordered, {placed.Total} to pay. Order {placed.OrderId}.", outbound.Key, outbound.Cancellation))
    .Retry(8).GiveUpAfter(FromHours(24));

// On a schedule: in one transaction too, and once, however many nodes there are. A night in which none was there is made up for.
shop.Job("reorder low stock", Schedule.Cron("0 6 * * *", timeZone: "Europe/Berlin"), async (UnitOfWork work) =>
{
    foreach (var id in await work.QueryAsync<Id<Product>>($"select id from products where stock < 20 order by id limit 100"))
    {
        var product = await work.LockAsync(id);
        if (product.Stock < 20)
            work.Update(product with { Stock = product.Stock + 100 });
    }
});

shop.Seed("products", Seed);

return await shop.RunAsync();

static Task Seed(UnitOfWork work)
{
    var random = new Random(1);
    string[] categories = ["tea", "coffee", "cocoa"], origins = ["Assam", "Yirgacheffe", "Uji", "Huila", "Darjeeling", "Sidamo", "Keemun", "Antigua"];
    for (var i = 1; i <= 3000; i++)
        work.Insert(new Product(Id<Product>.New(), $"SKU-{i:00000}", $"{origins[random.Next(origins.Length)]} {categories[i % 3]} no. {i}", categories[i % 3], random.Next(300, 9000) / 100m, random.Next(10, 500), 0));
    return Task.CompletedTask;
}

// Stands for a mail service, which sends nothing twice under one key.
static Task SendMailAsync(string text, string key, CancellationToken cancellation) => Console.Out.WriteLineAsync($"Mail {key}: {text}".AsMemory(), cancellation);

enum OrderStatus { Placed, Shipped, Cancelled }
record Product(Id<Product> Id, [MaxLength(40)] string Sku, [MaxLength(200)] string Name, [MaxLength(40)] string Category, [Range(0, 100_000)] decimal Price, [Range(0, 1_000_000)] int Stock, int Sold);
record Customer(Id<Customer> Id, [MaxLength(200)] string Name, [EmailAddress, MaxLength(200)] string Email);
record Order(Id<Order> Id, string CustomerId, Id<Product> ProductId, int Quantity, decimal Total, OrderStatus Status, DateTimeOffset PlacedAt);
record PlaceOrder(Id<Product> ProductId, [Range(1, 100)] int Quantity);
record CancelOrder(Id<Order> Id);
record SalesReport(DateTimeOffset From, DateTimeOffset To);
record SalesDay(DateTimeOffset Day, long Orders, decimal Revenue);
record OrderPlaced(Id<Order> OrderId, Id<Product> ProductId, int Quantity, decimal Total);
