using System.Net.Http.Json;
using System.Text.Json;

namespace Mainstay.Benchmarks;

/// <summary>The rows that all servers serve.</summary>
internal static class Products
{
    public const int Count = 10_000;

    private const int BatchSize = 1000;

    private const int PagesWalked = 25;

    /// <summary>Fills the table through the first server that is ready, and lets PostgreSQL do now what it would otherwise do in the middle of the runs.</summary>
    public static async Task FillAsync(ServerProcess server)
    {
        string[] categories = ["tea", "coffee", "cocoa"];
        for (var i = 0; i < Count; i += BatchSize)
        {
            var batch = Enumerable.Range(i, BatchSize).Select(n => new { sku = $"SKU-{n:00000}", name = $"{categories[n % 3]} no. {n}", category = categories[n % 3], price = (300 + (n * 7 % 8700)) / 100m, stock = n % 500, sold = 0 });
            using var answer = await server.Http.PostAsJsonAsync("/v1/products:batch", batch);
            answer.EnsureSuccessStatusCode();
        }
        await server.Database.ExecuteAsync("vacuum analyze products");
    }

    /// <summary>The two reads that every backend has, a row by its id and a page of 20, with what to ask this server for. Cursors are each server's own.</summary>
    public static async Task<LoadRequest[]> ReadsAsync(HttpClient http)
    {
        var (ids, pages) = (new List<string>(), new List<string>());
        for (string? target = "/v1/products?pageSize=20"; pages.Count < PagesWalked; pages.Add(target))
        {
            var page = await http.GetFromJsonAsync<JsonElement>(target);
            ids.AddRange(page.GetProperty("data").EnumerateArray().Select(row => $"/v1/products/{row.GetProperty("id").GetString()}"));
            target = $"/v1/products?pageSize=20&cursor={page.GetProperty("meta").GetProperty("nextCursor").GetString()}";
        }
        return [new("GET by id", [.. ids]), new("GET page of 20", [.. pages])];
    }
}
