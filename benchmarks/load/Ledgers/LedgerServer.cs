using System.Diagnostics;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Mainstay.Benchmarks;

/// <summary>How transfers are recorded.</summary>
internal enum TransferForm
{
    /// <summary>As the guide shows it: one call, which commits with others.</summary>
    Ledger,

    /// <summary>The function of the ledger, called by plain SQL: one statement that commits by itself.</summary>
    Call,

    /// <summary>In a transaction of the application: begin, one call, commit, each a round trip.</summary>
    Transaction,

    /// <summary>What is written by hand: both balances locked, both updated, transfer and entries inserted, each a statement; in one transaction.</summary>
    Naive,
}

/// <summary>A ledger with accounts, in a process of its own that is told over HTTP to make transfers.</summary>
internal static class LedgerServer
{
    private const int Accounts = 10_000;
    private const int ConnectionsMost = 64;

    private const string NaiveTables = """
        create table if not exists naive_accounts (id uuid primary key, balance bigint not null check (balance >= -1000000000000));
        create table if not exists naive_transfers (id uuid primary key, at timestamptz not null default now());
        create table if not exists naive_entries (id bigint generated always as identity primary key, transfer uuid not null references naive_transfers, account uuid not null references naive_accounts, amount bigint not null, balance bigint not null);
        create index if not exists naive_entries_account_idx on naive_entries (account, id);
        """;

    public static async Task<int> RunAsync(string[] settings)
    {
        var builder = WebApplication.CreateSlimBuilder(settings);
        builder.Logging.ClearProviders();
        var connectionString = new NpgsqlConnectionStringBuilder(builder.Configuration.GetConnectionString("mainstay")) { MaxPoolSize = ConnectionsMost, MaxAutoPrepare = 64, AutoPrepareMinUsages = 2, NoResetOnClose = true, IncludeFailedBatchedCommand = true };
        builder.Services.AddSingleton(NpgsqlDataSource.Create(connectionString));
        builder.Services.AddLedger(new LedgerOptions { Currencies = [new("EUR", 2)] });
        await using var app = builder.Build();
        app.MapGet("/health/ready", () => "ready");
        LedgerLoad? load = null;
        app.MapPost("/fill", async (Ledger ledger, NpgsqlDataSource source) => { load = await FillAsync(ledger, source); });
        app.MapPost("/transfer", (TransferForm form, bool hot, bool deferred, int writers, int seconds) => load!.RunAsync(form, hot, deferred, writers, seconds));
        app.MapGet("/sound", async (Ledger ledger) => (await ledger.VerifyAsync(TimeSpan.FromMinutes(1))).IsSound);
        await app.RunAsync();
        return 0;
    }

    private static async Task<LedgerLoad> FillAsync(Ledger ledger, NpgsqlDataSource source)
    {
        var hot = await ledger.OpenAsync(new NewLedgerAccount("hot", "EUR", LedgerSide.Debit) { Least = null });
        var deferred = await ledger.OpenAsync(new NewLedgerAccount("deferred", "EUR", LedgerSide.Debit) { Least = null, IsDeferred = true });
        // By number, so that pgbench can name the same ones.
        Id<LedgerAccount>[] accounts = [.. Enumerable.Range(1, Accounts).Select(number => Id<LedgerAccount>.From(new Guid($"01a00000-0000-7000-9000-{number:x12}")))];
        await using var batch = source.CreateBatch();
        batch.BatchCommands.Add(new NpgsqlBatchCommand("insert into mainstay.ledger_accounts (id, code, currency, sign, least) select id, id::text, 'EUR', -1, -1000000000000 from unnest($1) as id") { Parameters = { new() { Value = accounts.Select(id => id.Value).ToArray() } } });
        batch.BatchCommands.Add(new NpgsqlBatchCommand("insert into naive_accounts select id, 0 from mainstay.ledger_accounts"));
        await using (var tables = source.CreateCommand(NaiveTables))
            await tables.ExecuteNonQueryAsync();
        await batch.ExecuteNonQueryAsync();
        await using (var analyze = source.CreateCommand("vacuum (analyze) mainstay.ledger_accounts"))
            await analyze.ExecuteNonQueryAsync();
        return new LedgerLoad(ledger, source, accounts, hot.Id, deferred.Id);
    }
}

