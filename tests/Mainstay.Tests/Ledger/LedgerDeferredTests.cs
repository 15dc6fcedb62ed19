using Mainstay.Internal;
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
    public async Task A_statement_waits_for_whoever_is_folding()
    {
        await RestAsync();
        var (bank, fees) = (await BankAsync(), await BankAsync("fees", isDeferred: true));
        await Ledger.TransferAsync(LedgerTransfer.Between(fees.Id, bank.Id, 1), Stop);
        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using var folding = await connection.BeginTransactionAsync(Stop);
        await using (var fold = new NpgsqlCommand($"update mainstay.ledger_accounts set folded_at = now() where id = '{fees.Id.Value}'", connection, folding))
            await fold.ExecuteNonQueryAsync(Stop);

        var statement = Ledger.StatementAsync(fees.Id, cancellation: Stop);
        await Source.ShouldBecomeAsync("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'", 1L);
        await folding.CommitAsync(Stop);

        (await statement).Lines.ShouldHaveSingleItem().Amount.ShouldBe(1);
    }

    [Fact]
    public async Task A_statement_ends_although_there_is_always_more()
    {
        await RestAsync();
        var (bank, fees) = (await BankAsync(), await BankAsync("fees", isDeferred: true));
        Guid[] accounts = [.. new[] { bank.Id.Value, fees.Id.Value }.Order()];
        // Whenever entries are folded there is a new one, for a while.
        await Source.ExecuteAsync($"""
            create sequence more maxvalue 200;
            create function more() returns trigger language plpgsql as 'begin
                if nextval(''more'') < 200 then
                    perform mainstay.ledger_transfer(gen_random_uuid(), array[''{accounts[0]}''::uuid, ''{accounts[1]}''], array[1, -1]);
                end if;
                return null;
            end';
            create trigger more after update of folded_at on mainstay.ledger_accounts for each row execute function more()
            """);
        await Ledger.TransferAsync(LedgerTransfer.Between(fees.Id, bank.Id, 1), Stop);

        (await Ledger.StatementAsync(fees.Id, cancellation: Stop)).Lines.ShouldHaveSingleItem().Amount.ShouldBe(1);

        (await Source.ScalarAsync<long>("select count(*) from mainstay.ledger_unfolded")).ShouldBe(1);
        await ShouldBeSoundAsync();
    }

    [Fact]
    public async Task An_account_that_cannot_be_folded_keeps_nothing_else_waiting()
    {
        const long Huge = 999_999_999_999_999_999;
        var (lake, fees) = (await BankAsync("lake", isDeferred: true), await BankAsync("fees", isDeferred: true));
        LedgerAccount[] banks = [await BankAsync("one"), await BankAsync("other")];
        await using (var connection = await Source.OpenConnectionAsync(Stop))
        {
            await using var transaction = await connection.BeginTransactionAsync(Stop);
            for (var i = 0; i < 10; i++)
                await Ledger.In(transaction).TransferAsync(LedgerTransfer.Between(lake.Id, banks[i % 2].Id, Huge), Stop);
            await transaction.CommitAsync(Stop);
        }
        var ada = await WalletAsync("ada", await BankAsync("third"), 100);
        var hold = await Ledger.HoldAsync(new NewLedgerHold(ada.Id, 100) { For = TimeSpan.FromMilliseconds(1) }, Stop);
        await Ledger.TransferAsync(LedgerTransfer.Between(fees.Id, banks[0].Id, 1), Stop);

        await Source.ShouldBecomeAsync($"select balance from mainstay.ledger_accounts where id = '{fees.Id.Value}'", 1L);
        await Source.ShouldBecomeAsync($"select released from mainstay.ledger_holds where id = '{hold.Id.Value}'", 100L);
        (await Source.ScalarAsync<long>($"select count(*) from mainstay.ledger_unfolded where account = '{lake.Id.Value}'")).ShouldBe(10);
    }

    [Fact]
    public async Task A_deferred_balance_keeps_half_of_the_range_for_what_is_not_folded()
    {
        const long Huge = 999_999_999_999_999_999;
        var (bank, fees) = (await BankAsync(), await BankAsync("fees", isDeferred: true));
        for (var i = 0; i < 5; i++)
            await Ledger.TransferAsync(LedgerTransfer.Between(fees.Id, bank.Id, Huge), Stop);
        await Ledger.StatementAsync(fees.Id, cancellation: Stop);

        await ShouldBeRefusedAsync(() => Ledger.TransferAsync(LedgerTransfer.Between(fees.Id, bank.Id, 1), Stop), LedgerProblems.InvalidAmount);
        await Ledger.TransferAsync(LedgerTransfer.Between(bank.Id, fees.Id, Huge), Stop);

        (await BalanceAsync(fees)).ShouldBe(4 * Huge);
    }

    [Fact]
    public async Task An_account_that_is_opened_while_a_transfer_looks_for_it_gets_no_entry_without_a_number()
    {
        var bank = await BankAsync();
        await using var opening = await Source.OpenConnectionAsync(Stop);
        await using var opens = await opening.BeginTransactionAsync(Stop);
        var ada = await Ledger.In(opens).OpenAsync(new NewLedgerAccount("ada", "EUR", LedgerSide.Credit), Stop);
        // Between the two looks, a transfer to an account that is not there takes this lock.
        await using (var locker = new NpgsqlCommand($"select pg_advisory_xact_lock(uuid_hash_extended('{ada.Id.Value}', 5))", opening, opens))
            await locker.ExecuteNonQueryAsync(Stop);
        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using var transaction = await connection.BeginTransactionAsync(Stop);

        var transfer = Ledger.In(transaction).TransferAsync(LedgerTransfer.Between(bank.Id, ada.Id, 1), Stop);
        await Source.ShouldBecomeAsync("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'", 1L);
        await opens.CommitAsync(Stop);

        await ShouldBeRefusedAsync(() => transfer, ProblemCatalogue.ReferenceNotFound);
        await transaction.RollbackAsync(Stop);
        await Ledger.TransferAsync(LedgerTransfer.Between(bank.Id, ada.Id, 1), Stop);
        await ShouldBeSoundAsync();
    }

    [Fact]
    public async Task An_older_view_closes_no_deferred_account_and_brings_nothing_to_a_closed_one()
    {
        var (bank, fees) = (await BankAsync(), await BankAsync("fees", isDeferred: true));
        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using (var closing = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, Stop))
        {
            (await Ledger.In(closing).RequireAsync(fees.Id, Stop)).Balance.ShouldBe(0);
            (await Should.ThrowAsync<PostgresException>(() => Ledger.In(closing).CloseAsync(fees.Id, Stop))).SqlState.ShouldBe("MS107");
        }
        await using var older = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, Stop);
        (await Ledger.In(older).RequireAsync(fees.Id, Stop)).ClosedAt.ShouldBeNull();
        await Ledger.CloseAsync(fees.Id, Stop);

        (await Should.ThrowAsync<PostgresException>(() => Ledger.In(older).TransferAsync(LedgerTransfer.Between(fees.Id, bank.Id, 1), Stop))).SqlState.ShouldBe(PostgresErrorCodes.SerializationFailure);

        await older.RollbackAsync(Stop);
        await ShouldBeSoundAsync();
    }

    [Fact]
    public async Task A_deferred_account_has_no_limit() =>
        await Should.ThrowAsync<ArgumentException>(() => Ledger.OpenAsync(new NewLedgerAccount("fees", "EUR", LedgerSide.Credit) { IsDeferred = true }, Stop));
}
