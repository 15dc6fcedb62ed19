using Mainstay.Internal;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>Accounts, transfers, reversals and statements, with transactions of their own and of the application's.</summary>
public sealed class LedgerTests(PostgresFixture postgres) : LedgerDatabaseTests(postgres)
{
    [Fact]
    public async Task A_transfer_moves_an_amount_and_each_account_counts_in_its_own_direction()
    {
        var (bank, ada, bob) = (await BankAsync(), await WalletAsync("ada"), await WalletAsync("bob"));

        var posting = await Ledger.TransferAsync(LedgerTransfer.Between(debit: bank.Id, credit: ada.Id, 1000), Stop);
        await Ledger.TransferAsync(LedgerTransfer.Between(debit: ada.Id, credit: bob.Id, 300), Stop);

        posting.IsNew.ShouldBeTrue();
        (await BalanceAsync(bank), await BalanceAsync(ada), await BalanceAsync(bob)).ShouldBe((1000, 700, 300));
        await ShouldBeSoundAsync();
    }

    [Fact]
    public async Task An_account_keeps_its_limit()
    {
        var (bank, ada) = (await BankAsync(), await WalletAsync("ada"));
        await Ledger.TransferAsync(LedgerTransfer.Between(bank.Id, ada.Id, 1000), Stop);

        await ShouldBeRefusedAsync(() => Ledger.TransferAsync(LedgerTransfer.Between(ada.Id, bank.Id, 1001), Stop), LedgerProblems.InsufficientFunds);
        (await Ledger.LimitAsync(ada.Id, -500, Stop)).Available.ShouldBe(1500);
        await Ledger.TransferAsync(LedgerTransfer.Between(ada.Id, bank.Id, 1500), Stop);
        await ShouldBeRefusedAsync(() => Ledger.TransferAsync(LedgerTransfer.Between(ada.Id, bank.Id, 1), Stop), LedgerProblems.InsufficientFunds);
        await ShouldBeRefusedAsync(() => Ledger.LimitAsync(ada.Id, 0, Stop), LedgerProblems.InsufficientFunds);

        (await BalanceAsync(ada)).ShouldBe(-500);
        await ShouldBeSoundAsync();
    }

    [Fact]
    public async Task A_repetition_gives_the_first_and_another_content_is_refused()
    {
        var (bank, ada) = (await BankAsync(), await WalletAsync("ada"));
        var transfer = LedgerTransfer.Between(bank.Id, ada.Id, 1000) with { Key = "order 1", Description = "first", Metadata = System.Text.Json.JsonSerializer.SerializeToElement(new { order = 1 }) };

        var first = await Ledger.TransferAsync(transfer, Stop);
        var again = await Ledger.TransferAsync(transfer, Stop);
        var byKey = await Ledger.TransferAsync(transfer with { Id = Id<LedgerTransfer>.New() }, Stop);

        (first.IsNew, again.IsNew, byKey.IsNew).ShouldBe((true, false, false));
        (again.Transfer, byKey.Transfer, byKey.At).ShouldBe((first.Transfer, first.Transfer, first.At));
        await ShouldBeRefusedAsync(() => Ledger.TransferAsync(transfer with { Description = "second" }, Stop), LedgerProblems.TransferReused);
        await ShouldBeRefusedAsync(() => Ledger.TransferAsync(LedgerTransfer.Between(bank.Id, ada.Id, 999) with { Key = "order 1" }, Stop), LedgerProblems.TransferReused);
        (await BalanceAsync(ada)).ShouldBe(1000);
        await ShouldBeSoundAsync();
    }

