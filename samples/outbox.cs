#!/usr/bin/env dotnet
#:sdk Microsoft.NET.Sdk.Web
#:project ../src/Mainstay
#:package Npgsql.EntityFrameworkCore.PostgreSQL

// An outbox in an ordinary ASP.NET Core application with Entity Framework Core. Of Mainstay it uses this one block, and a database to try it on.

using System.ComponentModel.DataAnnotations;
using Mainstay;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;

var builder = WebApplication.CreateBuilder(args);
await using var postgres = await PrivatePostgres.StartAsync(builder);

builder.Services.AddDbContext<ShopContext>(options => options.UseNpgsql(postgres.ConnectionString));
builder.Services.AddOutbox(outbox =>
{
    outbox.Event<OrderPlaced>("order.placed");

    // Once for every order: the count and the end of the message are one commit.
    outbox.On("count units", (OrderPlaced placed, UnitOfWork work) => work.ExecuteAsync($"""
        insert into "Units" ("Product", "Sold") values ({placed.Product}, {placed.Quantity}) on conflict ("Product") do update set "Sold" = "Units"."Sold" + excluded."Sold"
        """))
        .InOrderOf((OrderPlaced placed) => placed.Product);
});

var app = builder.Build();
await using (var scope = app.Services.CreateAsyncScope())
    await scope.ServiceProvider.GetRequiredService<ShopContext>().Database.EnsureCreatedAsync();

app.MapPost("/orders", async (PlaceOrder input, ShopContext shop, Outbox outbox) =>
{
    await using var transaction = await shop.Database.BeginTransactionAsync();
    var order = shop.Orders.Add(new Order { Product = input.Product, Quantity = input.Quantity }).Entity;
    await shop.SaveChangesAsync();

    // Row and message in one commit: there is never one without the other.
    await outbox.PublishAsync(new OrderPlaced(order.Id, input.Product, input.Quantity), transaction.GetDbTransaction());
    await transaction.CommitAsync();
    outbox.Wake();
    return Results.Created($"/orders/{order.Id}", null);
});

app.MapGet("/units", (ShopContext shop) => shop.Units.OrderBy(units => units.Product).Take(100).ToListAsync());

await app.StartAsync();
Console.WriteLine($$"""

    {{postgres.Description}}
    Place an order, and see that the subscription counted it:

      curl -i {{app.Urls.First()}}/orders --json '{"product":"tea","quantity":2}'
      curl {{app.Urls.First()}}/units

    """);
await app.WaitForShutdownAsync();

record PlaceOrder(string Product, int Quantity);
record OrderPlaced(long OrderId, string Product, int Quantity);

class Order
{
    public long Id { get; set; }
    public required string Product { get; set; }
    public int Quantity { get; set; }
}

class Units
{
    [Key]
    public required string Product { get; set; }
    public long Sold { get; set; }
}

class ShopContext(DbContextOptions<ShopContext> options) : DbContext(options)
{
    public DbSet<Order> Orders => Set<Order>();
    public DbSet<Units> Units => Set<Units>();
}
