using Mainstay.Internal;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Mainstay.Tests;

/// <summary>Tests of a ledger in an application of its own, each with its own database.</summary>
public abstract class LedgerDatabaseTests(PostgresFixture postgres) : OwnDatabaseTests(postgres)
{
    private PlainApplication _app = null!;

    protected Ledger Ledger => _app.Services.GetRequiredService<Ledger>();

    protected IServiceProvider Services => _app.Services;

    protected override async Task PrepareAsync() => _app = await PlainApplication.StartAsync(ConnectionString, services =>
    {
        services.AddLedger(new LedgerOptions { Currencies = [new("EUR", 2), new("USD", 2), new("BTC", 8)], FoldInterval = TimeSpan.FromMilliseconds(50) });
        Add(services);
    });

    protected virtual void Add(IServiceCollection services)
    {
    }

    public override async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        await base.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>Stops what folds and releases by itself, so that it does not mend what a test has broken.</summary>
    private protected async Task RestAsync()
    {
        foreach (var service in Services.GetServices<IHostedService>().OfType<LedgerService>())
            await service.StopAsync(Stop);
    }

    /// <summary>A wallet that must not go negative.</summary>
    private protected Task<LedgerAccount> WalletAsync(string code, string currency = "EUR", long? least = 0) => Ledger.OpenAsync(new NewLedgerAccount(code, currency, LedgerSide.Credit) { Least = least }, Stop);

    /// <summary>An account of whoever keeps the ledger, without a limit.</summary>
    private protected Task<LedgerAccount> BankAsync(string code = "bank", string currency = "EUR", bool isDeferred = false) =>
        Ledger.OpenAsync(new NewLedgerAccount(code, currency, LedgerSide.Debit) { Least = null, IsDeferred = isDeferred }, Stop);

    /// <summary>A wallet that somebody has paid into.</summary>
    private protected async Task<LedgerAccount> WalletAsync(string code, LedgerAccount bank, long amount)
    {
        var wallet = await WalletAsync(code);
        await Ledger.TransferAsync(LedgerTransfer.Between(debit: bank.Id, credit: wallet.Id, amount), Stop);
        return wallet;
    }

    private protected async Task<long> BalanceAsync(LedgerAccount account) => (await Ledger.RequireAsync(account.Id, Stop)).Balance;

    private protected async Task ShouldBeSoundAsync()
    {
        var report = await Ledger.VerifyAsync(cancellation: Stop);
        report.IsSound.ShouldBeTrue(string.Join('\n', report.Findings.SelectMany(finding => finding.Rows.Select(row => $"{finding.Check}: {row}")).Concat(report.Unfinished)));
    }

    private protected static async Task ShouldBeRefusedAsync(Func<Task> call, ProblemType problem) => (await Should.ThrowAsync<ProblemException>(call)).Type.ShouldBe(problem);
}
