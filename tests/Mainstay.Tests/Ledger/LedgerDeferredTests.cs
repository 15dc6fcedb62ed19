using Npgsql;

namespace Mainstay.Tests;

/// <summary>Accounts whose entries get their numbers later.</summary>
public sealed class LedgerDeferredTests(PostgresFixture postgres) : LedgerDatabaseTests(postgres)
{
    [Fact]
    public async Task A_balance_is_exact_before_and_after_it_is_folded()
    {
        var (bank, fees) = (await BankAsync(), await BankAsync("fees", isDeferred: true));
        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using (var transaction = await connection.BeginTransactionAsync(Stop))
        {
            var inside = Ledger.In(transaction);
            for (var i = 1; i <= 3; i++)
                await inside.TransferAsync(LedgerTransfer.Between(debit: fees.Id, credit: bank.Id, i), Stop);

            // Nobody else sees these entries, so nobody has folded them.
            (await inside.RequireAsync(fees.Id, Stop)).Balance.ShouldBe(6);
            (await inside.BalanceAsync(fees.Id, TimeProvider.System.GetUtcNow().AddDays(1), Stop)).ShouldBe(6);
            await transaction.CommitAsync(Stop);
        }

        (await BalanceAsync(fees)).ShouldBe(6);
        (await Ledger.StatementAsync(fees.Id, cancellation: Stop)).Lines.Select(line => (line.Number, line.Amount, line.Balance)).ShouldBe([(3, 3, 6), (2, 2, 3), (1, 1, 1)]);
        (await BalanceAsync(fees)).ShouldBe(6);
        await ShouldBeSoundAsync();
    }

    [Fact]
    public async Task Transfers_do_not_wait_for_each_other()
    {
        var (one, other, fees) = (await BankAsync("one"), await BankAsync("other"), await BankAsync("fees", isDeferred: true));
        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using var transaction = await connection.BeginTransactionAsync(Stop);
        await Ledger.In(transaction).TransferAsync(LedgerTransfer.Between(fees.Id, one.Id, 1), Stop);

        await Ledger.TransferAsync(LedgerTransfer.Between(fees.Id, other.Id, 10), Stop);
        await Source.ShouldBecomeAsync($"select balance from mainstay.ledger_accounts where id = '{fees.Id.Value}'", 10L);      // folded as well, beside the open one

        await transaction.CommitAsync(Stop);
        await Source.ShouldBecomeAsync($"select balance from mainstay.ledger_accounts where id = '{fees.Id.Value}'", 11L);
        await ShouldBeSoundAsync();
    }

    [Fact]
    public async Task Closing_waits_for_what_is_unfinished()
    {
        var (bank, fees) = (await BankAsync(), await BankAsync("fees", isDeferred: true));
        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using var transaction = await connection.BeginTransactionAsync(Stop);
        await Ledger.In(transaction).TransferAsync(LedgerTransfer.Between(fees.Id, bank.Id, 1), Stop);

        var closing = Ledger.CloseAsync(fees.Id, Stop);
        await Source.ShouldBecomeAsync("select count(*) from pg_locks where locktype = 'advisory' and mode = 'ExclusiveLock' and not granted and database = (select oid from pg_database where datname = current_database())", 1L);
        await transaction.CommitAsync(Stop);

        await ShouldBeRefusedAsync(() => closing, LedgerProblems.AccountNotEmpty);
        await Ledger.TransferAsync(LedgerTransfer.Between(bank.Id, fees.Id, 1), Stop);
        (await Ledger.CloseAsync(fees.Id, Stop)).ClosedAt.ShouldNotBeNull();
        await ShouldBeRefusedAsync(() => Ledger.TransferAsync(LedgerTransfer.Between(fees.Id, bank.Id, 1), Stop), LedgerProblems.AccountClosed);
        await ShouldBeSoundAsync();
    }

    [Fact]
    public async Task Entries_are_folded_in_the_order_of_their_times_and_late_ones_count_when_they_were_made()
    {
        var (bank, fees) = (await BankAsync(), await BankAsync("fees", isDeferred: true));
        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using var early = await connection.BeginTransactionAsync(Stop);
        await Ledger.In(early).TransferAsync(LedgerTransfer.Between(fees.Id, (await BankAsync("other")).Id, 1), Stop);
        var posting = await Ledger.TransferAsync(LedgerTransfer.Between(fees.Id, bank.Id, 10), Stop);
        await Source.ShouldBecomeAsync($"select entries from mainstay.ledger_accounts where id = '{fees.Id.Value}'", 1L);
        await early.CommitAsync(Stop);

        var lines = (await Ledger.StatementAsync(fees.Id, new LedgerStatement { Order = LedgerOrder.OldestFirst }, Stop)).Lines;

        lines.Select(line => line.Amount).ShouldBe([10, 1]);
        lines[1].At.ShouldBeGreaterThanOrEqualTo(lines[0].At);
        lines[1].EffectiveAt.ShouldBeLessThan(posting.At);
        (await Ledger.BalanceAsync(fees.Id, lines[1].EffectiveAt, Stop)).ShouldBe(1);
        (await Ledger.BalanceAsync(fees.Id, posting.At, Stop)).ShouldBe(11);
        await ShouldBeSoundAsync();
    }

    [Fact]
    public async Task A_deferred_account_has_no_limit() =>
        await Should.ThrowAsync<ArgumentException>(() => Ledger.OpenAsync(new NewLedgerAccount("fees", "EUR", LedgerSide.Credit) { IsDeferred = true }, Stop));
}
