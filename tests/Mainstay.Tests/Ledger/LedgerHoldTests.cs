using Mainstay.Internal;

namespace Mainstay.Tests;

/// <summary>Amounts that are set aside, captured, released, and that expire.</summary>
public sealed class LedgerHoldTests(PostgresFixture postgres) : LedgerDatabaseTests(postgres)
{
    [Fact]
    public async Task What_is_held_cannot_be_spent_otherwise()
    {
        var bank = await BankAsync();
        var ada = await WalletAsync("ada", bank, 100);

        var hold = await Ledger.HoldAsync(new NewLedgerHold(ada.Id, 70), Stop);

        (hold.Open, hold.Captured).ShouldBe((70, 0));
        var held = await Ledger.RequireAsync(ada.Id, Stop);
        (held.Balance, held.Held, held.Available).ShouldBe((100, 70, 30));
        await ShouldBeRefusedAsync(() => Ledger.TransferAsync(LedgerTransfer.Between(ada.Id, bank.Id, 31), Stop), LedgerProblems.InsufficientFunds);
        await ShouldBeRefusedAsync(() => Ledger.HoldAsync(new NewLedgerHold(ada.Id, 31), Stop), LedgerProblems.InsufficientFunds);
        await Ledger.TransferAsync(LedgerTransfer.Between(ada.Id, bank.Id, 30), Stop);
        await ShouldBeSoundAsync();
    }

    [Fact]
    public async Task A_capture_takes_a_part_and_releases_the_rest()
    {
        var bank = await BankAsync();
        var ada = await WalletAsync("ada", bank, 100);
        var hold = await Ledger.HoldAsync(new NewLedgerHold(ada.Id, 70), Stop);

        await ShouldBeRefusedAsync(() => Ledger.TransferAsync(LedgerTransfer.Between(ada.Id, bank.Id, 71) with { Captures = hold.Id }, Stop), LedgerProblems.HoldExceeded);
        await ShouldBeRefusedAsync(() => Ledger.TransferAsync(LedgerTransfer.Between(bank.Id, ada.Id, 1) with { Captures = hold.Id }, Stop), LedgerProblems.HoldExceeded);
        await Ledger.TransferAsync(LedgerTransfer.Between(ada.Id, bank.Id, 50) with { Captures = hold.Id }, Stop);

        hold = await Ledger.FindHoldAsync(hold.Id, Stop);
        (hold!.Open, hold.Captured).ShouldBe((0, 50));
        (await Ledger.RequireAsync(ada.Id, Stop)).Available.ShouldBe(50);
        await ShouldBeRefusedAsync(() => Ledger.TransferAsync(LedgerTransfer.Between(ada.Id, bank.Id, 1) with { Captures = hold.Id }, Stop), LedgerProblems.HoldEnded);
        await ShouldBeSoundAsync();
    }

    [Fact]
    public async Task A_hold_is_captured_in_parts()
    {
        var bank = await BankAsync();
        var ada = await WalletAsync("ada", bank, 100);
        var hold = await Ledger.HoldAsync(new NewLedgerHold(ada.Id, 100), Stop);

        foreach (var amount in new[] { 60, 30, 10 })
            await Ledger.TransferAsync(LedgerTransfer.Between(ada.Id, bank.Id, amount) with { Captures = hold.Id, Rest = LedgerRest.Held }, Stop);

        hold = await Ledger.FindHoldAsync(hold.Id, Stop);
        (hold!.Open, hold.Captured).ShouldBe((0, 100));
        (await Ledger.RequireAsync(ada.Id, Stop)).Held.ShouldBe(0);
        await ShouldBeSoundAsync();
    }

    [Fact]
    public async Task A_released_hold_has_ended_and_stays_as_it_is()
    {
        var bank = await BankAsync();
        var ada = await WalletAsync("ada", bank, 100);
        var hold = await Ledger.HoldAsync(new NewLedgerHold(ada.Id, 100), Stop);

        (await Ledger.ReleaseAsync(hold.Id, Stop)).Open.ShouldBe(0);
        (await Ledger.ReleaseAsync(hold.Id, Stop)).Open.ShouldBe(0);

        (await Ledger.RequireAsync(ada.Id, Stop)).Available.ShouldBe(100);
        await ShouldBeRefusedAsync(() => Ledger.TransferAsync(LedgerTransfer.Between(ada.Id, bank.Id, 1) with { Captures = hold.Id }, Stop), LedgerProblems.HoldEnded);
        await ShouldBeRefusedAsync(() => Ledger.ReleaseAsync(Id<LedgerHold>.New(), Stop), ProblemCatalogue.ReferenceNotFound);
        await ShouldBeSoundAsync();
    }

    [Fact]
    public async Task A_hold_is_set_up_once()
    {
        var bank = await BankAsync();
        var ada = await WalletAsync("ada", bank, 100);
        var hold = new NewLedgerHold(ada.Id, 70) { For = TimeSpan.FromHours(1), Description = "ride" };

        var first = await Ledger.HoldAsync(hold, Stop);
        var again = await Ledger.HoldAsync(hold, Stop);

        again.ShouldBe(first);
        await ShouldBeRefusedAsync(() => Ledger.HoldAsync(hold with { Amount = 71 }, Stop), LedgerProblems.TransferReused);
        (await Ledger.RequireAsync(ada.Id, Stop)).Held.ShouldBe(70);
    }

