using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace Mainstay.Tests;

/// <summary>What a client was told, with everything that a repetition has to repeat.</summary>
internal sealed record OrderAnswer(int Status, byte[] Body, string? Location, string? ETag)
{
    public bool Equals(OrderAnswer? other) =>
        other is not null && Status == other.Status && Location == other.Location && ETag == other.ETag && Body.AsSpan().SequenceEqual(other.Body);

    public override int GetHashCode() => HashCode.Combine(Status, Body.Length);

    public override string ToString() => $"{Status} {Location} {ETag} {Encoding.UTF8.GetString(Body)}";
}

/// <summary>An order that a client wants: repeated with the same key until it knows what became of it.</summary>
internal sealed record WantedOrder(string Key, string ProductId, int Quantity)
{
    public byte[] Body { get; } = JsonSerializer.SerializeToUtf8Bytes(new { productId = ProductId, quantity = Quantity, marker = Key });
}

/// <summary>What all clients have seen so far.</summary>
internal sealed class OrderBook
{
    private long _requests;

    /// <summary>The answer to each key that has been answered for good.</summary>
    public ConcurrentDictionary<string, (WantedOrder Order, OrderAnswer Answer)> Acknowledged { get; } = new();

    /// <summary>Keys that took more than one attempt: whose first answer may have been lost on the way.</summary>
    public ConcurrentDictionary<string, WantedOrder> Interrupted { get; } = new();

    /// <summary>Answers by status and code, broken connections by their kind.</summary>
    public ConcurrentDictionary<string, long> Outcomes { get; } = new();

    /// <summary>What must never happen.</summary>
    public ConcurrentQueue<string> Violations { get; } = new();

    public TimeSpan LongestWait { get; private set; }

    /// <summary>To be found in the logs.</summary>
    public DateTimeOffset LongestWaitEnded { get; private set; }

    public long Requests => Interlocked.Read(ref _requests);

    public void Count(string outcome)
    {
        Interlocked.Increment(ref _requests);
        Outcomes.AddOrUpdate(outcome, 1, (_, count) => count + 1);
    }

    /// <summary>The first answer counts; each further one has to be the same to the byte.</summary>
    public void Acknowledge(WantedOrder order, OrderAnswer answer)
    {
        var (_, first) = Acknowledged.GetOrAdd(order.Key, (order, answer));
        if (first != answer) Violations.Enqueue($"{order.Key} was answered twice and differently:\n  {first}\n  {answer}");
    }

    public void Waited(TimeSpan time)
    {
        lock (Violations)
            if (time > LongestWait) (LongestWait, LongestWaitEnded) = (time, TimeProvider.System.GetUtcNow());
    }
}

/// <summary>
/// Places orders one after another. A request without a final answer (connection broken, 5xx, "try again") is sent again with the same key and
/// the same bytes, however long it takes. One key in ten is repeated although it was answered, one in twenty is sent twice at the same time.
/// </summary>
internal sealed class OrderClient(HttpClient http, OrderBook book, IReadOnlyList<string> products, string name, Random random)
{
    private static readonly Uri orders = new("/v1/orders", UriKind.Relative);

    /// <param name="until">Ends the placing of new orders. The current one is brought to its end.</param>
    /// <param name="cancellation">Ends everything.</param>
    public async Task RunAsync(CancellationToken until, CancellationToken cancellation)
    {
        for (var number = 1; !until.IsCancellationRequested; number++)
        {
            var order = new WantedOrder(string.Create(CultureInfo.InvariantCulture, $"{name}-{number:000000}"), products[random.Next(products.Count)], random.Next(1, 4));
            var dice = random.Next(20);
            if (dice == 0)
                await Task.WhenAll(PlaceAsync(order, cancellation), PlaceAsync(order, cancellation));
            else
                await PlaceAsync(order, cancellation);
            if (dice is 1 or 2)
                await PlaceAsync(order, cancellation);
            // Two cores serve clients, application and database, on machines that have other work.
            await Task.Delay(random.Next(5, 25), CancellationToken.None);
        }
    }

    public async Task PlaceAsync(WantedOrder order, CancellationToken cancellation)
    {
        var began = TimeProvider.System.GetTimestamp();
        for (var attempt = 1; ; attempt++)
        {
            if (await TryAsync(order, cancellation) is { } answer)
            {
                book.Waited(TimeProvider.System.GetElapsedTime(began));
                book.Acknowledge(order, answer);
                return;
            }
            book.Interrupted[order.Key] = order;
            await Task.Delay(Math.Min(500, 20 << Math.Min(attempt, 5)) * (50 + Random.Shared.Next(50)) / 100, cancellation);
        }
    }

    /// <returns>Null when the outcome is not known.</returns>
    private async Task<OrderAnswer?> TryAsync(WantedOrder order, CancellationToken cancellation)
    {
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, orders) { Content = new ByteArrayContent(order.Body) };
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            request.Headers.Add("Idempotency-Key", order.Key);
            using var response = await http.SendAsync(request, cancellation);
            var body = await response.Content.ReadAsByteArrayAsync(cancellation);
            var status = (int)response.StatusCode;
            var isReplayed = response.Headers.Contains("Idempotency-Replayed");
            var code = status < 400 ? "" : $" {Code(body)}";
            book.Count($"{status}{code}{(isReplayed ? " replayed" : "")}");
            if (status is 201 or 409 && code is "" or " out-of-stock")
                return new OrderAnswer(status, body, response.Headers.Location?.OriginalString, response.Headers.ETag?.ToString());
            if (!(code is " concurrent-update" or " request-in-progress" or " database-unavailable" or " outcome-unknown" or " deadline-exceeded"))
                book.Violations.Enqueue($"{order.Key} was answered with {status}: {Encoding.UTF8.GetString(body)}");
            return null;
        }
        catch (Exception e) when (!cancellation.IsCancellationRequested && e is HttpRequestException or TaskCanceledException or IOException)
        {
            book.Count(e is HttpRequestException { HttpRequestError: var error } ? $"no answer ({error})" : e is TaskCanceledException ? "no answer (timeout)" : "no answer (broken)");
            return null;
        }
    }

    private static string Code(byte[] body)
    {
        try
        {
            using var json = JsonDocument.Parse(body);
            return json.RootElement.TryGetProperty("code", out var code) ? code.GetString() ?? "" : "without code";
        }
        catch (JsonException)
        {
            return "without JSON";
        }
    }
}
