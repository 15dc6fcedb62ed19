using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;

namespace Mainstay.Tests;

/// <summary>One disturbance each, at a point that chance would rarely find.</summary>
[Collection(nameof(Alone))]
public sealed class ShopLifeTests : IDisposable
{
    private static readonly TimeSpan patience = TimeSpan.FromSeconds(60);
    private readonly TemporaryFolder _folder = new();
    private readonly List<ShopProcess> _shops = [];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string DataFolder => _folder.In(".mainstay");

    [Fact]
    public async Task A_shop_killed_again_and_again_during_its_very_first_start_starts_in_the_end()
    {
        var shop = Shop();

        foreach (var milliseconds in new[] { 0, 200, 500, 900, 1400, 1800 })
        {
            var heard = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            void Hear(string line)
            {
                if (line.StartsWith("Creating the database", StringComparison.Ordinal) || line.Contains("PostgreSQL", StringComparison.Ordinal)) heard.TrySetResult();
            }
            shop.Said += Hear;
            shop.Start();
            await heard.Task.WaitAsync(patience, Cancellation);
            await Task.Delay(milliseconds, Cancellation);
            await shop.KillAsync(Cancellation);
            shop.Said -= Hear;
        }
        await shop.StartAndWaitAsync(Cancellation);

        (await OrderAsync(shop, "after the kills")).ShouldBe(HttpStatusCode.Created);
        (await CountAsync(shop, "select count(*) from products")).ShouldBe(24);
    }

    [Fact]
    public async Task A_killed_shop_leaves_a_server_that_its_next_start_uses_and_its_end_stops()
    {
        var shop = Shop();
        await shop.StartAndWaitAsync(Cancellation);
        var postmaster = shop.Server.Postmaster;

        await shop.KillAsync(Cancellation);
        shop.Server.Postmaster.ShouldBe(postmaster);
        await shop.StartAndWaitAsync(Cancellation);

        shop.Server.Postmaster.ShouldBe(postmaster);
        (await OrderAsync(shop, "after the kill")).ShouldBe(HttpStatusCode.Created);
        (await shop.TerminateAsync(Cancellation)).ShouldBe(0, shop.LastWords);
        shop.Server.Postmaster.ShouldBe(0);
    }

    [Fact]
    public async Task Two_shops_on_one_folder_share_a_server_that_the_last_one_stops()
    {
        var first = Shop();
        var second = Shop();
        await first.StartAndWaitAsync(Cancellation);
        await second.StartAndWaitAsync(Cancellation);
        var postmaster = first.Server.Postmaster;

        (await OrderAsync(first, "through the first")).ShouldBe(HttpStatusCode.Created);
        (await OrderAsync(second, "through the second")).ShouldBe(HttpStatusCode.Created);
        (await first.TerminateAsync(Cancellation)).ShouldBe(0, first.LastWords);
        second.Server.Postmaster.ShouldBe(postmaster);
        (await OrderAsync(second, "after the first has ended")).ShouldBe(HttpStatusCode.Created);
        (await second.TerminateAsync(Cancellation)).ShouldBe(0, second.LastWords);

        second.Server.Postmaster.ShouldBe(0);
    }

    [Fact]
    public async Task A_shop_that_was_killed_does_not_keep_the_other_from_stopping_the_server()
    {
        var first = Shop();
        var second = Shop();
        await first.StartAndWaitAsync(Cancellation);
        await second.StartAndWaitAsync(Cancellation);

        await first.KillAsync(Cancellation);
        (await second.TerminateAsync(Cancellation)).ShouldBe(0, second.LastWords);

        second.Server.Postmaster.ShouldBe(0);
    }

