using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>Random transfers at the same time, in all the ways in which they can be made, while connections are cut. The seed is printed with a failure.</summary>
public sealed class LedgerConcurrencyTests(PostgresFixture postgres) : LedgerDatabaseTests(postgres)
{
    private const int Wallets = 6;
    private const int Paid = 10_000;

    public static TheoryData<int> Seeds => [1, Random.Shared.Next()];

    [Theory, MemberData(nameof(Seeds), DisableDiscoveryEnumeration = true)]
    public async Task Money_is_conserved_and_no_wallet_goes_negative(int seed)
    {
        var (bank, fees, wallets) = await FillAsync();

        var recorded = await Task.WhenAll(Enumerable.Range(0, 8).Select(worker => Task.Run(() => TransferAsync(new Random(seed + worker), bank, fees, wallets, 25), Stop)));

        await ShouldHoldAsync(wallets, bank, fees, [.. recorded.SelectMany(ids => ids)], $"seed {seed}");
    }

    [Theory, MemberData(nameof(Seeds), DisableDiscoveryEnumeration = true)]
    public async Task Lost_connections_lose_and_double_nothing(int seed)
    {
        var (bank, fees, wallets) = await FillAsync();
        using var done = new CancellationTokenSource();
        var cutting = Task.Run(() => CutAsync(done.Token), Stop);

        var recorded = await Task.WhenAll(Enumerable.Range(0, 8).Select(worker => Task.Run(() => TransferAloneAsync(new Random(seed + worker), fees, wallets, 25), Stop)));
        await done.CancelAsync();
        await cutting;

        await ShouldHoldAsync(wallets, bank, fees, [.. recorded.SelectMany(ids => ids)], $"seed {seed}");
    }

    [Fact]
    public async Task Of_one_transfer_sent_many_times_at_once_one_is_recorded()
    {
        var (bank, _, wallets) = await FillAsync();
        var transfer = LedgerTransfer.Between(bank.Id, wallets[0].Id, 1) with { Key = "once" };

        var postings = await Task.WhenAll(Enumerable.Range(0, 32).Select(i => i % 2 == 0 ? Ledger.TransferAsync(transfer, Stop) : InTransactionAsync(ledger => ledger.TransferAsync(transfer with { Id = Id<LedgerTransfer>.New() }, Stop))));

        postings.Count(posting => posting.IsNew).ShouldBe(1);
        postings.Select(posting => posting.Transfer).Distinct().ShouldHaveSingleItem();
        (await BalanceAsync(wallets[0])).ShouldBe(Paid + 1);
    }