    [Fact]
    public async Task A_recorded_transfer_is_read_with_what_caused_it_and_what_has_reversed_it()
    {
        var (bank, ada) = (await BankAsync(), await WalletAsync("ada"));
        var transfer = LedgerTransfer.Between(bank.Id, ada.Id, 1000) with { Key = "order 1", Description = "first", Reference = "order", Metadata = System.Text.Json.JsonSerializer.SerializeToElement(new { order = 1 }), EffectiveAt = new DateTimeOffset(2026, 1, 31, 0, 0, 0, TimeSpan.Zero) };
        var posting = await Ledger.TransferAsync(transfer, Stop);
        var reversal = await Ledger.ReverseAsync(posting.Transfer, cancellation: Stop);

        var record = (await Ledger.FindTransferAsync("order 1", Stop)).ShouldNotBeNull();

        record.Transfer.Entries.ShouldBe(transfer.Entries, ignoreOrder: true);
        (record.Transfer with { Metadata = null }).ShouldBe(new LedgerTransfer(record.Transfer.Entries) { Id = transfer.Id, Key = "order 1", Description = "first", Reference = "order", EffectiveAt = transfer.EffectiveAt });
        record.Transfer.Metadata!.Value.GetProperty("order").GetInt32().ShouldBe(1);
        (record.At, record.ReversedBy).ShouldBe((posting.At, reversal.Transfer));
        record.Cause!.Value.GetProperty("operation").GetString().ShouldBe("application");
        (await Ledger.FindTransferAsync(reversal.Transfer, Stop))!.Transfer.Reverses.ShouldBe(transfer.Id);
        (await Ledger.FindTransferAsync("order 2", Stop)).ShouldBeNull();
    }

    [Fact]
    public async Task A_transfer_sums_to_zero_in_each_currency()
    {
        var (bank, ada) = (await BankAsync(), await WalletAsync("ada"));
        var (dollars, euros, usd) = (await BankAsync("position usd", "USD"), await BankAsync("position eur"), await WalletAsync("ada usd", "USD"));
        await Ledger.TransferAsync(LedgerTransfer.Between(bank.Id, ada.Id, 1000), Stop);

        await ShouldBeRefusedAsync(() => Ledger.TransferAsync(new LedgerTransfer(LedgerEntry.Debit(bank.Id, 10), LedgerEntry.Credit(ada.Id, 11)), Stop), LedgerProblems.UnbalancedTransfer);
        await ShouldBeRefusedAsync(() => Ledger.TransferAsync(LedgerTransfer.Between(ada.Id, usd.Id, 10), Stop), LedgerProblems.UnbalancedTransfer);

        // An exchange: both currencies in one transfer, over positions.
        await Ledger.TransferAsync(new LedgerTransfer(
            LedgerEntry.Debit(ada.Id, 900), LedgerEntry.Credit(euros.Id, 900), LedgerEntry.Debit(dollars.Id, 1000), LedgerEntry.Credit(usd.Id, 1000)), Stop);

        (await BalanceAsync(ada), await BalanceAsync(usd), await BalanceAsync(euros), await BalanceAsync(dollars)).ShouldBe((100, 1000, -900, 1000));
        await ShouldBeSoundAsync();
    }

    [Fact]
    public async Task Amounts_are_exact_and_bounded()
    {
        var (eur, btc) = (new LedgerCurrency("EUR", 2), new LedgerCurrency("BTC", 8));
        (eur.Units(12.34m), eur.Amount(1234), btc.Units(0.00000001m), eur.Units(-3m)).ShouldBe((1234, 12.34m, 1, -300));
        Should.Throw<ProblemException>(() => eur.Units(0.001m)).Type.ShouldBe(LedgerProblems.InvalidAmount);
        Should.Throw<ProblemException>(() => eur.Units(decimal.MaxValue)).Type.ShouldBe(LedgerProblems.InvalidAmount);
        Should.Throw<ProblemException>(() => btc.Units(92233720369m)).Type.ShouldBe(LedgerProblems.InvalidAmount);
        var (bank, ada) = (await BankAsync(), await WalletAsync("ada"));
        Should.Throw<ProblemException>(() => LedgerEntry.Debit(bank.Id, 0)).Type.ShouldBe(LedgerProblems.InvalidAmount);

        await ShouldBeRefusedAsync(() => Ledger.TransferAsync(LedgerTransfer.Between(bank.Id, ada.Id, 1_000_000_000_000_000_000), Stop), LedgerProblems.InvalidAmount);
        await ShouldBeRefusedAsync(() => Ledger.HoldAsync(new NewLedgerHold(ada.Id, 1_000_000_000_000_000_000), Stop), LedgerProblems.InvalidAmount);
        for (var i = 0; i < 9; i++)
            await Ledger.TransferAsync(LedgerTransfer.Between(bank.Id, ada.Id, 999_999_999_999_999_999), Stop);
        await ShouldBeRefusedAsync(() => Ledger.TransferAsync(LedgerTransfer.Between(bank.Id, ada.Id, 999_999_999_999_999_999), Stop), LedgerProblems.InvalidAmount);

        (await BalanceAsync(ada)).ShouldBe(8_999_999_999_999_999_991);
        await ShouldBeSoundAsync();
    }