    [Fact]
    public async Task A_key_of_a_node_that_was_killed_in_the_middle_is_good_on_the_other()
    {
        var (first, second) = (Shop(), Shop());
        await first.StartAndWaitAsync(Cancellation);
        await second.StartAndWaitAsync(Cancellation);
        using var one = first.CustomerClient(TimeSpan.FromSeconds(30));
        using var other = second.CustomerClient(TimeSpan.FromSeconds(30));
        var product = (await ProductsAsync(other))[0];
        (await SendAsync(one, product, "before the kill")).ShouldBe(HttpStatusCode.Created);
        var held = await second.HoldProductsAsync(Cancellation);

        var cut = SendAsync(one, product, "in the middle");
        await UntilWaitingAsync(second, 1);
        await first.KillAsync(Cancellation);
        await held.DisposeAsync();
        await Should.ThrowAsync<HttpRequestException>(cut);

        (await SendAsync(other, product, "in the middle")).ShouldBe(HttpStatusCode.Created, second.LastWords);
        (await SendAsync(other, product, "in the middle")).ShouldBe(HttpStatusCode.Created, second.LastWords);
        (await SendAsync(other, product, "before the kill")).ShouldBe(HttpStatusCode.Created, second.LastWords);
        (await CountAsync(second, "select count(*) from orders where marker = 'in the middle'")).ShouldBe(1);
        (await CountAsync(second, "select count(*) from orders where marker = 'before the kill'")).ShouldBe(1);
    }

    [Fact]
    public async Task Requests_in_flight_at_SIGTERM_are_all_answered_and_what_they_did_stays()
    {
        var shop = Shop();
        await shop.StartAndWaitAsync(Cancellation);
        using var http = shop.CustomerClient(TimeSpan.FromSeconds(30));
        var products = await ProductsAsync(http);
        using var health = shop.Client(TimeSpan.FromSeconds(5));
        var held = await shop.HoldProductsAsync(Cancellation);
        // Four on rows of their own, and four that wait for them.
        var requests = Enumerable.Range(0, 8).Select(number => SendAsync(http, products[number % 4], $"in flight {number}")).ToArray();
        await UntilWaitingAsync(shop, 8);

        shop.Signal(Signals.Terminate);
        await Wait.UntilAsync("it takes no more requests", patience, async () => !await ShopProcess.IsReadyAsync(health, Cancellation), Cancellation, () => shop.LastWords);
        await held.DisposeAsync();
        var exit = await shop.ExitAsync(patience, Cancellation);

        foreach (var request in requests) (await request).ShouldBe(HttpStatusCode.Created);
        exit.ShouldBe(0, shop.LastWords);
        shop.Server.Postmaster.ShouldBe(0);
        await shop.StartAndWaitAsync(Cancellation);
        (await CountAsync(shop, "select count(*) from orders where marker like 'in flight %'")).ShouldBe(8);
    }

    [Fact]
    public async Task A_server_killed_while_nobody_asks_is_back_before_the_next_request_runs_out_of_time()
    {
        var shop = Shop();
        await shop.StartAndWaitAsync(Cancellation);
        using var http = shop.CustomerClient(TimeSpan.FromSeconds(30));
        var products = await ProductsAsync(http);
        (await SendAsync(http, products[0], "before")).ShouldBe(HttpStatusCode.Created);

        Signals.Send(shop.Server.Postmaster, Signals.Kill).ShouldBeTrue();
        var began = TimeProvider.System.GetTimestamp();
        var status = await SendAsync(http, products[0], "after");
        // A request has ten seconds. Beside all other tests the server may need more of them, and then of several requests.
        while ((int)status is 503 or 504 && TimeProvider.System.GetElapsedTime(began).TotalSeconds < LongForm.Limit(10) - 10)
            status = await SendAsync(http, products[0], "after");

        status.ShouldBe(HttpStatusCode.Created, shop.LastWords);
        TimeProvider.System.GetElapsedTime(began).TotalSeconds.ShouldBeLessThan(LongForm.Limit(10));
    }

    [Fact]
    public async Task A_refusal_that_could_not_be_kept_under_its_key_is_not_told_as_final()
    {
        var shop = Shop();
        await shop.StartAndWaitAsync(Cancellation);
        using var http = shop.CustomerClient(TimeSpan.FromSeconds(30));
        var product = (await ProductsAsync(http))[0];

        var stopped = await PostAsync(http, "/v1/refusals", new { productId = product, dataFolder = DataFolder }, "a refusal");
        shop.Server.Signal(Signals.Continue);

        ((int)stopped).ShouldBeOneOf(503, 504);
        await shop.UntilReadyAsync(patience, Cancellation);
        (await CountAsync(shop, "select count(*) from mainstay.receipts where key = 'a refusal'")).ShouldBe(0);
        (await SendAsync(http, product, "afterwards")).ShouldBe(HttpStatusCode.Created, shop.LastWords);
    }

