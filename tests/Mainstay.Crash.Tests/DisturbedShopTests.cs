using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

[assembly: CollectionBehavior(MaxParallelThreads = 6)]

namespace Mainstay.Tests;

/// <summary>
/// Clients place orders while the shop and its server are killed, ended and stopped at random moments. Afterwards the tables have to agree with
/// what each client was told. 35 seconds; MAINSTAY_CRASH_MINUTES makes it longer, MAINSTAY_CRASH_SEED repeats the order of events.
/// </summary>
[Collection(nameof(Alone))]
public sealed class DisturbedShopTests(ITestOutputHelper output)
{
    private const int Clients = 8;
    private static readonly TimeSpan recovery = TimeSpan.FromSeconds(120);

    [Fact]
    public async Task What_clients_were_told_is_what_happened_exactly_once()
    {
        var cancellation = TestContext.Current.CancellationToken;
        var minutes = Setting("MAINSTAY_CRASH_MINUTES");
        var duration = minutes is { } given ? TimeSpan.FromMinutes(given) : TimeSpan.FromSeconds(35);
        var seed = (int)(Setting("MAINSTAY_CRASH_SEED") ?? Random.Shared.Next(1, 1_000_000));
        output.WriteLine($"Seed {seed}, {duration.TotalSeconds:0} s. Repeat with MAINSTAY_CRASH_SEED={seed}{(minutes is null ? "" : $" MAINSTAY_CRASH_MINUTES={minutes}")}");

        var folder = new TemporaryFolder();
        using var shop = new ShopProcess(folder.In(".mainstay"), folder.In("shop.log"));
        await shop.StartAndWaitAsync(cancellation);
        using var http = shop.CustomerClient(TimeSpan.FromSeconds(15));
        var products = await ProductsAsync(http, cancellation);
        var book = new OrderBook();
        var disturbances = new Disturbances(shop, book, new Random(seed), output.WriteLine);
        using var time = new CancellationTokenSource(duration);

        var began = Stopwatch.StartNew();
        var disturbing = disturbances.RunAsync(time.Token, cancellation);
        var clients = Enumerable.Range(1, Clients)
            .Select(number => new OrderClient(http, book, products, $"client-{number}", new Random(seed * 100 + number)).RunAsync(time.Token, cancellation)).ToArray();
        await disturbing;
        await RecoverAsync(shop, disturbances, cancellation);
        await Task.WhenAll(clients).WaitAsync(recovery, cancellation);
        var seconds = began.Elapsed.TotalSeconds;
        var drained = Stopwatch.StartNew();
        await Wait.UntilAsync("the outbox is empty", recovery,
            async () => await Audit.CountAsync(shop.ConnectionString(), "select count(*) from mainstay.jobs", cancellation) == 0, cancellation, () => shop.LastWords);
        var drainSeconds = drained.Elapsed.TotalSeconds;
        var repeated = await RepeatAsync(http, book, products, seed, cancellation);
        var findings = await new Audit(shop.ConnectionString(), book, cancellation).FindAsync();
        var exit = await shop.TerminateAsync(cancellation);

        Report(book, disturbances, seconds, drainSeconds, repeated, [.. shop.ErrorLines]);
        findings.AddRange(book.Violations);
        if (exit != 0) findings.Add($"exit code {exit} at the end, expected 0");
        if (shop.Server.Postmaster != 0) findings.Add("the server still runs after the last orderly end");
        if (disturbances.Done.Values.Sum() == 0 || book.Acknowledged.IsEmpty) findings.Add("nothing was disturbed or nothing was ordered");
        if (findings.Count > 0) Assert.Fail($"Seed {seed}; everything the shop said is in {folder.In("shop.log")}\n{string.Join('\n', findings.Take(40))}");
        folder.Dispose();
    }

    private static async Task RecoverAsync(ShopProcess shop, Disturbances disturbances, CancellationToken cancellation)
    {
        for (var attempt = 1; ; attempt++)
            try
            {
                await disturbances.WatchAsync(cancellation);
                await shop.UntilReadyAsync(recovery, cancellation);
                return;
            }
            catch (InvalidOperationException) when (attempt < 5)
            {
                // It ended while it was starting, because of the last disturbance; once more.
            }
    }

    /// <summary>Asks again for everything that was interrupted and for some of the rest, in quiet. The book compares the answers.</summary>
    private static async Task<int> RepeatAsync(HttpClient http, OrderBook book, IReadOnlyList<string> products, int seed, CancellationToken cancellation)
    {
        var orders = book.Interrupted.Values.Concat(book.Acknowledged.Values.Select(entry => entry.Order).Take(1000)).DistinctBy(order => order.Key).ToArray();
        var client = new OrderClient(http, book, products, "again", new Random(seed));
        await Parallel.ForEachAsync(orders, new ParallelOptions { MaxDegreeOfParallelism = 4, CancellationToken = cancellation },
            async (order, token) => await client.PlaceAsync(order, token));
        return orders.Length;
    }

    private static async Task<string[]> ProductsAsync(HttpClient http, CancellationToken cancellation)
    {
        using var page = JsonDocument.Parse(await http.GetByteArrayAsync(new Uri("/v1/products?pageSize=100", UriKind.Relative), cancellation));
        return [.. page.RootElement.GetProperty("data").EnumerateArray().Select(product => product.GetProperty("id").GetString()!)];
    }

    private void Report(OrderBook book, Disturbances disturbances, double seconds, double drainSeconds, int repeated, string[] errorLines)
    {
        void Say(FormattableString line) => output.WriteLine(line.ToString(CultureInfo.InvariantCulture));
        Say($"{book.Requests} requests, {book.Acknowledged.Count} keys acknowledged in {seconds:0} s, {book.Interrupted.Count} of them interrupted, longest wait for an answer {book.LongestWait.TotalSeconds:0.0} s, ended {book.LongestWaitEnded:HH:mm:ss}");
        Say($"{disturbances.Done.Values.Sum()} disturbances: {string.Join(", ", disturbances.Done.Select(kind => $"{kind.Key} {kind.Value}"))}; the shop gave up {disturbances.GaveUp} times");
        Say($"outbox empty after {drainSeconds:0.0} s; {repeated} keys repeated afterwards; {errorLines.Length} lines at level error");
        foreach (var (outcome, count) in book.Outcomes.OrderByDescending(entry => entry.Value)) Say($"{count,10}  {outcome}");
        foreach (var line in errorLines) Say($"said: {line[..Math.Min(line.Length, 600)]}");
    }

    private static double? Setting(string name) => double.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out var value) ? value : null;
}

/// <summary>Tests that keep the machine busy by themselves; one at a time, after the others.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
