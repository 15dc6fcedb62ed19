using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;

namespace Mainstay.Tests;

/// <summary>Operations whose process is killed while it runs them.</summary>
[Collection(nameof(Alone))]
public sealed class LongRunningLifeTests : IDisposable
{
    private static readonly TimeSpan patience = TimeSpan.FromSeconds(60);
    private readonly TemporaryFolder _folder = new();
    private readonly List<ShopProcess> _shops = [];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_operation_whose_node_is_killed_is_finished_by_its_next_start_and_applied_once()
    {
        var shop = Shop();
        await shop.StartAndWaitAsync(Cancellation);
        using var http = shop.CustomerClient(TimeSpan.FromSeconds(30));
        var held = await shop.HoldProductsAsync(Cancellation);
        var location = await OrderAsync(http, "killed");
        await UntilItWaitsAsync(shop);

        await shop.KillAsync(Cancellation);
        await held.DisposeAsync();
        await shop.StartAndWaitAsync(Cancellation);
        var ended = await EndedAsync(shop, http, location);

        ended.GetProperty("status").GetString().ShouldBe("succeeded");
        ended.GetProperty("attempts").GetInt32().ShouldBe(2);
        (await CountAsync(shop, "select count(*) from orders where marker = 'killed'")).ShouldBe(1);
        (await CountAsync(shop, "select count(*) from products where stock + 1 = initial")).ShouldBe(1);
        // The repetition of a client that has heard nothing.
        (await OrderAsync(http, "killed")).ShouldBe(location);
        (await CountAsync(shop, "select count(*) from mainstay.operations")).ShouldBe(1);
    }

    [Fact]
    public async Task An_operation_whose_node_is_killed_is_finished_by_another()
    {
        var first = Shop();
        await first.StartAndWaitAsync(Cancellation);
        using var http = first.CustomerClient(TimeSpan.FromSeconds(30));
        var held = await first.HoldProductsAsync(Cancellation);
        var location = await OrderAsync(http, "handed over");
        await UntilItWaitsAsync(first);
        var second = Shop();
        await second.StartAndWaitAsync(Cancellation);
        using var elsewhere = second.CustomerClient(TimeSpan.FromSeconds(30));

        await first.KillAsync(Cancellation);
        await held.DisposeAsync();
        var ended = await EndedAsync(second, elsewhere, location);

        ended.GetProperty("status").GetString().ShouldBe("succeeded");
        (await CountAsync(second, "select count(*) from orders where marker = 'handed over'")).ShouldBe(1);
        (await CountAsync(second, "select count(*) from products where stock + 1 = initial")).ShouldBe(1);
    }

    public void Dispose()
    {
        foreach (var shop in _shops) shop.Dispose();
        _folder.Dispose();
    }

    private ShopProcess Shop()
    {
        var shop = new ShopProcess(_folder.In(".mainstay"), _folder.In($"shop-{_shops.Count}.log"));
        _shops.Add(shop);
        return shop;
    }

    /// <returns>The address of the operation.</returns>
    private static async Task<string> OrderAsync(HttpClient http, string marker)
    {
        using var products = JsonDocument.Parse(await http.GetByteArrayAsync(new Uri("/v1/products", UriKind.Relative), Cancellation));
        var product = products.RootElement.GetProperty("data")[0].GetProperty("id").GetString();
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri("/v1/orders/later", UriKind.Relative)) { Content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(new { productId = product, quantity = 1, marker })) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        request.Headers.Add("Idempotency-Key", $"\"{marker}\"");
        using var response = await http.SendAsync(request, Cancellation);
        response.StatusCode.ShouldBe(HttpStatusCode.Accepted, await response.Content.ReadAsStringAsync(Cancellation));
        return response.Headers.Location!.OriginalString;
    }

    private static Task UntilItWaitsAsync(ShopProcess shop) => Wait.UntilAsync("the order waits for its product", patience,
        async () => await CountAsync(shop, "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%products%for update%'") == 1, Cancellation, () => shop.LastWords);

    private static async Task<JsonElement> EndedAsync(ShopProcess shop, HttpClient http, string location)
    {
        JsonElement operation = default;
        await Wait.UntilAsync("the operation has ended", patience, async () =>
        {
            operation = JsonElement.Parse(await http.GetStringAsync(new Uri(location, UriKind.Relative), Cancellation)).GetProperty("data");
            return operation.GetProperty("endedAt").ValueKind == JsonValueKind.String;
        }, Cancellation, () => shop.LastWords);
        return operation;
    }

    private static Task<long> CountAsync(ShopProcess shop, string sql) => Audit.CountAsync(shop.ConnectionString(), sql, Cancellation);
}