/// <summary>Writers that each make one transfer after the other.</summary>
internal sealed class LedgerLoad(Ledger ledger, NpgsqlDataSource source, Id<LedgerAccount>[] accounts, Id<LedgerAccount> hot, Id<LedgerAccount> deferred)
{
    /// <param name="form">How.</param>
    /// <param name="isHot">Whether every transfer is from one account.</param>
    /// <param name="isDeferred">Whether that one is deferred.</param>
    /// <param name="writers">How many at once.</param>
    /// <param name="seconds">For how long.</param>
    public async Task<JobsDone> RunAsync(TransferForm form, bool isHot, bool isDeferred, int writers, int seconds)
    {
        var began = Stopwatch.GetTimestamp();
        var times = await Task.WhenAll(Enumerable.Range(0, writers).Select(_ => Task.Run(async () =>
        {
            var own = new List<double>();
            for (var now = began; Stopwatch.GetElapsedTime(began, now).TotalSeconds < seconds;)
            {
                await TransferAsync(form, !isHot ? Any() : isDeferred ? deferred : hot, Any());
                var after = Stopwatch.GetTimestamp();
                own.Add(Stopwatch.GetElapsedTime(now, after).TotalMilliseconds);
                now = after;
            }
            return own;
        })));
        return JobsDone.Of(Stopwatch.GetElapsedTime(began).TotalSeconds, [.. times.SelectMany(own => own)]);
    }

    private Id<LedgerAccount> Any() => accounts[Random.Shared.Next(accounts.Length)];

    private async Task TransferAsync(TransferForm form, Id<LedgerAccount> from, Id<LedgerAccount> to)
    {
        if (from == to)
            return;
        var transfer = LedgerTransfer.Between(debit: from, credit: to, 1);
        switch (form)
        {
            case TransferForm.Ledger:
                await ledger.TransferAsync(transfer);
                break;
            case TransferForm.Call:
                await using (var call = source.CreateCommand("select * from mainstay.ledger_transfer($1, $2, $3)"))
                {
                    call.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = transfer.Id.Value });
                    call.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = [from.Value, to.Value] });
                    call.Parameters.Add(new NpgsqlParameter<long[]> { TypedValue = [1, -1] });
                    await call.ExecuteNonQueryAsync();
                }
                break;
            case TransferForm.Transaction:
                await using (var connection = await source.OpenConnectionAsync())
                {
                    await using var transaction = await connection.BeginTransactionAsync();
                    await ledger.In(transaction).TransferAsync(transfer);
                    await transaction.CommitAsync();
                }
                break;
            default:
                await NaiveAsync(from.Value, to.Value, 1);
                break;
        }
    }

    private async Task NaiveAsync(Guid from, Guid to, long amount)
    {
        await using var connection = await source.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        var balances = new Dictionary<Guid, long>();
        await using (var locked = Command("select id, balance from naive_accounts where id = $1 or id = $2 order by id for update", from, to))
        await using (var reader = await locked.ExecuteReaderAsync())
            while (await reader.ReadAsync())
                balances[reader.GetGuid(0)] = reader.GetInt64(1);
        balances[from] += amount;
        balances[to] -= amount;
        await ExecuteAsync("update naive_accounts set balance = $2 where id = $1", from, balances[from]);
        await ExecuteAsync("update naive_accounts set balance = $2 where id = $1", to, balances[to]);
        var transfer = Guid.CreateVersion7();
        await ExecuteAsync("insert into naive_transfers (id) values ($1)", transfer);
        await ExecuteAsync("insert into naive_entries (transfer, account, amount, balance) values ($1, $2, $3, $4), ($1, $5, -$3, $6)", transfer, from, amount, balances[from], to, balances[to]);
        await transaction.CommitAsync();

        NpgsqlCommand Command(string sql, params object[] values)
        {
            var command = new NpgsqlCommand(sql, connection, transaction);
            foreach (var value in values)
                command.Parameters.Add(new NpgsqlParameter { Value = value });
            return command;
        }

        async Task ExecuteAsync(string sql, params object[] values)
        {
            await using var command = Command(sql, values);
            await command.ExecuteNonQueryAsync();
        }
    }
}
