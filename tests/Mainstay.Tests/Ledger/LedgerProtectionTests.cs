using Npgsql;

namespace Mainstay.Tests;

/// <summary>What plain SQL cannot do to a ledger, whoever runs it, as long as the triggers are on.</summary>
public sealed class LedgerProtectionTests(PostgresFixture postgres) : LedgerDatabaseTests(postgres)
{
    [Theory]
    [InlineData("update mainstay.ledger_entries set amount = amount + 1")]
    [InlineData("delete from mainstay.ledger_entries")]
    [InlineData("truncate mainstay.ledger_entries")]
    [InlineData("insert into mainstay.ledger_entries (account, seq, transfer, amount, balance, at) select id, 9, gen_random_uuid(), 1, 1, now() from mainstay.ledger_accounts limit 1")]
    [InlineData("insert into mainstay.ledger_unfolded (account, transfer, amount, at) select id, gen_random_uuid(), 1, now() from mainstay.ledger_accounts limit 1")]
    [InlineData("delete from mainstay.ledger_dated")]
    [InlineData("insert into mainstay.ledger_dated (account, seq, amount, at, effective_at) select id, 9, 1, now(), now() from mainstay.ledger_accounts limit 1")]
    [InlineData("update mainstay.ledger_accounts set least = 0 where is_deferred")]
    [InlineData("insert into mainstay.ledger_accounts (id, code, currency, sign) values (gen_random_uuid(), 'x', 'EUR', 2)")]
    [InlineData("delete from mainstay.ledger_unfolded")]
    [InlineData("update mainstay.ledger_unfolded set amount = amount + 1")]
    [InlineData("truncate mainstay.ledger_unfolded")]
    [InlineData("update mainstay.ledger_transfers set description = 'other'")]
    [InlineData("delete from mainstay.ledger_transfers")]
    [InlineData("truncate mainstay.ledger_transfers")]
    [InlineData("update mainstay.ledger_accounts set balance = balance + 1")]
    [InlineData("update mainstay.ledger_accounts set held = 1")]
    [InlineData("update mainstay.ledger_accounts set entries = 9")]
    [InlineData("update mainstay.ledger_accounts set last_at = now()")]
    [InlineData("update mainstay.ledger_accounts set currency = 'USD'")]
    [InlineData("update mainstay.ledger_accounts set sign = -sign")]
    [InlineData("update mainstay.ledger_accounts set is_deferred = not is_deferred")]
    [InlineData("delete from mainstay.ledger_accounts")]
    [InlineData("truncate mainstay.ledger_accounts")]
    [InlineData("insert into mainstay.ledger_accounts (id, code, currency, sign, balance) values (gen_random_uuid(), 'x', 'EUR', 1, 100)")]
    [InlineData("update mainstay.ledger_holds set amount = amount + 1")]
    [InlineData("update mainstay.ledger_holds set captured = 1")]
    [InlineData("update mainstay.ledger_holds set settled = 50, released = 50")]
    [InlineData("delete from mainstay.ledger_holds")]
    [InlineData("truncate mainstay.ledger_holds")]
    [InlineData("update mainstay.ledger_currencies set decimals = 3")]
    [InlineData("delete from mainstay.ledger_currencies")]
    public async Task History_and_balances_cannot_be_written(string sql)
    {
        await FillAsync();

        (await Should.ThrowAsync<PostgresException>(() => Source.ExecuteAsync(sql))).SqlState.ShouldBe("MS107", sql);

        await ShouldBeSoundAsync();
    }

    [Theory]
    [InlineData("array[{0}, {1}], array[1, -2]", "MS103")]
    [InlineData("array[{1}, {0}], array[1, -1]", "MS103")]
    [InlineData("array[{0}, gen_random_uuid()], array[1, -1]", "MS104")]
    [InlineData("array[{0}, {1}], array[1]", PostgresErrorCodes.CheckViolation)]
    [InlineData("array[{0}], array[0]", PostgresErrorCodes.CheckViolation)]
    [InlineData("array[{0}, {1}], array[0, 0]", PostgresErrorCodes.CheckViolation)]
    [InlineData("array[{0}, {1}], array[1, null]", PostgresErrorCodes.CheckViolation)]
    [InlineData("array[{0}, {1}], array[1000000000000000000, -1000000000000000000]", PostgresErrorCodes.CheckViolation)]
    public async Task A_transfer_inserted_by_hand_is_checked_like_any_other(string entries, string state)
    {
        await FillAsync();
        string[] ids = [.. new[] { "ada", "bank" }.Select(code => Ledger.FindAsync(code, Stop).GetAwaiter().GetResult()!.Id.Value).Order().Select(id => $"'{id}'::uuid")];

        var refusal = await Should.ThrowAsync<PostgresException>(() =>
            Source.ExecuteAsync($"insert into mainstay.ledger_transfers (id, accounts, amounts) values (gen_random_uuid(), {string.Format(System.Globalization.CultureInfo.InvariantCulture, entries, ids[0], ids[1])})"));

        refusal.SqlState.ShouldBe(state);
        await ShouldBeSoundAsync();
    }

