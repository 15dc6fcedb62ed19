using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;

namespace Mainstay.Benchmarks;

/// <summary>The rows that all servers serve, and the questions about them.</summary>
internal static class Products
{
    public const string ById = "GET by id";
    public const string Page = "GET page of 20";
    public const string Nested = "GET page of 20, 3 orders each";
    public const string Post = "POST";

    private const int Count = 10_000;

    private const int BatchSize = 1000;

    private const int PagesWalked = 25;

    /// <summary>Fills the tables through the first server that is ready, and lets PostgreSQL do now what it would otherwise do in the middle of the runs.</summary>
    public static async Task FillAsync(ServerProcess server)
    {
        string[] categories = ["tea", "coffee", "cocoa"];
        for (var i = 0; i < Count; i += BatchSize)
        {
            var batch = Enumerable.Range(i, BatchSize).Select(n => new { sku = $"SKU-{n:00000}", name = $"{categories[n % 3]} no. {n}", category = categories[n % 3], price = (300 + (n * 7 % 8700)) / 100m, stock = n % 500, sold = 0 });
            using var answer = await server.Http.PostAsJsonAsync("/v1/products:batch", batch);
            answer.EnsureSuccessStatusCode();
        }
        // Five orders of each product, of which the three newest are shown.
        await server.Database.ExecuteAsync("""
            insert into orders (id, customer_id, product_id, quantity, total, placed_at)
            select ('01900000-0000-7000-8000-' || lpad(to_hex(turn * 100000 + place), 12, '0'))::uuid, 'customer ' || place % 1000, id, 1 + place % 5, (1 + place % 5) * price,
                timestamptz '2026-01-01 00:00:00Z' + turn * interval '1 day' + place * interval '1 second'
            from (select id, price, row_number() over (order by id) as place from products) p cross join generate_series(0, 4) as turn
            order by 1
            """);
        await server.Database.ExecuteAsync("vacuum analyze products");
        await server.Database.ExecuteAsync("vacuum analyze orders");
    }

    /// <summary>The two reads that every backend has, a row by its id and a page of 20, with what to ask this server for. Cursors are each server's own.</summary>
    public static async Task<LoadRequest[]> ReadsAsync(ServerProcess server)
    {
        var pages = await WalkAsync(server, "", PagesWalked);
        return [LoadRequest.Get(ById, (await IdsAsync(server)).Select(id => $"/v1/products/{id}")), LoadRequest.Get(Page, pages)];
    }

    /// <summary>The same, and a page of 20 with the three newest orders of each product.</summary>
    public static async Task<LoadRequest[]> AllReadsAsync(ServerProcess server) =>
        [.. await ReadsAsync(server), LoadRequest.Get(Nested, await WalkAsync(server, "&include=orders", PagesWalked))];

    /// <summary>Placing an order.</summary>
    /// <param name="server">Knows the products.</param>
    /// <param name="target">Where orders go.</param>
    public static async Task<LoadRequest> PostAsync(ServerProcess server, string target = "/v1/orders") =>
        LoadRequest.Post(Post, target, (await IdsAsync(server)).Select((id, place) => string.Create(CultureInfo.InvariantCulture, $$"""{"productId":"{{id}}","quantity":{{1 + (place % 5)}},"total":{{(1 + (place % 5)) * 4.95m}}}""")));

    /// <summary>Places one order.</summary>
    /// <param name="server">Takes it.</param>
    /// <param name="post">How.</param>
    /// <param name="key">The idempotency key.</param>
    public static async Task PlaceAsync(ServerProcess server, LoadRequest post, string key)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, post.Lines[0]) { Content = new StringContent(post.Lines[2], Encoding.UTF8, "application/json") };
        request.Headers.Authorization = AuthenticationHeaderValue.Parse(BenchmarkSignIn.Credential);
        request.Headers.Add("Idempotency-Key", $"\"{key}\"");
        using var answer = await server.Http.SendAsync(request);
        answer.EnsureSuccessStatusCode();
    }

    /// <summary>The targets of pages from the first on, each made from the cursor of the one before.</summary>
    public static async Task<List<string>> WalkAsync(ServerProcess server, string suffix, int pages)
    {
        var targets = new List<string>();
        for (var target = $"/v1/products?pageSize=20{suffix}"; targets.Count < pages;)
        {
            targets.Add(target);
            var page = await server.Http.GetFromJsonAsync<JsonElement>(target);
            target = $"/v1/products?pageSize=20&cursor={page.GetProperty("meta").GetProperty("nextCursor").GetString()}{suffix}";
        }
        return targets;
    }

    private static async Task<List<string>> IdsAsync(ServerProcess server)
    {
        var ids = new List<string>();
        foreach (var target in await WalkAsync(server, "", PagesWalked))
            ids.AddRange((await server.Http.GetFromJsonAsync<JsonElement>(target)).GetProperty("data").EnumerateArray().Select(row => row.GetProperty("id").GetString()!));
        return ids;
    }
}
