#!/usr/bin/env dotnet
#:sdk Microsoft.NET.Sdk.Web
#:project ../src/Mainstay
#:package Npgsql.EntityFrameworkCore.PostgreSQL

// Idempotency keys in an ordinary ASP.NET Core application with EF Core. Of Mainstay it uses this one block, and a database to try it on.

using Mainstay;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;

var builder = WebApplication.CreateBuilder(args);
await using var postgres = await PrivatePostgres.StartAsync(builder);

builder.Services.AddDbContext<ShopContext>(options => options.UseNpgsql(postgres.ConnectionString));
builder.Services.AddIdempotency(new IdempotencyOptions
{
    // Nobody signs in here, so the caller says who it is. Leave this out, and the key belongs to the signed-in user.
    Scope = http => http.Request.Headers["Client"],
});

var app = builder.Build();
await using (var scope = app.Services.CreateAsyncScope())
    await scope.ServiceProvider.GetRequiredService<ShopContext>().Database.EnsureCreatedAsync();

app.MapPost("/orders", async (PlaceOrder input, ShopContext shop, Receipt receipt) =>
    {
        if (input.Quantity < 1)
            return Results.BadRequest("Order at least one.");

        await using var transaction = await shop.Database.BeginTransactionAsync();
        var order = new Order { Product = input.Product, Quantity = input.Quantity };
        shop.Orders.Add(order);
        await shop.SaveChangesAsync();

        // Order and receipt in one commit. A repetition never comes here: it is answered with what is committed now.
        return await receipt.CommitAsync(transaction.GetDbTransaction(), Results.Created($"/orders/{order.Id}", order));
    })
    .WithIdempotency();

app.MapGet("/orders", (ShopContext shop) => shop.Orders.OrderBy(order => order.Id).Take(100).ToListAsync());

await app.StartAsync();
Console.WriteLine($$"""

    {{postgres.Description}}
    Place an order twice; there will be one, and the second answer says 'Idempotency-Replayed: true':

      curl -i {{app.Urls.First()}}/orders -H 'Client: me' -H 'Idempotency-Key: "k-1"' --json '{"product":"tea","quantity":2}'
      curl -i {{app.Urls.First()}}/orders -H 'Client: me' -H 'Idempotency-Key: "k-1"' --json '{"product":"tea","quantity":2}'
      curl {{app.Urls.First()}}/orders

    """);
await app.WaitForShutdownAsync();

record PlaceOrder(string Product, int Quantity);

class Order
{
    public long Id { get; set; }
    public required string Product { get; set; }
    public int Quantity { get; set; }
}

class ShopContext(DbContextOptions<ShopContext> options) : DbContext(options)
{
    public DbSet<Order> Orders => Set<Order>();
}