    [Fact]
    public async Task What_has_expired_stands_in_nobodys_way_even_before_it_is_swept_up()
    {
        var bank = await BankAsync();
        var ada = await WalletAsync("ada", bank, 100);
        var hold = await Ledger.HoldAsync(new NewLedgerHold(ada.Id, 100) { For = TimeSpan.FromHours(1) }, Stop);

        await LaterAsync(async later =>
        {
            (await later.RequireAsync(ada.Id, Stop)).Available.ShouldBe(100);
            await later.TransferAsync(LedgerTransfer.Between(ada.Id, bank.Id, 60), Stop);
            (await later.FindHoldAsync(hold.Id, Stop))!.Open.ShouldBe(0);
            await later.HoldAsync(new NewLedgerHold(ada.Id, 40), Stop);
            await ShouldBeRefusedAsync(() => later.TransferAsync(LedgerTransfer.Between(ada.Id, bank.Id, 1) with { Captures = hold.Id }, Stop), LedgerProblems.HoldEnded);
        });
    }

    [Fact]
    public async Task What_has_expired_keeps_no_account_open()
    {
        var ada = await WalletAsync("ada", least: -100);
        await Ledger.HoldAsync(new NewLedgerHold(ada.Id, 100) { For = TimeSpan.FromHours(1) }, Stop);
        await ShouldBeRefusedAsync(() => Ledger.CloseAsync(ada.Id, Stop), LedgerProblems.AccountNotEmpty);

        await LaterAsync(async later => (await later.CloseAsync(ada.Id, Stop)).ClosedAt.ShouldNotBeNull());
    }

    [Fact]
    public async Task What_has_expired_is_swept_up()
    {
        var bank = await BankAsync();
        var ada = await WalletAsync("ada", bank, 100);

        var hold = await Ledger.HoldAsync(new NewLedgerHold(ada.Id, 100) { For = TimeSpan.FromMilliseconds(1) }, Stop);

        await Source.ShouldBecomeAsync($"select released from mainstay.ledger_holds where id = '{hold.Id.Value}'", 100L);
        await Source.ShouldBecomeAsync($"select held from mainstay.ledger_accounts where id = '{ada.Id.Value}'", 0L);
        await ShouldBeSoundAsync();
    }

    [Fact]
    public async Task What_somebody_is_at_keeps_nothing_else_from_being_swept_up()
    {
        await RestAsync();
        var bank = await BankAsync();
        var (ada, bob) = (await WalletAsync("ada", bank, 100), await WalletAsync("bob", bank, 100));
        foreach (var wallet in new[] { ada, bob })
            await Ledger.HoldAsync(new NewLedgerHold(wallet.Id, 100) { For = TimeSpan.FromMilliseconds(1) }, Stop);
        await Source.ShouldBecomeAsync("select bool_and(expires_at < now()) from mainstay.ledger_holds", true);
        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using var transaction = await connection.BeginTransactionAsync(Stop);
        await using (var locker = new Npgsql.NpgsqlCommand($"select from mainstay.ledger_accounts where id = '{ada.Id.Value}' for update", connection, transaction))
            await locker.ExecuteNonQueryAsync(Stop);

        // It would wait for ever.
        (await Source.ScalarAsync<int>("select mainstay.ledger_expire(100) from set_config('lock_timeout', '5s', true)")).ShouldBe(1);

        (await Source.ScalarAsync<string>("select string_agg(code || ' ' || held, ', ' order by code) from mainstay.ledger_accounts where sign = -1")).ShouldBe("ada 100, bob 0");
        await transaction.RollbackAsync(Stop);
        (await Source.ScalarAsync<int>("select mainstay.ledger_expire(100)")).ShouldBe(1);
        await ShouldBeSoundAsync();
    }

    [Fact]
    public async Task A_day_has_24_hours_whatever_the_time_zone_does()
    {
        var ada = await WalletAsync("ada", await BankAsync(), 100);
        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using var transaction = await connection.BeginTransactionAsync(Stop);
        // The night in which Berlin skips an hour.
        await using (var setting = new Npgsql.NpgsqlCommand("set local time zone 'Europe/Berlin'; create or replace function mainstay.now() returns timestamptz language sql stable as 'select timestamptz ''2027-03-27 12:00+00'''", connection, transaction))
            await setting.ExecuteNonQueryAsync(Stop);

        var hold = await Ledger.In(transaction).HoldAsync(new NewLedgerHold(ada.Id, 10) { For = TimeSpan.FromDays(1) }, Stop);

        (hold.ExpiresAt - hold.CreatedAt).ShouldBe(TimeSpan.FromDays(1));
    }

    [Fact]
    public async Task Nothing_is_held_on_deferred_accounts()
    {
        var fees = await BankAsync("fees", isDeferred: true);

        await ShouldBeRefusedAsync(() => Ledger.HoldAsync(new NewLedgerHold(fees.Id, 1), Stop), ProblemCatalogue.ReferenceNotFound);
    }

    /// <summary>Within one transaction, whose clock is two hours ahead and which the service of the ledger does not see. It is rolled back.</summary>
    private async Task LaterAsync(Func<Ledger, Task> then)
    {
        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using var transaction = await connection.BeginTransactionAsync(Stop);
        await using (var shift = new Npgsql.NpgsqlCommand("create or replace function mainstay.now() returns timestamptz language sql stable parallel safe as 'select pg_catalog.now() + interval ''2 hours'''", connection, transaction))
            await shift.ExecuteNonQueryAsync(Stop);
        await then(Ledger.In(transaction));
    }
}
