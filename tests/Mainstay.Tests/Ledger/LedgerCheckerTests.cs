using Npgsql;

namespace Mainstay.Tests;

/// <summary>Each thing that must hold of a ledger, violated by hand with its triggers off, and found.</summary>
public sealed class LedgerCheckerTests(PostgresFixture postgres) : LedgerDatabaseTests(postgres)
{
    private const string Ada = "(select id from mainstay.ledger_accounts where code = 'ada')";

    [Fact]
    public async Task A_ledger_in_use_is_sound()
    {
        await FillAsync();

        await ShouldBeSoundAsync();
    }

    [Theory]
    [InlineData("balance-of-entries", $"update mainstay.ledger_accounts set entries = entries + 1 where id = {Ada}")]
    [InlineData("balance-of-entries,currency-sums-to-zero", $"update mainstay.ledger_accounts set balance = balance - 1 where id = {Ada}")]
    [InlineData("balance-of-entries,numbers-without-gaps,running-balance,entries-of-transfer", $"delete from mainstay.ledger_entries where account = {Ada} and seq = 2")]
    [InlineData("numbers-without-gaps", $"update mainstay.ledger_entries set seq = 9 where account = {Ada} and seq = 4")]
    [InlineData("keys-are-unique", "drop index mainstay.ledger_transfers_key_idx")]
    [InlineData("time-of-transfer,dated-of-entries", $"update mainstay.ledger_entries set effective_at = at + interval '1 hour' where account = {Ada} and seq = 4")]
    [InlineData("numbers-without-gaps,time-of-transfer", $"update mainstay.ledger_entries set at = at - interval '1 day' where account = {Ada} and seq = 4")]
    [InlineData("running-balance", $"update mainstay.ledger_entries set balance = balance + 1 where account = {Ada} and seq = 3")]
    [InlineData("balance-of-entries,running-balance,entries-of-transfer", $"update mainstay.ledger_entries set amount = amount + 1 where account = {Ada} and seq = 4")]
    [InlineData("transfer-sums-to-zero,entries-of-transfer", "update mainstay.ledger_transfers set amounts[1] = amounts[1] + 1 where description = 'pays in'")]
    [InlineData("entries-of-transfer", "delete from mainstay.ledger_transfers where description = 'pays in'")]
    [InlineData("dated-of-entries", "delete from mainstay.ledger_dated")]
    [InlineData("held-of-holds", $"update mainstay.ledger_accounts set held = held + 1 where id = {Ada}")]
    [InlineData("held-of-holds", "delete from mainstay.ledger_holds where captured = 0")]
    [InlineData("captured-of-hold", "update mainstay.ledger_holds set captured = captured - 1, released = released + 1 where captured > 0")]
    [InlineData("limit-of-account", $"update mainstay.ledger_accounts set least = 1000 where id = {Ada}")]
    [InlineData("closed-is-empty", $"update mainstay.ledger_accounts set closed_at = now() where id = {Ada}")]
    [InlineData("reversal-of-transfer", "update mainstay.ledger_transfers set reverses = gen_random_uuid() where description = 'pays in'")]
    [InlineData("expired-is-released", "update mainstay.ledger_holds set expires_at = now() - interval '1 hour' where captured = 0")]
    public async Task What_does_not_hold_is_found(string checks, string sql)
    {
        await FillAsync();
        await ShouldBeSoundAsync();
        await RestAsync();
        await WithoutTriggersAsync(sql);

        var report = await Ledger.VerifyAsync(cancellation: Stop);

        report.Findings.Select(finding => finding.Check).ShouldBe(checks.Split(','), ignoreOrder: true);
        report.Findings.ShouldAllBe(finding => finding.NextStep.Length > 0 && finding.Rows.Count > 0);
        report.Unfinished.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("alter table mainstay.ledger_transfers disable trigger ledger_transfers_post", "ledger_transfers_post")]
    [InlineData("drop trigger ledger_entries_refuse on mainstay.ledger_entries", "ledger_entries_refuse")]
    [InlineData("alter table mainstay.ledger_entries enable replica trigger ledger_entries_guard", "ledger_entries_guard")]
    public async Task A_trigger_that_is_off_is_found(string sql, string trigger)
    {
        await Source.ExecuteAsync(sql);

        var finding = (await Ledger.VerifyAsync(cancellation: Stop)).Findings.ShouldHaveSingleItem();

        finding.Check.ShouldBe("writers-are-on");
        finding.Rows.ShouldHaveSingleItem().Row.ShouldBe(trigger);
    }

    [Fact]
    public async Task Entries_that_nobody_folds_are_found()
    {
        await FillAsync();
        await RestAsync();
        await WithoutTriggersAsync("""
            insert into mainstay.ledger_unfolded (account, transfer, amount, at)
            select (select id from mainstay.ledger_accounts where code = 'bank'), id, 1, now() - interval '1 hour' from mainstay.ledger_transfers limit 1
            """);

        var checks = (await Ledger.VerifyAsync(cancellation: Stop)).Findings.Select(finding => finding.Check).ToArray();

        checks.ShouldContain("unfolded-is-folded");
        checks.ShouldContain("unfolded-is-deferred");
    }

    [Fact]
    public async Task What_there_was_no_time_for_is_named()
    {
        await using var locker = await Source.OpenConnectionAsync(Stop);
        await using var transaction = await locker.BeginTransactionAsync(Stop);
        await using (var command = new NpgsqlCommand("lock table mainstay.ledger_holds in access exclusive mode", locker, transaction))
            await command.ExecuteNonQueryAsync(Stop);

        var report = await Ledger.VerifyAsync(within: TimeSpan.FromSeconds(1), cancellation: Stop);

        report.IsSound.ShouldBeFalse();
        report.Unfinished.ShouldContain("held-of-holds");
    }

    /// <summary>As whoever owns the tables can do it, in one transaction.</summary>
    private Task<int> WithoutTriggersAsync(string sql)
    {
        string[] tables = ["accounts", "dated", "entries", "holds", "transfers", "unfolded"];
        string Each(string change) => string.Concat(tables.Select(table => $"alter table mainstay.ledger_{table} {change} trigger user;"));
        return Source.ExecuteAsync($"{Each("disable")} {sql}; {Each("enable")}");
    }

    private async Task FillAsync()
    {
        var (bank, fees) = (await BankAsync(), await BankAsync("fees", isDeferred: true));
        var ada = await WalletAsync("ada");
        await Ledger.TransferAsync(LedgerTransfer.Between(bank.Id, ada.Id, 1000) with { Description = "pays in" }, Stop);
        await Ledger.TransferAsync(LedgerTransfer.Between(ada.Id, fees.Id, 10), Stop);
        await Ledger.TransferAsync(LedgerTransfer.Between(ada.Id, bank.Id, 100) with { EffectiveAt = TimeProvider.System.GetUtcNow().AddDays(-1) }, Stop);
        var hold = await Ledger.HoldAsync(new NewLedgerHold(ada.Id, 50), Stop);
        await Ledger.TransferAsync(LedgerTransfer.Between(ada.Id, bank.Id, 20) with { Captures = hold.Id }, Stop);
        await Ledger.HoldAsync(new NewLedgerHold(ada.Id, 30), Stop);
        await Source.ShouldBecomeAsync("select count(*) from mainstay.ledger_unfolded", 0L);
    }
}
