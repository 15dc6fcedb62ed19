#!/usr/bin/env dotnet
#:sdk Microsoft.NET.Sdk.Web
#:project ../src/Mainstay
#:package Dapper

// Background jobs in an ordinary ASP.NET Core application with Dapper. Of Mainstay it uses this one block, and a database to try it on.

using Dapper;
using Mainstay;
using Npgsql;

var builder = WebApplication.CreateBuilder(args);
await using var postgres = await PrivatePostgres.StartAsync(builder);

builder.Services.AddSingleton(NpgsqlDataSource.Create(postgres.ConnectionString));
builder.Services.AddJobs(jobs =>
{
    jobs.Queue("mail").PerNode(20).Rate(100, per: TimeSpan.FromSeconds(1));

    // At least once: the key is the same at every attempt, for the other side to recognize.
    jobs.Job<SendWelcome>("send-welcome", (SendWelcome job, Outbound outbound) =>
        Console.WriteLine($"Mail to {job.Email}, key {outbound.Key}, attempt {outbound.Attempt}")).Queue("mail").Retry(8).FairTo((SendWelcome job) => job.Email.Split('@')[^1]);

    // Once: the change and the end of the job are one commit.
    jobs.Job<EndTrial>("end-trial", (EndTrial job, UnitOfWork work) =>
        work.ExecuteAsync($"update members set trial = false where email = {job.Email}")).Unique((EndTrial job) => job.Email);
});

var app = builder.Build();
await using (var setUp = app.Services.GetRequiredService<NpgsqlDataSource>().CreateCommand("create table if not exists members (email text primary key, trial boolean not null)"))
    await setUp.ExecuteNonQueryAsync();

app.MapPost("/members", async (Join input, NpgsqlDataSource source, Jobs jobs) =>
{
    await using var connection = await source.OpenConnectionAsync();
    await using var transaction = await connection.BeginTransactionAsync();
    await connection.ExecuteAsync("insert into members values (@Email, true) on conflict (email) do update set trial = true", input, transaction);

    // Row and jobs in one commit: there are never some without the others.
    await jobs.EnqueueAsync(new SendWelcome(input.Email), transaction);
    await jobs.EnqueueAsync(new EndTrial(input.Email), transaction, after: TimeSpan.FromSeconds(10));
    await transaction.CommitAsync();
    jobs.Wake();
    return Results.Accepted();
});

// What was given up is not lost: look at it, and try it again.
app.MapGet("/dead-letters", (DeadLetters letters) => letters.ListAsync());
app.MapPost("/dead-letters/{id}/redrive", async (Guid id, DeadLetters letters) => await letters.RedriveAsync(id, "asked for by hand") ? Results.Accepted() : Results.NotFound());

app.MapGet("/members", async (NpgsqlDataSource source) =>
{
    await using var connection = await source.OpenConnectionAsync();
    return await connection.QueryAsync("select email, trial from members order by email limit 100");
});

await app.StartAsync();
Console.WriteLine($$"""

    {{postgres.Description}}
    Join, and see the trial end after ten seconds:

      curl -i {{app.Urls.First()}}/members --json '{"email":"ada@example.com"}'
      curl {{app.Urls.First()}}/members

    """);
await app.WaitForShutdownAsync();

record Join(string Email);
record SendWelcome(string Email);
record EndTrial(string Email);