    public static TheoryData<string, string> Unstorable => new()
    {
        { "a\0b", "{}" }, { "a\ud800", "{}" }, { "", "{}" }, { " ", "{}" },
        { "key", "{\"a\": [\"\\u0000\"]}" }, { "key", "{\"\\udc00\": 1}" }, { "key", "1e999999" },
    };

    [Theory, MemberData(nameof(Unstorable), DisableDiscoveryEnumeration = true)]
    public async Task What_cannot_be_stored_is_refused_before_it_is_sent(string key, string metadata)
    {
        var (bank, ada) = (await BankAsync(), await WalletAsync("ada"));
        var transfer = LedgerTransfer.Between(bank.Id, ada.Id, 1) with { Key = key, Metadata = System.Text.Json.JsonElement.Parse(metadata) };

        await Should.ThrowAsync<ArgumentException>(() => Ledger.TransferAsync(transfer, Stop));

        if (key != "key")
            await Should.ThrowAsync<ArgumentException>(() => WalletAsync(key));
        if (key.Length > 1 && key != "key")
            await Should.ThrowAsync<ArgumentException>(() => Ledger.HoldAsync(new NewLedgerHold(ada.Id, 1) { Reference = key }, Stop));
    }

    [Fact]
    public async Task Several_entries_of_one_account_count_together()
    {
        var (bank, ada) = (await BankAsync(), await WalletAsync("ada"));
        await Ledger.TransferAsync(LedgerTransfer.Between(bank.Id, ada.Id, 10), Stop);

        await Ledger.TransferAsync(new LedgerTransfer(LedgerEntry.Debit(ada.Id, 100), LedgerEntry.Credit(ada.Id, 95), LedgerEntry.Credit(bank.Id, 5)), Stop);

        (await BalanceAsync(ada)).ShouldBe(5);
        await ShouldBeSoundAsync();
    }

    [Fact]
    public async Task A_transfer_is_taken_back_once()
    {
        var (bank, ada) = (await BankAsync(), await WalletAsync("ada"));
        var posting = await Ledger.TransferAsync(LedgerTransfer.Between(bank.Id, ada.Id, 1000), Stop);
        var id = Id<LedgerTransfer>.New();

        (await Ledger.ReverseAsync(posting.Transfer, id, "a mistake", Stop)).IsNew.ShouldBeTrue();
        (await Ledger.ReverseAsync(posting.Transfer, id, "a mistake", Stop)).IsNew.ShouldBeFalse();

        await ShouldBeRefusedAsync(() => Ledger.ReverseAsync(posting.Transfer, cancellation: Stop), LedgerProblems.TransferReversed);
        await ShouldBeRefusedAsync(() => Ledger.ReverseAsync(Id<LedgerTransfer>.New(), cancellation: Stop), ProblemCatalogue.NotFound);
        (await BalanceAsync(ada), await BalanceAsync(bank)).ShouldBe((0, 0));
        await ShouldBeSoundAsync();
    }