    [Fact]
    public async Task Whoever_holds_an_account_keeps_nobody_else_waiting()
    {
        var (bank, _, wallets) = await FillAsync();
        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using var holder = await connection.BeginTransactionAsync(Stop);
        await Ledger.In(holder).TransferAsync(LedgerTransfer.Between(wallets[0].Id, wallets[1].Id, 1), Stop);

        var waiting = Enumerable.Range(0, 4).Select(_ => Ledger.TransferAsync(LedgerTransfer.Between(wallets[0].Id, bank.Id, 1), Stop)).ToArray();
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Ledger.TransferAsync(LedgerTransfer.Between(wallets[2].Id, wallets[3].Id, 1), Stop)));
        waiting.ShouldAllBe(task => !task.IsCompleted);
        await holder.CommitAsync(Stop);
        await Task.WhenAll(waiting);

        (await BalanceAsync(wallets[0])).ShouldBe(Paid - 5);
        await ShouldBeSoundAsync();
    }

    [Fact]
    public async Task Whoever_waits_for_an_account_leaves_connections_to_others()
    {
        var (bank, _, wallets) = await FillAsync();
        await using var few = await PlainApplication.StartAsync($"{ConnectionString};Maximum Pool Size=12", services => services.AddLedger(new LedgerOptions { Currencies = [new("EUR", 2)] }));
        var ledger = few.Services.GetRequiredService<Ledger>();
        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using var holder = await connection.BeginTransactionAsync(Stop);
        await Ledger.In(holder).TransferAsync(LedgerTransfer.Between(wallets[0].Id, wallets[1].Id, 1), Stop);

        var waiting = Enumerable.Range(0, 60).Select(_ => ledger.TransferAsync(LedgerTransfer.Between(wallets[0].Id, bank.Id, 1), Stop)).ToArray();
        // So long that those that wait have been sent one by one.
        await Source.ShouldBecomeAsync("select count(*) > 0 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query_start < clock_timestamp() - interval '1 second'", true);
        await Task.WhenAll(Enumerable.Range(0, 20).Select(i => ledger.TransferAsync(LedgerTransfer.Between(wallets[2].Id, wallets[3].Id, 1), Stop)));
        (await ledger.RequireAsync(wallets[4].Id, Stop)).Balance.ShouldBe(Paid);
        waiting.ShouldAllBe(task => !task.IsCompleted);
        await holder.CommitAsync(Stop);
        await Task.WhenAll(waiting);

        (await BalanceAsync(wallets[0])).ShouldBe(Paid - 61);
    }

    [Fact]
    public async Task What_the_database_does_not_take_takes_nothing_from_those_beside_it()
    {
        var (bank, _, wallets) = await FillAsync();
        await Source.ExecuteAsync("""
            create function no_lottery() returns trigger language plpgsql as 'begin raise exception ''no lottery''; end';
            create trigger no_lottery before insert on mainstay.ledger_transfers for each row when (new.description = 'lottery') execute function no_lottery()
            """);

        var transfers = Enumerable.Range(0, 20).Select(i => Ledger.TransferAsync(LedgerTransfer.Between(wallets[0].Id, bank.Id, 1) with { Description = i == 15 ? "lottery" : null }, Stop)).ToArray();

        (await Should.ThrowAsync<PostgresException>(() => transfers[15])).MessageText.ShouldBe("no lottery");
        await Task.WhenAll(transfers.Where((_, i) => i != 15));
        (await BalanceAsync(wallets[0])).ShouldBe(Paid - 19);
    }

    /// <summary>Random transfers: alone, in transactions with several, captured, taken back, repeated. Gives what was recorded.</summary>
    private async Task<List<Id<LedgerTransfer>>> TransferAsync(Random random, LedgerAccount bank, LedgerAccount fees, LedgerAccount[] wallets, int count)
    {
        var recorded = new List<Id<LedgerTransfer>>();
        for (var i = 0; i < count; i++)
            try
            {
                switch (random.Next(5))
                {
                    case 0:
                        var hold = await Ledger.HoldAsync(new NewLedgerHold(wallets[random.Next(Wallets)].Id, random.Next(1, 2000)), Stop);
                        if (random.Next(3) == 0)
                            await Ledger.ReleaseAsync(hold.Id, Stop);
                        else
                            recorded.Add((await Ledger.TransferAsync(LedgerTransfer.Between(hold.Account, bank.Id, random.NextInt64(1, hold.Amount + 1)) with { Captures = hold.Id }, Stop)).Transfer);
                        break;
                    case 1:
                        var posting = await Ledger.TransferAsync(Any(random, fees, wallets), Stop);
                        recorded.Add(posting.Transfer);
                        recorded.Add((await Ledger.ReverseAsync(posting.Transfer, cancellation: Stop)).Transfer);
                        break;
                    case 2:
                        recorded.Add((await InTransactionAsync(ledger => ledger.TransferAsync(Any(random, fees, wallets), Stop))).Transfer);
                        break;
                    default:
                        var transfer = Any(random, fees, wallets);
                        recorded.Add((await Ledger.TransferAsync(transfer, Stop)).Transfer);
                        (await Ledger.TransferAsync(transfer, Stop)).IsNew.ShouldBeFalse();
                        break;
                }
            }
            catch (ProblemException refused) when (refused.Type == LedgerProblems.InsufficientFunds)
            {
            }
        return recorded;
    }

    private async Task<List<Id<LedgerTransfer>>> TransferAloneAsync(Random random, LedgerAccount fees, LedgerAccount[] wallets, int count)
    {
        var recorded = new List<Id<LedgerTransfer>>();
        for (var i = 0; i < count; i++)
            try
            {
                recorded.Add((await Ledger.TransferAsync(Any(random, fees, wallets), Stop)).Transfer);
            }
            catch (ProblemException refused) when (refused.Type == LedgerProblems.InsufficientFunds)
            {
            }
        return recorded;
    }

    private static LedgerTransfer Any(Random random, LedgerAccount fees, LedgerAccount[] wallets)
    {
        var (from, to) = (wallets[random.Next(Wallets)], wallets[random.Next(Wallets)]);
        long amount = random.Next(1, 3000), fee = random.Next(0, 3);
        return fee == 0 || from == to ? LedgerTransfer.Between(from.Id, from == to ? fees.Id : to.Id, amount)
            : new LedgerTransfer(LedgerEntry.Credit(to.Id, amount), LedgerEntry.Debit(from.Id, amount + fee), LedgerEntry.Credit(fees.Id, fee));
    }

    private async Task<LedgerPosting> InTransactionAsync(Func<Ledger, Task<LedgerPosting>> call)
    {
        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using var transaction = await connection.BeginTransactionAsync(Stop);
        var posting = await call(Ledger.In(transaction));
        await transaction.CommitAsync(Stop);
        return posting;
    }

    /// <summary>Ends one connection of the ledger after the other, in whatever it is at, each after some transfers: where one takes long, it would else be cut at every attempt.</summary>
    private async Task CutAsync(CancellationToken done)
    {
        Task<long> RecordedAsync() => Source.ScalarAsync<long>("select count(*) from mainstay.ledger_transfers");
        while (!done.IsCancellationRequested)
        {
            var before = await RecordedAsync();
            await Source.ExecuteAsync("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and state <> 'idle' and query like '%ledger_transfer%' and pid <> pg_backend_pid() order by random() limit 1");
            do
                await Task.Delay(50, CancellationToken.None);
            while (!done.IsCancellationRequested && await RecordedAsync() < before + 8);
        }
    }

    private async Task ShouldHoldAsync(LedgerAccount[] wallets, LedgerAccount bank, LedgerAccount fees, Id<LedgerTransfer>[] recorded, string seed)
    {
        await ShouldBeSoundAsync();
        var balances = await Task.WhenAll(wallets.Select(BalanceAsync));
        balances.ShouldAllBe(balance => balance >= 0, seed);
        (balances.Sum() + await BalanceAsync(fees) - await BalanceAsync(bank)).ShouldBe(0, seed);
        recorded.Length.ShouldBeGreaterThan(0, seed);
        recorded.Distinct().Count().ShouldBe(recorded.Length, seed);
        await using var command = Source.CreateCommand("select count(*) from mainstay.ledger_transfers where id = any($1)");
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = [.. recorded.Select(id => id.Value)] });
        (await command.ExecuteScalarAsync(Stop)).ShouldBe((long)recorded.Length, seed);
        (await Source.ScalarAsync<long>("select deadlocks from pg_stat_database where datname = current_database()")).ShouldBe(0, seed);
    }

    private async Task<(LedgerAccount Bank, LedgerAccount Fees, LedgerAccount[] Wallets)> FillAsync()
    {
        var bank = await BankAsync();
        var fees = await Ledger.OpenAsync(new NewLedgerAccount("fees", "EUR", LedgerSide.Credit) { Least = null, IsDeferred = true }, Stop);
        var wallets = await Task.WhenAll(Enumerable.Range(0, Wallets).Select(i => WalletAsync($"wallet {i}", bank, Paid)));
        return (bank, fees, wallets);
    }
}
