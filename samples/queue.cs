#!/usr/bin/env dotnet
#:sdk Microsoft.NET.Sdk.Web
#:project ../src/Mainstay

// What handlers of queued work can be told: how failures are retried, what is not done twice, what is handled together. An import of orders that are
// charged at a bank which is away now and then.

using Mainstay;
using Npgsql;

var builder = WebApplication.CreateBuilder(args);
await using var postgres = await PrivatePostgres.StartAsync(builder);

builder.Services.AddSingleton(NpgsqlDataSource.Create(postgres.ConnectionString));
builder.Services.AddSingleton<Bank>();
builder.Services.AddJobs(jobs =>
{
    jobs.Queue("bank").PerNode(8);

    // In steps: when the second fails, the retry does not charge again. A step in a transaction has happened once.
    jobs.Job<ChargeOrder>("charge-order", async (ChargeOrder job, Outbound outbound, Bank bank) =>
        {
            var charge = await outbound.StepAsync("charge", key => bank.ChargeAsync(job, key));
            await outbound.CommitAsync("record", async work =>
            {
                await work.ExecuteAsync($"insert into charges values ({job.Number}, {charge.Id})");
                work.Enqueue(new CountCharge(job.Amount));
            });
            await outbound.StepAsync("confirm", key => bank.ConfirmAsync(charge, key));
        })
        .Queue("bank")
        .Retry(8, from: TimeSpan.FromMilliseconds(200), to: TimeSpan.FromMinutes(10))
        .On<CardDeclined>(RetryRule.Never)
        .GiveUpAfter(TimeSpan.FromHours(24))
        .Timeout(TimeSpan.FromSeconds(10));

    // Together: one statement and one commit for up to two hundred.
    jobs.Job<CountCharge>("count-charge", (IReadOnlyList<CountCharge> all, UnitOfWork work) =>
            work.ExecuteAsync($"update totals set charges = charges + {all.Count}, amount = amount + {all.Sum(charge => charge.Amount)}"))
        .Batch(200, linger: TimeSpan.FromMilliseconds(50));
});

var app = builder.Build();
await using (var setUp = app.Services.GetRequiredService<NpgsqlDataSource>().CreateCommand("""
    create table if not exists charges (number bigint primary key, charge text not null);
    create table if not exists totals (charges bigint not null, amount numeric not null);
    insert into totals select 0, 0 where not exists (select from totals);
    """))
    await setUp.ExecuteNonQueryAsync();

// Many at once, by a single COPY.
app.MapPost("/imports", async (Import input, Jobs jobs) =>
{
    var first = Random.Shared.NextInt64(1L << 40);
    var count = await jobs.EnqueueManyAsync(Enumerable.Range(0, input.Orders).Select(i => new ChargeOrder(first + i, 12)));
    return Results.Accepted(value: new { enqueued = count });
});

app.MapGet("/totals", async (NpgsqlDataSource source) =>
{
    await using var command = source.CreateCommand("select charges, amount, (select count(*) from mainstay.jobs), (select count(*) from mainstay.jobs_dead) from totals");
    await using var reader = await command.ExecuteReaderAsync();
    await reader.ReadAsync();
    return new { charges = reader.GetInt64(0), amount = reader.GetDecimal(1), waiting = reader.GetInt64(2), declined = reader.GetInt64(3) };
});

await app.StartAsync();
Console.WriteLine($$"""

    {{postgres.Description}}
    Import a hundred orders, and see how they are charged, one in fifty declined, the others once:

      curl -i {{app.Urls.First()}}/imports --json '{"orders":100}'
      curl {{app.Urls.First()}}/totals

    """);
await app.WaitForShutdownAsync();

record Import(int Orders);
record ChargeOrder(long Number, decimal Amount);
record CountCharge(decimal Amount);
record Charge(string Id);
class CardDeclined(string message) : Exception(message);

/// <summary>A bank that declines some cards, is away at every fifth confirmation, and knows a key again.</summary>
class Bank
{
    private int _orders, _confirmations;

    public Task<Charge> ChargeAsync(ChargeOrder order, string key) =>
        Interlocked.Increment(ref _orders) % 50 == 0 ? throw new CardDeclined($"The card of order {order.Number} was declined.") : Task.FromResult(new Charge($"ch_{key}"));

    public Task ConfirmAsync(Charge charge, string key) =>
        Interlocked.Increment(ref _confirmations) % 5 == 0 ? throw new HttpRequestException($"The bank is away and did not confirm {charge.Id} ({key}).") : Task.CompletedTask;
}