    [Fact]
    public async Task A_closed_account_is_empty_and_takes_nothing()
    {
        var (bank, ada) = (await BankAsync(), await WalletAsync("ada"));
        var posting = await Ledger.TransferAsync(LedgerTransfer.Between(bank.Id, ada.Id, 1000), Stop);

        await ShouldBeRefusedAsync(() => Ledger.CloseAsync(ada.Id, Stop), LedgerProblems.AccountNotEmpty);
        await Ledger.ReverseAsync(posting.Transfer, cancellation: Stop);
        (await Ledger.CloseAsync(ada.Id, Stop)).ClosedAt.ShouldNotBeNull();
        await ShouldBeRefusedAsync(() => Ledger.TransferAsync(LedgerTransfer.Between(bank.Id, ada.Id, 1), Stop), LedgerProblems.AccountClosed);
        await Ledger.ReopenAsync(ada.Id, Stop);
        await Ledger.TransferAsync(LedgerTransfer.Between(bank.Id, ada.Id, 1), Stop);

        await ShouldBeRefusedAsync(() => Ledger.TransferAsync(LedgerTransfer.Between(bank.Id, Id<LedgerAccount>.New(), 1), Stop), ProblemCatalogue.ReferenceNotFound);
        await ShouldBeSoundAsync();
    }

    [Fact]
    public async Task An_account_is_opened_once()
    {
        var ada = await WalletAsync("ada");

        (await WalletAsync("ada")).ShouldBe(ada);
        (await Ledger.FindAsync("ada", Stop)).ShouldBe(ada);
        (await Ledger.FindAsync("bob", Stop)).ShouldBeNull();
        await ShouldBeRefusedAsync(() => WalletAsync("ada", "USD"), LedgerProblems.TransferReused);
        await ShouldBeRefusedAsync(() => WalletAsync("bob", "GBP"), ProblemCatalogue.ReferenceNotFound);
    }

    [Fact]
    public async Task A_statement_goes_page_by_page_in_both_directions()
    {
        var (bank, ada) = (await BankAsync(), await WalletAsync("ada"));
        for (var i = 1; i <= 5; i++)
            await Ledger.TransferAsync(LedgerTransfer.Between(bank.Id, ada.Id, i) with { Description = $"number {i}" }, Stop);

        var newest = await Ledger.StatementAsync(ada.Id, new LedgerStatement { Size = 2 }, Stop);
        var next = await Ledger.StatementAsync(ada.Id, new LedgerStatement { Size = 2, After = newest.Next }, Stop);
        var last = await Ledger.StatementAsync(ada.Id, new LedgerStatement { Size = 2, After = next.Next }, Stop);
        var oldest = await Ledger.StatementAsync(ada.Id, new LedgerStatement { Size = 2, Order = LedgerOrder.OldestFirst, After = 2 }, Stop);

        newest.Lines.Concat(next.Lines).Concat(last.Lines).Select(line => (line.Number, line.Amount, line.Balance, line.Description))
            .ShouldBe([(5, 5, 15, "number 5"), (4, 4, 10, "number 4"), (3, 3, 6, "number 3"), (2, 2, 3, "number 2"), (1, 1, 1, "number 1")]);
        last.Next.ShouldBeNull();
        oldest.Lines.Select(line => line.Number).ShouldBe([3, 4]);
        oldest.Next.ShouldBe(4);

        var third = oldest.Lines[0].At;
        (await Ledger.StatementAsync(ada.Id, new LedgerStatement { From = third }, Stop)).Lines.Select(line => line.Number).ShouldBe([5, 4, 3]);
        (await Ledger.StatementAsync(ada.Id, new LedgerStatement { To = third }, Stop)).Lines.Select(line => line.Number).ShouldBe([2, 1]);
    }

