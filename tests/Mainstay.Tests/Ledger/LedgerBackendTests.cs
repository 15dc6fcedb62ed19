using Mainstay.Internal;
using Microsoft.Extensions.DependencyInjection;

namespace Mainstay.Tests;

/// <summary>A ledger in a backend: transfers commit with the rows, messages and receipts of a unit of work.</summary>
public sealed class LedgerBackendTests(PostgresFixture postgres) : OwnDatabaseTests(postgres)
{
    private static readonly LedgerOptions euros = new() { Currencies = [new("EUR", 2)], FoldInterval = TimeSpan.FromMilliseconds(50) };

    [Fact]
    public async Task A_recorded_transfer_commits_with_the_rows_the_jobs_and_the_receipt()
    {
        await using var backend = await StartAsync();
        var (bank, ada) = await OpenAsync(backend);

        var first = await PayAsync(backend, bank, ada, 1000, "key-1");
        var again = await PayAsync(backend, bank, ada, 1000, "key-1");

        first.Expect(200);
        again.Expect(200);
        await ShouldHaveAsync(ada, balance: 1000, payments: 1, receipts: 1);
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_done", 1L);
        (await Source.ScalarAsync<string>("select origin ->> 'operation' from mainstay.ledger_transfers")).ShouldBe("POST /v1/payments");
    }

    [Fact]
    public async Task A_refused_transfer_takes_everything_with_it()
    {
        await using var backend = await StartAsync();
        var (bank, ada) = await OpenAsync(backend);

        (await PayAsync(backend, ada, bank, 1, "key-1")).Expect(409).Text.ShouldContain("\"code\":\"insufficient-funds\"");

        // The refusal itself is kept for repetitions of the key, as of every command.
        await ShouldHaveAsync(ada, balance: 0, payments: 0, receipts: 1);
        (await Source.ScalarAsync<long>("select count(*) from mainstay.jobs")).ShouldBe(0);
    }

    [Fact]
    public async Task A_handler_sees_what_came_of_a_transfer_at_once()
    {
        await using var backend = await StartAsync();
        var (bank, ada) = await OpenAsync(backend);

        var answer = await backend.User("ann").PostAsync("/v1/now", new LedgerPay(bank, ada, 70));

        answer.Expect(200).Text.ShouldContain("\"balance\":70");
        await ShouldHaveAsync(ada, balance: 70, payments: 0, receipts: 0);
    }

    [Fact]
    public async Task Several_transfers_of_one_unit_of_work_do_not_deadlock_with_others()
    {
        await using var backend = await StartAsync();
        var (bank, ada) = await OpenAsync(backend);
        var ledger = backend.Running.App.Services.GetRequiredService<Ledger>();
        var bob = (await ledger.OpenAsync(new NewLedgerAccount("bob", "EUR", LedgerSide.Credit) { Least = null }, Stop)).Id;
        var transactor = backend.Running.Services.Transactor;

        await Task.WhenAll(Enumerable.Range(0, 64).Select(i => transactor.RunAsync(
            new TransactionRequest(User.Anonymous, Origin.OfRead, Deadline.After(TimeSpan.FromMinutes(5), TimeProvider.System), Stop), work =>
            {
                Id<LedgerAccount>[] order = i % 2 == 0 ? [bank, ada, bob] : [bob, ada, bank];
                work.Transfer(LedgerTransfer.Between(bank, order[1], 5));
                work.Transfer(LedgerTransfer.Between(order[0] == bank ? ada : bob, order[2] == bank ? ada : bob, 1));
                return Task.FromResult(new Completed<bool>(true));
            })));

        (await Source.ScalarAsync<long>("select deadlocks from pg_stat_database where datname = current_database()")).ShouldBe(0);
        (await ledger.RequireAsync(bank, Stop)).Balance.ShouldBe(64 * 5);
        (await ledger.VerifyAsync(cancellation: Stop)).IsSound.ShouldBeTrue();
    }

    [Fact]
    public async Task A_ledger_with_mistakes_refuses_the_start()
    {
        var refusal = await TestBackend.RefuseAsync(ConnectionString, backend => backend.Ledger(new LedgerOptions { Currencies = [], ConnectionString = "Host=elsewhere" }));

        refusal.ShouldContain("MST2901: LedgerOptions.Currencies is empty");
        refusal.ShouldContain("MST2901: LedgerOptions.ConnectionString is set");
    }

    private Task<TestBackend> StartAsync() => TestBackend.StartAsync(ConnectionString, backend =>
    {
        TestSignIn.AddTo(backend);
        backend.Ledger(euros);
        backend.Resource<LedgerPayment>("/v1/ledger-payments").AllowRead(Policy.Anyone);
        backend.Job<LedgerTold>("tell", (LedgerTold job, UnitOfWork work) => { });
        backend.Command("POST /v1/payments", (LedgerPay input, UnitOfWork work) =>
        {
            work.Insert(new LedgerPayment(Id<LedgerPayment>.New(), input.Amount));
            work.Enqueue(new LedgerTold(input.Amount));
            work.Transfer(LedgerTransfer.Between(input.Debit, input.Credit, input.Amount));
            return new LedgerTold(input.Amount);
        }).Allow(Policy.SignedIn).Refuses(LedgerProblems.InsufficientFunds);
        backend.Command("POST /v1/now", async (LedgerPay input, UnitOfWork work) =>
        {
            var ledger = work.Ledger();
            await ledger.TransferAsync(LedgerTransfer.Between(input.Debit, input.Credit, input.Amount));
            return new LedgerSeen((await ledger.RequireAsync(input.Credit)).Balance);
        }).Allow(Policy.SignedIn);
    });

    private static async Task<(Id<LedgerAccount> Bank, Id<LedgerAccount> Ada)> OpenAsync(TestBackend backend)
    {
        var ledger = backend.Running.App.Services.GetRequiredService<Ledger>();
        return ((await ledger.OpenAsync(new NewLedgerAccount("bank", "EUR", LedgerSide.Debit) { Least = null }, Stop)).Id, (await ledger.OpenAsync(new NewLedgerAccount("ada", "EUR", LedgerSide.Credit), Stop)).Id);
    }

    private static Task<Reply> PayAsync(TestBackend backend, Id<LedgerAccount> debit, Id<LedgerAccount> credit, long amount, string key) =>
        backend.User("ann").PostAsync("/v1/payments", new LedgerPay(debit, credit, amount), $"Idempotency-Key: {key}");

    private async Task ShouldHaveAsync(Id<LedgerAccount> account, long balance, int payments, int receipts) =>
        (await Source.ScalarAsync<string>($"select (select balance * sign from mainstay.ledger_accounts where id = '{account.Value}') || ' ' || (select count(*) from ledger_payments) || ' ' || (select count(*) from mainstay.receipts)"))
            .ShouldBe($"{balance} {payments} {receipts}");
}

public record LedgerPayment(Id<LedgerPayment> Id, long Amount);

public record LedgerPay(Id<LedgerAccount> Debit, Id<LedgerAccount> Credit, long Amount);

public record LedgerSeen(long Balance);

public record LedgerTold(long Amount);