    [Fact]
    public async Task A_transfer_inserted_by_hand_is_recorded_now()
    {
        var (bank, ada) = await FillAsync();
        Guid[] ids = [.. new[] { bank.Id.Value, ada.Id.Value }.Order()];

        (await Should.ThrowAsync<PostgresException>(() =>
            Source.ExecuteAsync($"insert into mainstay.ledger_transfers (id, accounts, amounts, at) values (gen_random_uuid(), array['{ids[0]}'::uuid, '{ids[1]}'], array[1, -1], now() - interval '1 day')"))).SqlState.ShouldBe("MS103");
        await Source.ExecuteAsync($"insert into mainstay.ledger_transfers (id, accounts, amounts) values (gen_random_uuid(), array['{ids[0]}'::uuid, '{ids[1]}'], array[{(ids[0] == bank.Id.Value ? "1, -1" : "-1, 1")}])");

        (await BalanceAsync(ada)).ShouldBe(101);
        await ShouldBeSoundAsync();
    }

    [Theory]
    [InlineData("perform mainstay.ledger_release(new.hold)")]
    [InlineData("update mainstay.ledger_holds set released = amount - captured where id = new.hold")]
    [InlineData("perform mainstay.ledger_expire(100)")]
    public async Task What_a_trigger_of_the_application_releases_is_no_longer_held(string release)
    {
        await RestAsync();
        var ada = await WalletAsync("ada", await BankAsync(), 100);
        var hold = await Ledger.HoldAsync(new NewLedgerHold(ada.Id, 60) { For = TimeSpan.FromMilliseconds(1) }, Stop);
        await Source.ShouldBecomeAsync($"select expires_at < now() from mainstay.ledger_holds where id = '{hold.Id.Value}'", true);
        await Source.ExecuteAsync($"create table cancellations (hold uuid); {Trigger("cancellations", release)}");

        await Source.ExecuteAsync($"insert into cancellations values ('{hold.Id.Value}')");

        (await Source.ScalarAsync<long>("select released from mainstay.ledger_holds")).ShouldBe(60);
        (await Source.ScalarAsync<long>("select held from mainstay.ledger_accounts where code = 'ada'")).ShouldBe(0);
        await ShouldBeSoundAsync();
    }

    [Fact]
    public async Task What_a_trigger_of_the_application_writes_to_a_balance_is_found()
    {
        await FillAsync();
        await RestAsync();
        await Source.ExecuteAsync($"create table gifts (amount bigint); {Trigger("gifts", "update mainstay.ledger_accounts set balance = balance - new.amount where code = 'ada'")}");

        await Source.ExecuteAsync("insert into gifts values (5)");

        (await Ledger.VerifyAsync(cancellation: Stop)).Findings.Select(finding => finding.Check).ShouldBe(["balance-of-entries", "currency-sums-to-zero"], ignoreOrder: true);
    }

    private static string Trigger(string table, string statement) => $"""
        create function {table}_made() returns trigger language plpgsql as 'begin {statement.Replace("'", "''", StringComparison.Ordinal)}; return null; end';
        create trigger {table}_made after insert on {table} for each row execute function {table}_made()
        """;

    /// <summary>Something in every table.</summary>
    private async Task<(LedgerAccount Bank, LedgerAccount Ada)> FillAsync()
    {
        var (bank, fees) = (await BankAsync(), await BankAsync("fees", isDeferred: true));
        var ada = await WalletAsync("ada", bank, 101);
        await Ledger.TransferAsync(LedgerTransfer.Between(ada.Id, fees.Id, 1), Stop);
        await Ledger.HoldAsync(new NewLedgerHold(ada.Id, 50), Stop);
        return (bank, ada);
    }
}
