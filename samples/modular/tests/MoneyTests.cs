using System.Net.Http.Json;
using Shop.Ordering;
using static System.TimeSpan;

namespace Shop.Tests;

public sealed class MoneyTests
{
    /// <summary>With the stub in place of the fakes, over real HTTP: of three calls it loses one before it does anything, and one after it.</summary>
    [Fact]
    public async Task Whatever_fails_what_was_charged_and_not_refunded_is_the_price_of_what_was_fulfilled()
    {
        await using var stub = Stub.Create("--urls", "http://127.0.0.1:0", "--Logging:LogLevel:Default", "None");
        await stub.StartAsync();
        using var http = new HttpClient { BaseAddress = new Uri(stub.Urls.Single()) };
        await using var shop = await ShopSteps.OpenAsync();
        shop.Fake("payment").PassesTo(http.BaseAddress);
        shop.Fake("courier").PassesTo(http.BaseAddress);
        var tea = await shop.StockUpAsync(pieces: 100, price: 4.50m);

        var orders = new List<Order>();
        foreach (var (payment, courier) in new[] { ("ok", "ok"), ("flaky", "flaky"), ("refuses", "ok"), ("ok", "refuses"), ("flaky", "dead") })
        {
            await http.PostAsJsonAsync("/switch", new { payment, courier });
            for (var quantity = 1; quantity <= 3; quantity++)
                orders.Add(await shop.OrderAsync(tea, quantity));
            await shop.PassAsync(FromMinutes(5));
        }
        await http.PostAsJsonAsync("/switch", new { payment = "flaky", courier = "flaky" });
        foreach (var order in orders.Where(order => order.Quantity % 2 == 0))
            await shop.CollectAsync(order);                         // where there is a parcel
        await shop.PassAsync(FromDays(8));                          // and nobody comes for the others

        var ended = await Task.WhenAll(orders.Select(async order => (order, Status: await shop.StatusOfAsync(order))));
        var fulfilled = ended.Where(end => end.Status == OrderStatus.Fulfilled).Select(end => end.order).ToList();
        var ledger = (await http.GetFromJsonAsync<Ledger>("/ledger"))!;
        Assert.DoesNotContain(ended, end => end.Status == OrderStatus.Placed);
        Assert.NotEmpty(fulfilled);
        Assert.True(ledger.Refunded > 0);
        Assert.Equal(fulfilled.Sum(order => order.Total), ledger.Charged - ledger.Refunded);
        Assert.Equal(100 - fulfilled.Sum(order => order.Quantity), await shop.StockOfAsync(tea));
    }

    private sealed record Ledger(decimal Charged, decimal Refunded);
}
