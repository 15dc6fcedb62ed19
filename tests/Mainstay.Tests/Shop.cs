using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;

namespace Mainstay.Tests;

public enum OrderStatus { Placed, InDelivery, Cancelled }

public record Product(Id<Product> Id, [MaxLength(40)] string Sku, [MaxLength(200)] string Name, [MaxLength(40)] string Category, [Range(0, 100_000)] decimal Price, [Range(0, 1_000_000)] int Stock, int Sold, string? Note = null, JsonElement? Attributes = null);

public record Customer(Id<Customer> Id, [MaxLength(200), MinLength(2)] string Name, [EmailAddress, MaxLength(200)] string Email, [MaxLength(2)] string Country, [MaxLength(20)] string TaxNumber);

public record Order(Id<Order> Id, string OwnerId, Id<Product> ProductId, Id<Customer>? CustomerId, [Range(1, 100)] int Quantity, OrderStatus Status, DateTimeOffset PlacedAt);

public record Line(Id<Line> Id, Id<Order> OrderId, string OwnerId, [MaxLength(100)] string Text, int Number);

public record Everything(
    Id<Everything> Id, string Text, bool Flag, short Small, int Number, long Big, decimal Amount, double Ratio, float Share, Guid Token, OrderStatus State, DateTimeOffset At, DateOnly Day,
    TimeOnly Time, TimeSpan Length, byte[] Bytes, JsonElement Document, Id<Product>? ProductId = null, string? MaybeText = null, int? MaybeNumber = null, DateTimeOffset? MaybeAt = null,
    OrderStatus? MaybeState = null, decimal? MaybeAmount = null, byte[]? MaybeBytes = null, JsonElement? MaybeDocument = null, string Origin = "nowhere");

public record Secret(Id<Secret> Id, string OwnerId, string Text);

public record PlaceOrder(Id<Product> ProductId, [Range(1, 100)] int Quantity);

public record OrderPlaced(Id<Order> OrderId, Id<Product> ProductId, int Quantity);

/// <summary>A small shop with everything that resources can have. Products are public, orders belong to their owner, secrets have no route to read them.</summary>
internal static class Shop
{
    public static readonly Policy Staff = Policy.Role("staff");

    public static void Declare(Backend shop)
    {
        TestSignIn.AddTo(shop);
        var outOfStock = shop.Problem("out-of-stock", 409, "Not enough stock");

        shop.Resource<Product>("/v1/products")
            .Unique(product => product.Sku)
            .Filterable(product => product.Category, product => product.Price, product => product.Note)
            .Sortable(product => product.Name, product => product.Price, product => product.Category)
            .ReadOnly(product => product.Sold)
            .AllowRead(Policy.Anyone).AllowWrite(Staff);
        shop.Resource<Customer>("/v1/customers")
            .Unique(customer => customer.Email)
            .Unique(customer => new { customer.Country, customer.TaxNumber })
            .RequireIfMatch()
            .AllowRead(Staff).AllowWrite(Staff);
        shop.Resource<Order>("/v1/orders")
            .BelongsTo(order => order.ProductId)
            .BelongsTo(order => order.CustomerId!.Value)
            .Filterable(order => order.Status, order => order.Quantity)
            .Sortable(order => order.PlacedAt)
            .AllowRead(Policy.For<Order>((order, user) => order.OwnerId == user.Id) | Staff)
            .AllowWrite(Policy.For<Order>((order, user) => order.OwnerId == user.Id) | Staff);
        shop.Resource<Line>("/v1/lines")
            .BelongsTo(line => line.OrderId, included: 2)
            .AllowRead(Policy.For<Line>((line, user) => line.OwnerId == user.Id) | Staff)
            .AllowWrite(Policy.For<Line>((line, user) => line.OwnerId == user.Id) | Staff);
        shop.Resource<Everything>("/v1/everything")
            .Filterable(row => row.Text, row => row.Flag, row => row.Small, row => row.Number, row => row.Big, row => row.Amount, row => row.Ratio, row => row.Share, row => row.Token, row => row.State,
                row => row.At, row => row.Day, row => row.Time, row => row.Length, row => row.ProductId, row => row.MaybeText, row => row.MaybeNumber, row => row.MaybeState)
            .Sortable(row => row.Text, row => row.Small, row => row.Number, row => row.Big, row => row.Amount, row => row.Ratio, row => row.Share, row => row.Token, row => row.State, row => row.At,
                row => row.Day, row => row.Time, row => row.Length)
            .AllowRead(Policy.Anyone).AllowWrite(Policy.Anyone);
        shop.Resource<Secret>("/v1/secrets").AllowCreate(Policy.SignedIn).AllowUpdate(Policy.For<Secret>((secret, user) => secret.OwnerId == user.Id));

        shop.Event<OrderPlaced>("order.placed");
        shop.On("count units sold", async (OrderPlaced placed, UnitOfWork work) =>
        {
            var product = await work.LockAsync(placed.ProductId);
            work.Update(product with { Sold = product.Sold + placed.Quantity });
        });
        shop.Command("POST /v1/orders/place", async (PlaceOrder input, UnitOfWork work) =>
        {
            var product = await work.LockAsync(input.ProductId);
            if (product.Stock < input.Quantity)
                throw outOfStock.Because($"{product.Stock} left.");
            var order = new Order(Id<Order>.New(), work.User.Id, product.Id, null, input.Quantity, OrderStatus.Placed, work.Now);
            work.Update(product with { Stock = product.Stock - input.Quantity });
            work.Insert(order);
            work.Publish(new OrderPlaced(order.Id, product.Id, order.Quantity));
            return order;
        }).Allow(Policy.SignedIn).Refuses(outOfStock);
        shop.Command("POST /v1/orders/note", (PlaceOrder input, UnitOfWork work) =>
        {
            var order = new Order(Id<Order>.New(), work.User.Id, input.ProductId, null, input.Quantity, OrderStatus.Placed, work.Now);
            work.Insert(order);
            work.Publish(new OrderPlaced(order.Id, input.ProductId, 0));
            return order;
        }).Allow(Policy.SignedIn);
    }

