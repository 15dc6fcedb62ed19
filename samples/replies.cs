#!/usr/bin/env dotnet
#:sdk Microsoft.NET.Sdk.Web
#:project ../src/Mainstay

// Request and reply: a job that somebody waits for. A shop asks for the price of a parcel; whichever node is free works it out, and its reply is committed with what it writes.

using Mainstay;
using Npgsql;

var builder = WebApplication.CreateBuilder(args);
await using var postgres = await PrivatePostgres.StartAsync(builder);

builder.Services.AddSingleton(NpgsqlDataSource.Create(postgres.ConnectionString));
builder.Services.AddJobs(jobs =>
{
    jobs.Queue("quotes").PerNode(8);

    // The record says what the reply is, and the start refuses a handler that gives something else.
    jobs.Job<AskPrice>("ask-price", async (AskPrice ask, UnitOfWork work) =>
        {
            if (ask.Grams is < 1 or > 30_000)
                throw new ArgumentOutOfRangeException(nameof(ask), $"A parcel weighs {ask.Grams} g, expected 1 to 30,000.");
            var price = new Price(ask.City, 3.90m + (ask.Grams / 1000 * 0.60m));
            await work.ExecuteAsync($"insert into quotes values ({ask.City}, {price.Amount})");
            return price;
        })
        .Queue("quotes")
        .Retry(2);
});

var app = builder.Build();
await using (var setUp = app.Services.GetRequiredService<NpgsqlDataSource>().CreateCommand("create table if not exists quotes (city text not null, amount numeric not null)"))
    await setUp.ExecuteNonQueryAsync();

app.MapPost("/prices", async (AskPrice ask, Jobs jobs, CancellationToken cancellation) =>
{
    try
    {
        return Results.Ok(await jobs.AskAsync(ask, within: TimeSpan.FromSeconds(5), cancellation: cancellation));
    }
    catch (ProblemException refused)
    {
        return Results.Problem(refused.Message, title: refused.Type.Title, statusCode: refused.Type.Status);
    }
});

await app.StartAsync();
Console.WriteLine($$"""

    {{postgres.Description}}
    Ask for a price. For 0 g none can be worked out, and whoever asks is told so when the second attempt has failed as well.

      curl -i {{app.Urls.First()}}/prices --json '{"city":"Bremen","grams":2500}'

    """);
await app.WaitForShutdownAsync();

record AskPrice(string City, int Grams) : IRequest<Price>;
record Price(string City, decimal Amount);
