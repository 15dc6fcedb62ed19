using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Mainstay.Benchmarks;

/// <summary>
/// The limit: what a patient expert gets out of ASP.NET Core and Npgsql for exactly these routes. Few connections, prepared statements, no log, no objects
/// between row and JSON, nothing checked that the routes do not need.
/// </summary>
internal static class RawServer
{
    public static async Task<int> RunAsync(string[] settings)
    {
        var builder = WebApplication.CreateSlimBuilder(settings);
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(server => server.AddServerHeader = false);
        await using var source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(builder.Configuration.GetConnectionString("mainstay"))
        {
            MaxPoolSize = 16, MaxAutoPrepare = 32, AutoPrepareMinUsages = 2, NoResetOnClose = true, Enlist = false,
        });
        await using var app = builder.Build();
        app.MapGet("/health/ready", () => "ready");
        app.MapGet(AllocatedBytes.Path, () => new PeerItem<AllocatedBytes>(AllocatedBytes.Now()));
        var reads = new RawReads(source);
        app.MapGet("/v1/products/{id}", reads.GetAsync);
        app.MapGet("/v1/products", reads.ListAsync);
        var orders = new RawOrders(source, TimeProvider.System);
        app.MapPost("/v1/orders", orders.PlaceAsync);
        await using (var tables = source.CreateCommand(NaiveOrders.Tables))
            await tables.ExecuteNonQueryAsync();
        app.MapPost("/naive/orders", new NaiveOrders(source, orders).PlaceAsync);
        await app.RunAsync();
        return 0;
    }
}
