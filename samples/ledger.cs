#!/usr/bin/env dotnet
#:sdk Microsoft.NET.Sdk.Web
#:project ../src/Mainstay

// Wallets in an ordinary ASP.NET Core application: what is paid in, what is spent with a fee, what is set aside, and statements. Of Mainstay it uses this one block, and a database to try it on.

using Mainstay;
using Npgsql;

var euro = new LedgerCurrency("EUR", 2);

var builder = WebApplication.CreateBuilder(args);
await using var postgres = await PrivatePostgres.StartAsync(builder);

builder.Services.AddSingleton(NpgsqlDataSource.Create(postgres.ConnectionString));
builder.Services.AddLedger(new LedgerOptions { Currencies = [euro] });

var app = builder.Build();
var api = app.MapGroup("").WithLedgerProblems();

// Debits increase what is owned, credits what is owed: the bank account is ours, the money in wallets is our customers', fees are earned.
Task<LedgerAccount> Bank(Ledger ledger) => ledger.OpenAsync(new NewLedgerAccount("bank", "EUR", LedgerSide.Debit) { Least = null });
Task<LedgerAccount> Wallet(Ledger ledger, string owner) => ledger.OpenAsync(new NewLedgerAccount($"wallet:{owner}", "EUR", LedgerSide.Credit));

// Every payment touches it, so its balance is folded later: payments do not wait for each other.
Task<LedgerAccount> Fees(Ledger ledger) => ledger.OpenAsync(new NewLedgerAccount("fees", "EUR", LedgerSide.Credit) { Least = null, IsDeferred = true });

api.MapPost("/deposits", async (Deposit input, Ledger ledger) =>
{
    var (bank, wallet) = (await Bank(ledger), await Wallet(ledger, input.Owner));
    // By its key a repetition is known, and gets the first one's answer.
    return await ledger.TransferAsync(LedgerTransfer.Between(debit: bank.Id, credit: wallet.Id, euro.Units(input.Amount)) with { Key = input.Number, Description = "deposit" });
});

api.MapPost("/payments", async (Payment input, Ledger ledger, NpgsqlDataSource source) =>
{
    var (from, to, fees) = (await Wallet(ledger, input.From), await Wallet(ledger, input.To), await Fees(ledger));
    var (amount, fee) = (euro.Units(input.Amount), euro.Units(0.10m));

    // Row and transfer in one commit: there is never one without the other.
    await using var connection = await source.OpenConnectionAsync();
    await using var transaction = await connection.BeginTransactionAsync();
    await using (var insert = new NpgsqlCommand("insert into payments values ($1, $2)", connection, transaction) { Parameters = { new() { Value = input.From }, new() { Value = input.To } } })
        await insert.ExecuteNonQueryAsync();
    var posting = await ledger.In(transaction).TransferAsync(new LedgerTransfer(
        LedgerEntry.Debit(from.Id, amount + fee), LedgerEntry.Credit(to.Id, amount), LedgerEntry.Credit(fees.Id, fee)) { Description = $"to {input.To}" });
    await transaction.CommitAsync();
    return posting;
});

// Set aside first, and taken when it is known how much it comes to. The rest is released.
api.MapPost("/rides", async (Ride input, Ledger ledger) =>
{
    var (rider, fees) = (await Wallet(ledger, input.Rider), await Fees(ledger));
    var hold = await ledger.HoldAsync(new NewLedgerHold(rider.Id, euro.Units(input.Most)) { For = TimeSpan.FromHours(1) });
    return await ledger.TransferAsync(LedgerTransfer.Between(debit: rider.Id, credit: fees.Id, euro.Units(input.Price)) with { Captures = hold.Id, Description = "ride" });
});

api.MapGet("/wallets/{owner}", async (string owner, Ledger ledger) =>
{
    var wallet = await Wallet(ledger, owner);
    var statement = await ledger.StatementAsync(wallet.Id, new LedgerStatement { Size = 20 });
    return new
    {
        balance = euro.Amount(wallet.Balance),
        lines = statement.Lines.Select(line => new { line.Number, amount = euro.Amount(line.Amount), balance = euro.Amount(line.Balance), line.Description }),
    };
});

api.MapGet("/sound", async (Ledger ledger) => await ledger.VerifyAsync());

await using (var setUp = app.Services.GetRequiredService<NpgsqlDataSource>().CreateCommand("create table if not exists payments (payer text not null, payee text not null)"))
    await setUp.ExecuteNonQueryAsync();
await app.StartAsync();
Console.WriteLine($$"""

    {{postgres.Description}}
    Pay in twice what is one deposit, pay with a fee, take a ride, and read the statement:

      curl {{app.Urls.First()}}/deposits --json '{"number":"D-1","owner":"ada","amount":50.00}'
      curl {{app.Urls.First()}}/deposits --json '{"number":"D-1","owner":"ada","amount":50.00}'
      curl {{app.Urls.First()}}/payments --json '{"from":"ada","to":"bob","amount":12.34}'
      curl {{app.Urls.First()}}/rides --json '{"rider":"ada","most":20.00,"price":7.50}'
      curl {{app.Urls.First()}}/sound
      curl {{app.Urls.First()}}/wallets/ada

    """);
await app.WaitForShutdownAsync();

record Deposit(string Number, string Owner, decimal Amount);
record Payment(string From, string To, decimal Amount);
record Ride(string Rider, decimal Most, decimal Price);
