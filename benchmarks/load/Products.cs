using System.Net.Http.Json;
using System.Text.Json;

namespace Mainstay.Benchmarks;

/// <summary>The rows that all servers serve.</summary>
internal static class Products
{
    public const int Count = 10_000;

    private const int BatchSize = 1000;

    /// <summary>Fills the table through the first server that is ready.</summary>
    public static async Task FillAsync(HttpClient http)
    {
        string[] categories = ["tea", "coffee", "cocoa"];
        for (var i = 0; i < Count; i += BatchSize)
        {
            var batch = Enumerable.Range(i, BatchSize).Select(n => new { sku = $"SKU-{n:00000}", name = $"{categories[n % 3]} no. {n}", category = categories[n % 3], price = (300 + (n * 7 % 8700)) / 100m, stock = n % 500, sold = 0 });
            using var answer = await http.PostAsJsonAsync("/v1/products:batch", batch);
            answer.EnsureSuccessStatusCode();
        }
    }

    /// <summary>The two reads that every backend has: a row by its id, and a page of 20.</summary>
    public static async Task<LoadRequest[]> ReadsAsync(HttpClient http)
    {
        var page = await http.GetFromJsonAsync<JsonElement>("/v1/products?pageSize=20");
        var id = page.GetProperty("data")[10].GetProperty("id").GetString();
        return [new("GET by id", $"/v1/products/{id}"), new("GET page of 20", "/v1/products?pageSize=20")];
    }
}