    [Fact]
    public async Task A_balance_as_of_a_time_counts_what_counts_by_then()
    {
        var (bank, ada) = (await BankAsync(), await WalletAsync("ada"));
        var now = TimeProvider.System.GetUtcNow();
        await Ledger.TransferAsync(LedgerTransfer.Between(bank.Id, ada.Id, 1), Stop);
        await Ledger.TransferAsync(LedgerTransfer.Between(bank.Id, ada.Id, 10) with { EffectiveAt = now.AddDays(-30) }, Stop);
        await Ledger.TransferAsync(LedgerTransfer.Between(bank.Id, ada.Id, 100) with { EffectiveAt = now.AddDays(30) }, Stop);
        await Ledger.TransferAsync(LedgerTransfer.Between(bank.Id, ada.Id, 1000), Stop);

        async Task<long> AtAsync(int days) => await Ledger.BalanceAsync(ada.Id, now.AddDays(days), Stop);

        (await AtAsync(-31), await AtAsync(-29), await AtAsync(-1), await AtAsync(1), await AtAsync(29), await AtAsync(31)).ShouldBe((0, 10, 10, 1011, 1011, 1111));
        (await Ledger.BalanceAsync(bank.Id, now.AddDays(1), Stop)).ShouldBe(1011);
        (await BalanceAsync(ada)).ShouldBe(1111);
    }

    [Fact]
    public async Task A_transfer_commits_with_the_transaction_of_the_application()
    {
        var (bank, ada) = (await BankAsync(), await WalletAsync("ada"));
        await Source.ExecuteAsync("create table orders (number int)");
        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using (var dropped = await connection.BeginTransactionAsync(Stop))
            await Ledger.In(dropped).TransferAsync(LedgerTransfer.Between(bank.Id, ada.Id, 1), Stop);
        await using (var kept = await connection.BeginTransactionAsync(Stop))
        {
            await using (var insert = new NpgsqlCommand("insert into orders values (1)", connection, kept))
                await insert.ExecuteNonQueryAsync(Stop);
            await Ledger.In(kept).TransferAsync(LedgerTransfer.Between(bank.Id, ada.Id, 10), Stop);
            (await Ledger.In(kept).RequireAsync(ada.Id, Stop)).Balance.ShouldBe(10);
            (await BalanceAsync(ada)).ShouldBe(0);
            await kept.CommitAsync(Stop);
        }

        (await BalanceAsync(ada)).ShouldBe(10);
        var over = await connection.BeginTransactionAsync(Stop);
        await over.CommitAsync(Stop);
        Should.Throw<ConfigurationException>(() => Ledger.In(over)).Code.ShouldBe("MST2903");
    }

    [Fact]
    public async Task A_transfer_from_sql_is_the_same()
    {
        var (bank, ada) = (await BankAsync(), await WalletAsync("ada"));

        await Source.ExecuteAsync($"select mainstay.ledger_transfer(gen_random_uuid(), array['{ada.Id.Value}'::uuid, '{bank.Id.Value}'], array[-50, 50])");
        await Source.ExecuteAsync($"select mainstay.ledger_transfer(gen_random_uuid(), array['{bank.Id.Value}'::uuid, '{ada.Id.Value}'], array[20, -20])");

        (await BalanceAsync(ada)).ShouldBe(70);
        await ShouldBeSoundAsync();
    }

    [Fact]
    public async Task Mistakes_are_reported_together_and_decimals_never_change()
    {
        var mistakes = Should.Throw<ConfigurationException>(() => new ServiceCollection().AddLedger(new LedgerOptions { Currencies = [new("E R", 2), new("USD", 19), new("BTC", 8), new("BTC", 8)], FoldInterval = TimeSpan.Zero }));
        mistakes.Code.ShouldBe("MST2901");
        mistakes.Message.Split('\n').Length.ShouldBe(4);

        var changed = await Should.ThrowAsync<ConfigurationException>(async () =>
            await PlainApplication.StartAsync(ConnectionString, services => services.AddLedger(new LedgerOptions { Currencies = [new("EUR", 3), new("GBP", 2)] })));
        changed.Message.ShouldContain("MST2902: The currency 'EUR' is declared with 3 decimals, and the ledger counts it with 2.");
    }
}
