#!/usr/bin/env dotnet
#:sdk Microsoft.NET.Sdk.Web
#:project ../src/Mainstay

// A webhook that is called more than once for the same event, as every sender does when it is in doubt. Of Mainstay it uses the inbox, jobs, and a
// database to try it on.

using Mainstay;
using Npgsql;

var builder = WebApplication.CreateBuilder(args);
await using var postgres = await PrivatePostgres.StartAsync(builder);

builder.Services.AddSingleton(NpgsqlDataSource.Create(postgres.ConnectionString));
builder.Services.AddInbox(inbox => inbox.Source("payments"));
builder.Services.AddJobs(jobs => jobs.Job<SendReceipt>("send-receipt", (SendReceipt job, Outbound outbound) =>
    Console.WriteLine($"Receipt for {job.Amount} to {job.Customer}, key {outbound.Key}")));

var app = builder.Build();
await using (var setUp = app.Services.GetRequiredService<NpgsqlDataSource>().CreateCommand("create table if not exists balances (customer text primary key, amount numeric not null)"))
    await setUp.ExecuteNonQueryAsync();

// Balance, receipt and the record that the event was received are one commit. A repetition changes nothing and gets the same answer.
app.MapPost("/webhooks/payments", (Payment payment, Inbox inbox) => inbox.ReceiveAsync("payments", payment.EventId, async work =>
{
    var balance = await work.QueryAsync<decimal>($"""
        insert into balances values ({payment.Customer}, {payment.Amount})
        on conflict (customer) do update set amount = balances.amount + excluded.amount
        returning amount
        """);
    work.Enqueue(new SendReceipt(payment.Customer, payment.Amount));
    return new Received(payment.EventId, balance[0]);
}));

await app.StartAsync();
Console.WriteLine($$"""

    {{postgres.Description}}
    Report a payment twice, and see that it counts once:

      curl -i {{app.Urls.First()}}/webhooks/payments --json '{"eventId":"evt_1","customer":"ada","amount":12.50}'
      curl -i {{app.Urls.First()}}/webhooks/payments --json '{"eventId":"evt_1","customer":"ada","amount":12.50}'

    """);
await app.WaitForShutdownAsync();

record Payment(string EventId, string Customer, decimal Amount);
record Received(string EventId, decimal Balance);
record SendReceipt(string Customer, decimal Amount);
