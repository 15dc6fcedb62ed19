using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Mainstay.Benchmarks;

/// <summary>EF Core as its documentation recommends it for speed, short of compiled queries: pooled contexts, no tracking of what is only read, projections. The provider's defaults otherwise.</summary>
internal static class EntityFrameworkServer
{
    private const int PageSize = 20;

    public static async Task<int> RunAsync(string[] settings)
    {
        var builder = WebApplication.CreateSlimBuilder(settings);
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.Services.AddDbContextPool<ShopContext>(options => options.UseNpgsql(builder.Configuration.GetConnectionString("mainstay")));
        await using var app = builder.Build();
        app.MapGet("/health/ready", () => "ready");
        app.MapGet("/v1/products/{id}", async (string id, ShopContext shop) =>
            Id<Product>.TryParse(id, out var key) && await shop.Products.AsNoTracking().SingleOrDefaultAsync(product => product.Id == key.Value) is { } product
                ? Results.Ok(new PeerItem<PeerProduct>(PeerProduct.Of(product)))
                : Results.NotFound());
        app.MapGet("/v1/products", async (Guid? cursor, string? include, ShopContext shop) =>
        {
            var page = shop.Products.AsNoTracking().Where(product => cursor == null || product.Id > cursor).OrderBy(product => product.Id).Take(PageSize + 1);
            if (include is null)
                return Results.Ok(PeerPage.Of([.. (await page.ToListAsync()).Select(PeerProduct.Of)], PageSize));
            var nested = await page.Select(product => new { Product = product, Orders = product.Orders.OrderByDescending(order => order.Id).Take(3).ToList() }).ToListAsync();
            return Results.Ok(PeerPage.Of([.. nested.Select(row => new PeerProductWithOrders(PeerProduct.Of(row.Product), row.Orders.ConvertAll(PeerOrder.Of)))], PageSize));
        });
        app.MapPost("/v1/orders", async (PlaceOrder place, ShopContext shop) =>
        {
            var order = new OrderEntity { Id = Guid.CreateVersion7(), CustomerId = "benchmark", ProductId = place.ProductId.Value, Quantity = place.Quantity, Total = place.Total, PlacedAt = TimeProvider.System.GetUtcNow().UtcDateTime };
            shop.Orders.Add(order);
            await shop.SaveChangesAsync();
            return Results.Json(new PeerItem<PeerOrder>(PeerOrder.Of(order)), statusCode: StatusCodes.Status201Created);
        });
        await app.RunAsync();
        return 0;
    }
}
