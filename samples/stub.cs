#!/usr/bin/env dotnet
#:sdk Microsoft.NET.Sdk.Web

// Plays those whom the shop of samples/modular calls: a payment provider and a courier. What they do can be changed while they run:
//
//   dotnet run samples/stub.cs
//   curl http://localhost:5100/switch --json '{"payment":"flaky","courier":"dead"}'
//   curl http://localhost:5100/ledger
//
//   ok        answers
//   slow      does what it is asked for, and answers three seconds later
//   flaky     of three calls, refuses one, and does another without an answer
//   dead      closes every connection
//   refuses   declines charges and bookings

using System.Collections.Concurrent;

/// <summary>Everything that was done is in the ledger once, however often it was asked for: a call with a key that is known gets the answer that there is.</summary>
public sealed class Stub
{
    private static readonly string[] moods = ["ok", "slow", "flaky", "dead", "refuses"];

    private readonly Lock _lock = new();
    private readonly ConcurrentDictionary<string, string> _moods = new() { ["payment"] = "ok", ["courier"] = "ok" };
    private readonly Dictionary<string, object> _answers = [];
    private readonly Dictionary<string, decimal> _charged = [], _refunded = [];
    private readonly HashSet<string> _booked = [], _cancelled = [];
    private int _calls;

    public static Task Main(string[] args) => Create(args).RunAsync();

    public static WebApplication Create(params string[] args)
    {
        var builder = WebApplication.CreateSlimBuilder(args);
        builder.WebHost.UseSetting("urls", builder.Configuration["urls"] ?? "http://localhost:5100");
        var app = builder.Build();
        var stub = new Stub();
        app.MapPost("/charges", (Charge charge, HttpContext http) => stub.PlayAsync("payment", http, canRefuse: true, () => stub.Take(charge)));
        app.MapPost("/refunds", (Order order, HttpContext http) => stub.PlayAsync("payment", http, canRefuse: false, () => stub.GiveBack(order)));
        app.MapPost("/bookings", (Order order, HttpContext http) => stub.PlayAsync("courier", http, canRefuse: true, () => stub.Book(order)));
        app.MapPost("/cancellations", (Order order, HttpContext http) => stub.PlayAsync("courier", http, canRefuse: false, () => stub.Cancel(order)));
        app.MapPost("/switch", stub.Switch);
        app.MapGet("/ledger", stub.Ledger);
        return app;
    }

    private object Take(Charge charge)
    {
        // A refund that overtakes its charge is the last word on the order.
        if (!_refunded.ContainsKey(charge.Order))
            _charged[charge.Order] = charge.Amount;
        return new { id = $"charge-{_charged.Count}" };
    }

    private object GiveBack(Order order)
    {
        _refunded[order.Name] = _charged.GetValueOrDefault(order.Name);
        return new { amount = _refunded[order.Name] };
    }

    private object Book(Order order)
    {
        _booked.Add(order.Name);
        return new { number = $"parcel-{_booked.Count}" };
    }

    private object Cancel(Order order)
    {
        _cancelled.Add(order.Name);
        return new { };
    }

    private async Task<IResult> PlayAsync(string who, HttpContext http, bool canRefuse, Func<object> act)
    {
        var key = http.Request.Headers["Idempotency-Key"].ToString();
        if (key.Length == 0)
            return Results.Problem("An Idempotency-Key is needed.", statusCode: 400);
        var (mood, call) = (_moods[who], Interlocked.Increment(ref _calls));
        if (mood == "refuses" && canRefuse)
            return Results.Problem($"The {who} declines.", statusCode: who == "payment" ? 402 : 409);
        if (mood == "flaky" && call % 3 == 1)
            return Results.Problem($"The {who} is overloaded.", statusCode: 503);

        object? answer = null;
        var isNew = false;
        if (mood != "dead")
            lock (_lock)
                if (isNew = !_answers.TryGetValue(key, out answer))
                    _answers[key] = answer = act();

        if (mood == "slow" && isNew)
            await Task.Delay(TimeSpan.FromSeconds(3), http.RequestAborted);
        if (mood == "dead" || (mood == "flaky" && call % 3 == 2))
            http.Abort();
        return Results.Json(answer, statusCode: 201);
    }

    private IResult Switch(Dictionary<string, string> to)
    {
        if (to.Any(pair => !_moods.ContainsKey(pair.Key) || !moods.Contains(pair.Value)))
            return Results.Problem($"Expected payment, courier, or both, each as one of {string.Join(", ", moods)}.", statusCode: 400);
        foreach (var (who, mood) in to)
            _moods[who] = mood;
        return Results.Json(_moods);
    }

    private object Ledger()
    {
        lock (_lock)
            return new
            {
                charged = _charged.Values.Sum(),
                refunded = _refunded.Values.Sum(),
                booked = _booked.Count,
                cancelled = _cancelled.Count(_booked.Contains),
                orders = _charged.Select(pair => new { order = pair.Key, charged = pair.Value, refunded = _refunded.GetValueOrDefault(pair.Key) }).ToArray(),
            };
    }

    private sealed record Charge(string Order, decimal Amount);

    private sealed record Order([property: System.Text.Json.Serialization.JsonPropertyName("order")] string Name);
}
