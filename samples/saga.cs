#!/usr/bin/env dotnet
#:sdk Microsoft.NET.Sdk.Web
#:project ../src/Mainstay

// A saga in an ordinary ASP.NET Core application: a trip of which every part is booked somewhere else, and which is wholly booked in the end, or not at all.

using System.Collections.Concurrent;
using System.Text.Json;
using Mainstay;
using Npgsql;

var builder = WebApplication.CreateBuilder(args);
await using var postgres = await PrivatePostgres.StartAsync(builder);

builder.Services.ConfigureHttpJsonOptions(json => json.SerializerOptions.Converters.Add(new System.Text.Json.Serialization.JsonStringEnumConverter(JsonNamingPolicy.CamelCase)));
builder.Services.AddSingleton(NpgsqlDataSource.Create(postgres.ConnectionString));
builder.Services.AddSingleton<Agencies>();
builder.Services.AddOutbox(outbox => outbox.Event<TripPaid>("trip.paid"));
builder.Services.AddJobs(jobs =>
{
    var soldOut = TimeSpan.FromMilliseconds(200);
    jobs.Saga<BookTrip>("book trip")
        .By(trip => trip.Trip)
        .Step("reserve flight",
            (BookTrip trip, Outbound outbound, Agencies agencies) => agencies.BookAsync<Flight>(trip.Destination, outbound.Key),
            undo: (Flight flight, Outbound outbound, Agencies agencies) => agencies.CancelAsync(flight.Number, outbound.Key))
        .Step("reserve hotel",
            (BookTrip trip, Outbound outbound, Agencies agencies) => agencies.BookAsync<Hotel>(trip.Destination, outbound.Key),
            undo: (Hotel hotel, Outbound outbound, Agencies agencies) => agencies.CancelAsync(hotel.Number, outbound.Key),
            options: step => step.Retry(4, from: soldOut, to: soldOut))
        .Wait<TripPaid>("paid", paid => paid.Trip, within: TimeSpan.FromSeconds(20))
        .Step("confirm", (BookTrip trip, Flight flight, Hotel hotel, UnitOfWork work) =>
            work.ExecuteAsync($"insert into trips values ({trip.Trip}, {flight.Number}, {hotel.Number})"))
        .Within(TimeSpan.FromMinutes(10));
});

var app = builder.Build();
await using (var setUp = app.Services.GetRequiredService<NpgsqlDataSource>().CreateCommand("create table if not exists trips (trip text primary key, flight text not null, hotel text not null)"))
    await setUp.ExecuteNonQueryAsync();

app.MapPost("/trips", async (BookTrip trip, Jobs jobs) =>
{
    await jobs.EnqueueAsync(trip);
    return Results.Accepted();
});

app.MapPost("/trips/{trip}/payment", async (string trip, Outbox outbox, NpgsqlDataSource source) =>
{
    await using var connection = await source.OpenConnectionAsync();
    await using var transaction = await connection.BeginTransactionAsync();
    await outbox.PublishAsync(new TripPaid(trip), transaction);
    await transaction.CommitAsync();
    outbox.Wake();
    return Results.Accepted();
});

// How it stands: open ones, then those that have come to their end, or back to their beginning.
app.MapGet("/trips/{trip}", async (string trip, Sagas sagas) =>
{
    foreach (var status in new SagaStatus?[] { null, SagaStatus.Completed, SagaStatus.Compensated })
        if (await sagas.ListAsync(new SagaFilter { Saga = "book trip", Key = trip, Status = status }, size: 1) is [var found])
            return Results.Ok(await sagas.FindAsync(found.Id));
    return Results.Ok(new { status = "accepted" });     // and not begun yet
});

await app.StartAsync();
Console.WriteLine($$"""

    {{postgres.Description}}
    Book a trip and pay it within twenty seconds; or do not, and see flight and hotel given back. There is no hotel in Atlantis:

      curl -i {{app.Urls.First()}}/trips --json '{"trip":"t1","destination":"Rome"}'
      curl -i -X POST {{app.Urls.First()}}/trips/t1/payment
      curl {{app.Urls.First()}}/trips/t1
      curl -i {{app.Urls.First()}}/trips --json '{"trip":"t2","destination":"Atlantis"}'
      curl {{app.Urls.First()}}/trips/t2

    """);
await app.WaitForShutdownAsync();

record BookTrip(string Trip, string Destination);
record TripPaid(string Trip);
record Flight(string Number);
record Hotel(string Number);

/// <summary>Stands for what is booked elsewhere. It knows the keys that it has seen, so that a step which is done again books nothing twice.</summary>
sealed class Agencies
{
    private readonly ConcurrentDictionary<string, string> _booked = [];

    public async Task<T> BookAsync<T>(string destination, string key)
    {
        await Task.Delay(100);
        if (destination == "Atlantis" && typeof(T) == typeof(Hotel))
            throw new IOException("No hotel answers.");
        var number = _booked.GetOrAdd(key, _ => $"{typeof(T).Name[0]}-{_booked.Count + 1}");
        Console.WriteLine($"Booked {number} to {destination}.");
        return (T)Activator.CreateInstance(typeof(T), number)!;
    }

    public Task CancelAsync(string number, string key)
    {
        if (_booked.TryAdd(key, number))
            Console.WriteLine($"Cancelled {number}.");
        return Task.CompletedTask;
    }
}
