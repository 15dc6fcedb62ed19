#!/usr/bin/env dotnet
#:sdk Microsoft.NET.Sdk.Web
#:project ../src/Mainstay
#:package Dapper

// An outbox in an ordinary ASP.NET Core application with Dapper. Of Mainstay it uses this one block, and a database to try it on.

using Dapper;
using Mainstay;
using Npgsql;

var builder = WebApplication.CreateBuilder(args);
await using var postgres = await PrivatePostgres.StartAsync(builder);

builder.Services.AddSingleton(NpgsqlDataSource.Create(postgres.ConnectionString));
builder.Services.AddOutbox(outbox =>
{
    outbox.Event<OrderPlaced>("order.placed");

    // Once for every order: the count and the end of the message are one commit.
    outbox.On("count units", (OrderPlaced placed, UnitOfWork work) =>
        work.ExecuteAsync($"insert into units (product, sold) values ({placed.Product}, {placed.Quantity}) on conflict (product) do update set sold = units.sold + excluded.sold"))
        .InOrderOf((OrderPlaced placed) => placed.Product);
});

var app = builder.Build();
await using (var setUp = app.Services.GetRequiredService<NpgsqlDataSource>().CreateCommand("""
    create table if not exists orders (id bigint generated always as identity primary key, product text not null, quantity integer not null);
    create table if not exists units (product text primary key, sold bigint not null);
    """))
    await setUp.ExecuteNonQueryAsync();

app.MapPost("/orders", async (PlaceOrder input, NpgsqlDataSource source, Outbox outbox) =>
{
    await using var connection = await source.OpenConnectionAsync();
    await using var transaction = await connection.BeginTransactionAsync();
    var id = await connection.QuerySingleAsync<long>("insert into orders (product, quantity) values (@Product, @Quantity) returning id", input, transaction);

    // Row and message in one commit: there is never one without the other.
    await outbox.PublishAsync(new OrderPlaced(id, input.Product, input.Quantity), transaction);
    await transaction.CommitAsync();
    outbox.Wake();
    return Results.Created($"/orders/{id}", null);
});

app.MapGet("/units", async (NpgsqlDataSource source) =>
{
    await using var connection = await source.OpenConnectionAsync();
    return await connection.QueryAsync("select product, sold from units order by product limit 100");
});

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