    private static int _number;

    /// <summary>A product that differs from all others.</summary>
    public static Dictionary<string, object?> Product(params (string Name, object? Value)[] changes)
    {
        var number = Interlocked.Increment(ref _number);
        var product = new Dictionary<string, object?> { ["sku"] = $"SKU-{number}", ["name"] = $"Tea {number}", ["category"] = "tea", ["price"] = 4.5m, ["stock"] = 10 };
        foreach (var (name, value) in changes)
            product[name] = value;
        return product;
    }

    public static Dictionary<string, object?> Customer(params (string Name, object? Value)[] changes)
    {
        var number = Interlocked.Increment(ref _number);
        var customer = new Dictionary<string, object?> { ["name"] = "Ada", ["email"] = $"ada{number}@example.com", ["country"] = "GB", ["taxNumber"] = $"T{number}" };
        foreach (var (name, value) in changes)
            customer[name] = value;
        return customer;
    }

    public static Dictionary<string, object?> Everything(params (string Name, object? Value)[] changes)
    {
        var row = new Dictionary<string, object?>
        {
            ["text"] = "a", ["flag"] = true, ["small"] = 1, ["number"] = 2, ["big"] = 3, ["amount"] = 1.5m, ["ratio"] = 0.5, ["share"] = 0.25, ["token"] = "01890a5d-ac96-774b-bcce-b302099a8057",
            ["state"] = "placed", ["at"] = "2026-01-31T09:30:00Z", ["day"] = "2026-01-31", ["time"] = "09:30:00", ["length"] = "PT1H30M", ["bytes"] = "AAEC", ["document"] = new { a = 1 },
        };
        foreach (var (name, value) in changes)
            row[name] = value;
        return row;
    }
}

/// <summary>The shop on a database of its own, for one test class.</summary>
public sealed class ShopFixture(PostgresFixture postgres) : IAsyncLifetime
{
    internal TestBackend Backend { get; private set; } = null!;

    internal Caller Staff => Backend.User("sam", "staff");

    internal Caller Ann => Backend.User("ann", "customer");

    internal Caller Bob => Backend.User("bob", "customer");

    internal Caller User(string id, params string[] roles) => Backend.User(id, roles);

    internal Caller Anyone => Backend.Anonymous;

    public async ValueTask InitializeAsync() => Backend = await TestBackend.StartAsync(await postgres.CreateDatabaseAsync() + ";Application Name=test-app", Shop.Declare);

    internal async Task<string> ProductAsync(params (string Name, object? Value)[] changes) => (await Staff.PostAsync("/v1/products", Shop.Product(changes))).Expect(201).Id;

    internal async Task<string> OrderAsync(Caller caller, string owner, string? product = null, string? customer = null) => (await caller.PostAsync("/v1/orders", new
    {
        ownerId = owner, productId = product ?? await ProductAsync(), customerId = customer, quantity = 1, status = "placed", placedAt = "2026-01-31T09:30:00Z",
    })).Expect(201).Id;

    /// <summary>How many entries the audit has, when no event of an earlier order is still being counted.</summary>
    internal async Task<long> AuditedAsync()
    {
        await Backend.UntilAsync("select count(*) = 0 from mainstay.jobs");
        return await Backend.CountAsync("mainstay.audit");
    }

    public ValueTask DisposeAsync() => Backend?.DisposeAsync() ?? ValueTask.CompletedTask;
}