    [Theory]
    [InlineData("a-file/.mainstay")]
    [InlineData("/proc/mainstay/.mainstay")]
    public async Task A_data_folder_that_cannot_be_written_ends_the_start_with_a_clear_error(string place)
    {
        // A path below a file, and a file system that nobody may write, because root may write everywhere else.
        await File.WriteAllTextAsync(_folder.In("a-file"), "", Cancellation);
        var shop = Shop(_folder.In(place));

        shop.Start();

        (await shop.ExitAsync(patience, Cancellation)).ShouldBe(1, shop.LastWords);
        shop.LastWords.ShouldContain("MST1108");
        shop.LastWords.ShouldNotContain("Unhandled exception");
    }

    [Theory]
    [InlineData("cluster/global", "MST1113")]
    [InlineData("cluster/PG_VERSION", "MST1113")]
    [InlineData("passwords", "MST1119")]
    public async Task Data_that_is_missing_in_part_ends_the_start_with_a_clear_error_and_changes_nothing(string missing, string code)
    {
        var shop = Shop();
        await shop.StartAndWaitAsync(Cancellation);
        (await OrderAsync(shop, "kept")).ShouldBe(HttpStatusCode.Created);
        (await shop.TerminateAsync(Cancellation)).ShouldBe(0, shop.LastWords);
        string part = Path.Combine(DataFolder, "postgres", missing), aside = _folder.In("aside");
        Directory.Move(part, aside);

        shop.Start();
        (await shop.ExitAsync(patience, Cancellation)).ShouldBe(1, shop.LastWords);
        shop.LastWords.ShouldContain(code);

        Directory.Move(aside, part);
        await shop.StartAndWaitAsync(Cancellation);
        (await CountAsync(shop, "select count(*) from orders where marker = 'kept'")).ShouldBe(1);
    }

    [Fact]
    public async Task A_data_folder_that_was_removed_begins_again()
    {
        var shop = Shop();
        await shop.StartAndWaitAsync(Cancellation);
        (await shop.TerminateAsync(Cancellation)).ShouldBe(0, shop.LastWords);
        Directory.Delete(DataFolder, recursive: true);

        await shop.StartAndWaitAsync(Cancellation);

        (await OrderAsync(shop, "in a new folder")).ShouldBe(HttpStatusCode.Created);
    }

    public void Dispose()
    {
        foreach (var shop in _shops) shop.Dispose();
        _folder.Dispose();
    }

    private ShopProcess Shop(string? dataFolder = null)
    {
        var shop = new ShopProcess(dataFolder ?? DataFolder, _folder.In($"shop-{_shops.Count}.log"));
        _shops.Add(shop);
        return shop;
    }

    private static async Task<HttpStatusCode> OrderAsync(ShopProcess shop, string marker)
    {
        using var http = shop.CustomerClient(TimeSpan.FromSeconds(30));
        return await SendAsync(http, (await ProductsAsync(http))[0], marker);
    }

    private static Task<HttpStatusCode> SendAsync(HttpClient http, string product, string marker) => PostAsync(http, "/v1/orders", new { productId = product, quantity = 1, marker }, marker);

    /// <summary>Returns when so many orders wait for products that the test holds.</summary>
    private static Task UntilWaitingAsync(ShopProcess shop, int orders) => Wait.UntilAsync($"{orders} orders wait for their products", patience,
        async () => await CountAsync(shop, "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%products%for update%'") == orders, Cancellation, () => shop.LastWords);

    private static async Task<HttpStatusCode> PostAsync(HttpClient http, string path, object body, string key)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(path, UriKind.Relative)) { Content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(body)) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        request.Headers.Add("Idempotency-Key", $"\"{key}\"");
        using var response = await http.SendAsync(request, Cancellation);
        return response.StatusCode;
    }

    private static async Task<string[]> ProductsAsync(HttpClient http)
    {
        using var page = JsonDocument.Parse(await http.GetByteArrayAsync(new Uri("/v1/products", UriKind.Relative), Cancellation));
        return [.. page.RootElement.GetProperty("data").EnumerateArray().Select(product => product.GetProperty("id").GetString()!)];
    }

    private static Task<long> CountAsync(ShopProcess shop, string sql) => Audit.CountAsync(shop.ConnectionString(), sql, Cancellation);
}
