using Mainstay.Internal;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>The answer to a commit of the ledger is lost, and then the database is away. Nobody may be told that nothing was changed when something may have been.</summary>
public sealed class LedgerDoubtTests(PostgresFixture postgres) : OwnDatabaseTests(postgres)
{
    private CountingProxy _proxy = null!;
    private PlainApplication _app = null!;

    private Ledger Ledger => _app.Services.GetRequiredService<Ledger>();

    protected override async Task PrepareAsync()
    {
        _proxy = new CountingProxy(ConnectionString);
        _app = await PlainApplication.StartAsync(_proxy.ConnectionString, services => services.AddLedger(new LedgerOptions { Currencies = [new("EUR", 2)], FoldInterval = TimeSpan.FromMinutes(1) }));
    }

    public override async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        await _proxy.DisposeAsync();
        await base.DisposeAsync();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_transfer_in_doubt_stays_in_doubt_until_its_repetition_finds_out(bool arrived)
    {
        var (bank, ada) = await OpenAsync();
        var transfer = LedgerTransfer.Between(bank, ada, 100) with { Key = "in-doubt" };
        Cut("in-doubt", arrived);

        (await Should.ThrowAsync<ProblemException>(() => Ledger.TransferAsync(transfer, Stop))).Type.ShouldBe(ProblemCatalogue.OutcomeUnknown);

        _proxy.IsDown = false;
        (await Ledger.TransferAsync(transfer, Stop)).IsNew.ShouldBe(!arrived);
        (await Ledger.RequireAsync(ada, Stop)).Balance.ShouldBe(100);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_hold_in_doubt_stays_in_doubt(bool arrived)
    {
        var (bank, ada) = await OpenAsync();
        await Ledger.TransferAsync(LedgerTransfer.Between(bank, ada, 100), Stop);
        var hold = new NewLedgerHold(ada, 30) { Description = "in-doubt" };
        Cut("in-doubt", arrived);

        (await Should.ThrowAsync<ProblemException>(() => Ledger.HoldAsync(hold, Stop))).Type.ShouldBe(ProblemCatalogue.OutcomeUnknown);

        _proxy.IsDown = false;
        (await Source.ScalarAsync<long>("select count(*) from mainstay.ledger_holds")).ShouldBe(arrived ? 1 : 0);
        await Ledger.HoldAsync(hold, Stop);
        (await Ledger.RequireAsync(ada, Stop)).Held.ShouldBe(30);
    }

    [Fact]
    public async Task Of_transfers_that_share_a_commit_whoever_is_told_that_nothing_was_changed_finds_nothing()
    {
        var (bank, ada) = await OpenAsync();
        LedgerTransfer[] transfers = [.. Enumerable.Range(0, 4).Select(i => LedgerTransfer.Between(bank, ada, 1) with { Key = $"doubt number {i}" })];
        Cut("doubt number 3", arrived: true);

        var told = await Task.WhenAll(transfers.Select(ToldAsync));

        _proxy.IsDown = false;
        told[3].ShouldBe("outcome-unknown");
        foreach (var (answer, transfer) in told.Zip(transfers))
        {
            var isThere = await Source.ScalarAsync<bool>($"select exists (select from mainstay.ledger_transfers where key = '{transfer.Key}')");
            (answer switch { "recorded" => isThere, "database-unavailable" => !isThere, "outcome-unknown" => true, _ => false }).ShouldBeTrue($"{transfer.Key}: {answer}, {isThere}");
        }
    }

    [Fact]
    public async Task A_read_that_fails_is_not_in_doubt()
    {
        var (_, ada) = await OpenAsync();
        _proxy.CutAfter("account.code", forGood: true);

        (await Should.ThrowAsync<ProblemException>(() => Ledger.FindAsync("ada", Stop))).Type.ShouldBe(ProblemCatalogue.DatabaseUnavailable);

        _proxy.IsDown = false;
        (await Ledger.RequireAsync(ada, Stop)).Balance.ShouldBe(0);
    }

    private async Task<string> ToldAsync(LedgerTransfer transfer)
    {
        try
        {
            await Ledger.TransferAsync(transfer, Stop);
            return "recorded";
        }
        catch (ProblemException problem)
        {
            return problem.Type.Code;
        }
    }

    private void Cut(string word, bool arrived)
    {
        if (arrived)
            _proxy.CutAfter(word, forGood: true);
        else
            _proxy.CutBefore(word, forGood: true);
    }

    private async Task<(Id<LedgerAccount> Bank, Id<LedgerAccount> Ada)> OpenAsync() =>
        ((await Ledger.OpenAsync(new NewLedgerAccount("bank", "EUR", LedgerSide.Debit) { Least = null }, Stop)).Id, (await Ledger.OpenAsync(new NewLedgerAccount("ada", "EUR", LedgerSide.Credit), Stop)).Id);
}
