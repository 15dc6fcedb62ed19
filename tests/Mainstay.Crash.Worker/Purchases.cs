namespace Mainstay.Tests;

/// <summary>
/// A purchase that is paid and sent, or taken back, known by its key. <c>Does</c> says what happens to it: <c>lost</c> (nobody hears that the courier was paid), <c>refuse</c>, <c>fail</c>,
/// <c>spend</c> (the shop spends what it got before it fails), or nothing.
/// </summary>
public sealed record Purchase(string Key, string Wallet, int Cents, string Does = "");

/// <summary>The transfer by which the shop was paid.</summary>
public sealed record Sale(Guid Transfer);

/// <summary>
/// A saga of the fault tests whose steps move money in a ledger, in transactions and outside of them. Transfers of a transaction have no key, so that nothing hides a second one; those outside are known by theirs,
/// as those of a payment provider are. The reference of a transfer names the purchase, its description the step.
/// </summary>
public static class Purchases
{
    /// <summary>What the courier gets of each purchase.</summary>
    public const int Fee = 1;

    public const string Tables = """
        create table bought (key text primary key, does text not null, cents bigint not null);
        create table sales (key text not null, cents bigint not null)
        """;

    private static readonly TimeSpan soon = TimeSpan.FromMilliseconds(50);

    public static void Declare(JobsBuilder jobs) => jobs.Saga<Purchase>("purchase").By(purchase => purchase.Key)
        .Step("take", (Purchase purchase, UnitOfWork work) => RecordAsync(work, purchase, "take", purchase.Wallet, "escrow", purchase.Cents),
            undo: (Purchase purchase, UnitOfWork work) => RecordAsync(work, purchase, "undo take", "escrow", purchase.Wallet, purchase.Cents), step => step.Retry(2, soon, soon))
        .Step("courier", BookAsync, undo: CancelAsync, step => step.Retry(2, soon, soon).UndoIfUnknown())
        .Step("pay", PayAsync, undo: GiveBackAsync, step => step.Undo(undo => undo.Retry(2, soon, soon)))
        .Step("send", SendAsync, options: step => step.Retry(2, soon, soon).On<NotSupportedException>(RetryRule.Never));

    /// <summary>Sent with the commit.</summary>
    private static async Task RecordAsync(UnitOfWork work, Purchase purchase, string what, string from, string to, int cents) => work.Transfer(await TransferAsync(work.Ledger(), purchase, what, from, to, cents));

    private static async Task BookAsync(Purchase purchase, Outbound outbound, Ledger ledger)
    {
        await ledger.TransferAsync(await TransferAsync(ledger, purchase, "courier", "escrow", "courier", Fee) with { Key = Booking(purchase) }, outbound.Cancellation);
        if (purchase.Does == "lost")
            throw new IOException("The courier was paid, and its answer is lost.");
    }

    private static async Task CancelAsync(Purchase purchase, Outbound outbound, Ledger ledger)
    {
        if (await ledger.FindTransferAsync(Booking(purchase), outbound.Cancellation) is not null)
            await ledger.TransferAsync(await TransferAsync(ledger, purchase, "undo courier", "courier", "escrow", Fee) with { Key = outbound.Key }, outbound.Cancellation);
    }

    private static async Task<Sale> PayAsync(Purchase purchase, UnitOfWork work)
    {
        var ledger = work.Ledger();
        var posting = await ledger.TransferAsync(await TransferAsync(ledger, purchase, "pay", "escrow", "shop", purchase.Cents - Fee), work.Cancellation);
        work.Execute($"insert into sales (key, cents) values ({purchase.Key}, {purchase.Cents - Fee})");
        return new Sale(posting.Transfer.Value);
    }

    private static async Task GiveBackAsync(Purchase purchase, Sale sale, UnitOfWork work)
    {
        await work.ExecuteAsync($"delete from sales where key = {purchase.Key}");
        await work.Ledger().ReverseAsync(Id<LedgerTransfer>.From(sale.Transfer), description: "undo pay", cancellation: work.Cancellation);
    }

    private static async Task SendAsync(Purchase purchase, Outbound outbound, Ledger ledger)
    {
        switch (purchase.Does)
        {
            case "refuse":
                throw new NotSupportedException("The address.");
            case "spend":
                await ledger.TransferAsync(await TransferAsync(ledger, purchase, "spend", "shop", "bank", purchase.Cents - Fee) with { Key = outbound.Key }, outbound.Cancellation);
                throw new IOException("The roads are closed.");
            case "fail":
                throw new IOException("The roads are closed.");
        }
    }

    private static string Booking(Purchase purchase) => $"{purchase.Key} courier";

    private static async Task<LedgerTransfer> TransferAsync(Ledger ledger, Purchase purchase, string what, string from, string to, int cents)
    {
        var (debit, credit) = (await AccountAsync(ledger, from), await AccountAsync(ledger, to));
        return LedgerTransfer.Between(debit, credit, cents) with { Reference = purchase.Key, Description = what };
    }

    private static async Task<Id<LedgerAccount>> AccountAsync(Ledger ledger, string code) =>
        (await ledger.FindAsync(code) ?? throw new InvalidOperationException($"There is no account '{code}'.")).Id;
}
