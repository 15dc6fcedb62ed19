using Dapper;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Mainstay.Benchmarks;

/// <summary>Dapper as it is usually written: a data source as a service, a connection for each request, statements by hand, the provider's defaults.</summary>
internal static class DapperServer
{
    private const string Columns = "id, sku, name, category, price, stock, sold";
    private const int PageSize = 20;

    public static async Task<int> RunAsync(string[] settings)
    {
        DefaultTypeMap.MatchNamesWithUnderscores = true;
        var builder = WebApplication.CreateSlimBuilder(settings);
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.Services.AddSingleton(NpgsqlDataSource.Create(builder.Configuration.GetConnectionString("mainstay")!));
        await using var app = builder.Build();
        app.MapGet("/health/ready", () => "ready");
        app.MapGet("/v1/products/{id}", async (string id, NpgsqlDataSource source) =>
        {
            if (!Id<Product>.TryParse(id, out var key))
                return Results.NotFound();
            await using var connection = await source.OpenConnectionAsync();
            var product = await connection.QuerySingleOrDefaultAsync<ProductEntity>($"select {Columns} from products where id = @id", new { id = key.Value });
            return product is null ? Results.NotFound() : Results.Ok(new PeerItem<PeerProduct>(PeerProduct.Of(product)));
        });
        app.MapGet("/v1/products", async (Guid? cursor, string? include, NpgsqlDataSource source) =>
        {
            await using var connection = await source.OpenConnectionAsync();
            var rows = (cursor is null
                ? await connection.QueryAsync<ProductEntity>($"select {Columns} from products order by id limit @limit", new { limit = PageSize + 1 })
                : await connection.QueryAsync<ProductEntity>($"select {Columns} from products where id > @cursor order by id limit @limit", new { cursor, limit = PageSize + 1 })).AsList();
            if (include is null)
                return Results.Ok(PeerPage.Of(rows.ConvertAll(PeerProduct.Of), PageSize));
            var orders = (await connection.QueryAsync<OrderEntity>("""
                select o.* from unnest(@ids) as p (id)
                cross join lateral (select id, customer_id, product_id, quantity, total, placed_at from orders where product_id = p.id order by id desc limit 3) o
                """, new { ids = rows.Take(PageSize).Select(row => row.Id).ToArray() })).ToLookup(order => order.ProductId, PeerOrder.Of);
            return Results.Ok(PeerPage.Of(rows.ConvertAll(row => new PeerProductWithOrders(PeerProduct.Of(row), [.. orders[row.Id]])), PageSize));
        });
        app.MapPost("/v1/orders", async (PlaceOrder place, NpgsqlDataSource source) =>
        {
            var order = new OrderEntity { Id = Guid.CreateVersion7(), CustomerId = "benchmark", ProductId = place.ProductId.Value, Quantity = place.Quantity, Total = place.Total, PlacedAt = TimeProvider.System.GetUtcNow().UtcDateTime };
            await using var connection = await source.OpenConnectionAsync();
            await connection.ExecuteAsync("insert into orders (id, customer_id, product_id, quantity, total, placed_at) values (@Id, @CustomerId, @ProductId, @Quantity, @Total, @PlacedAt)", order);
            return Results.Json(new PeerItem<PeerOrder>(PeerOrder.Of(order)), statusCode: StatusCodes.Status201Created);
        });
        await app.RunAsync();
        return 0;
    }
}
