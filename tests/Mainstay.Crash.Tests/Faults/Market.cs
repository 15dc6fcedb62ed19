using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>A ledger with money in it, purchases that move it (<see cref="Purchases"/>), and what has to be true of both in the end. <paramref name="operations"/> is a node that runs nothing and is asked.</summary>
internal sealed class Market(Scene scene, IHost operations)
{
    public const int Wallets = 4;

    /// <summary>What is put into each wallet, and more than anything costs but what nobody can pay.</summary>
    private const int Deposit = 1_000_000;

    /// <summary>What is wrong, a row for each. The description of a transfer is the step that made it; a reversal says by what it reverses to which purchase it belongs.</summary>
    private const string Wrong = """
        with ended as (
            select key, outcome from mainstay.sagas_ended where saga = 'purchase'
        ), moved as (
            select transfer.id, coalesce(transfer.reference, original.reference) as key, transfer.description as what, transfer.accounts, transfer.amounts
            from mainstay.ledger_transfers transfer left join mainstay.ledger_transfers original on original.id = transfer.reverses
            where coalesce(transfer.reference, original.reference) is not null
        ), entry as (
            select moved.key, moved.what, account.code, part.amount
            from moved cross join lateral unnest(moved.accounts, moved.amounts) as part (account, amount) join mainstay.ledger_accounts account on account.id = part.account
        ), left_over as (
            select key, code, sum(amount) as amount from entry where what <> 'spend' group by key, code
        )
        select 'ended ' || (select count(*) from ended where ended.key = bought.key) || ' times: ' || key || ' ' || does from bought where (select count(*) from ended where ended.key = bought.key) <> 1
        union all
        select 'ended as ' || outcome || ': ' || key || ' ' || does from bought join ended using (key) where outcome <> case does when '' then 'completed' else 'compensated' end
        union all
        select 'nobody bought it: ' || key from (select key from moved union select key from ended) other where key not in (select key from bought)
        union all
        select 'moved ' || count(*) || ' times: ' || key || ' ' || what from moved group by key, what having count(*) > 1
        union all
        select 'completed and not whole: ' || key from ended where outcome = 'completed' and (select array_agg(what order by what) from moved where moved.key = ended.key) is distinct from array['courier', 'pay', 'take']
        union all
        select 'completed, and the money is elsewhere: ' || key from ended join bought using (key) where outcome = 'completed'
            and (select array_agg(code || ' ' || -amount order by code) from left_over where left_over.key = ended.key and code not like 'wallet%') is distinct from array['courier 1', 'escrow 0', 'shop ' || cents - 1]
        union all
        select 'taken back without having been done, or the other way: ' || key || ' ' || step from (
            select key, replace(what, 'undo ', '') as step from moved join ended using (key) where outcome = 'compensated' and what <> 'spend' group by key, replace(what, 'undo ', '') having count(*) <> 2
        ) half
        union all
        select 'taken back, and the money is elsewhere: ' || key || ' ' || code || ' ' || amount from left_over join ended using (key) where outcome = 'compensated' and amount <> 0
        union all
        select 'sold ' || count(*) || ' times: ' || key || ' ' || min(outcome) from sales left join ended using (key) group by key having count(*) <> 1 or min(outcome) is distinct from 'completed'
        union all
        select 'completed and not sold: ' || key from ended where outcome = 'completed' and key not in (select key from sales)
        """;

    public Mainstay.Ledger Ledger => operations.Services.GetRequiredService<Mainstay.Ledger>();

    public Sagas Sagas => operations.Services.GetRequiredService<Sagas>();

    /// <summary>The settings of nodes that make purchases.</summary>
    public static NodeSettings Settings(NodeSettings settings) => settings with { KeepsLedger = true, MakesPurchases = true };

    public static async Task<Market> OpenAsync(Scene scene)
    {
        await scene.ExecuteAsync(Purchases.Tables);
        var market = new Market(scene, await scene.SurviveAsync(settings => Settings(settings) with { Workers = 0 }));
        var bank = await market.Ledger.OpenAsync(new NewLedgerAccount("bank", "EUR", LedgerSide.Debit) { Least = null }, Scene.Stop);
        foreach (var code in new[] { "escrow", "shop" })
            await market.Ledger.OpenAsync(new NewLedgerAccount(code, "EUR", LedgerSide.Credit), Scene.Stop);
        await market.Ledger.OpenAsync(new NewLedgerAccount("courier", "EUR", LedgerSide.Credit) { Least = null, IsDeferred = true }, Scene.Stop);
        for (var wallet = 0; wallet < Wallets; wallet++)
        {
            var account = await market.Ledger.OpenAsync(new NewLedgerAccount($"wallet-{wallet}", "EUR", LedgerSide.Credit), Scene.Stop);
            await market.Ledger.TransferAsync(LedgerTransfer.Between(bank.Id, account.Id, Deposit), Scene.Stop);
        }
        return market;
    }

    /// <summary>Begins a purchase.</summary>
    /// <param name="number">Which; it says whose, too.</param>
    /// <param name="does">As <see cref="Purchase"/> says; <c>poor</c> for one that costs more than there is.</param>
    public async Task BuyAsync(int number, string does)
    {
        var (key, wallet, cents) = ($"purchase-{number}", $"wallet-{number % Wallets}", does == "poor" ? 2 * Deposit : 2 + (number % 98));
        await using var command = scene.Source.CreateCommand("""
            with noted as (insert into bought (key, does, cents) values ($1, $2, $4))
            select mainstay.enqueue('purchase', json_build_object('key', $1, 'wallet', $3, 'cents', $4, 'does', $2))
            """);
        foreach (var text in new[] { key, does, wallet })
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = text });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = cents });
        await command.ExecuteNonQueryAsync(Scene.Stop);
    }

    /// <summary>
    /// Waits until every purchase has come to its end. Innocent jobs that were with three nodes which died are dead letters, and their sagas are stuck: an operator has those tried again.
    /// </summary>
    public async Task EndAsync()
    {
        var letters = operations.Services.GetRequiredService<DeadLetters>();
        try
        {
            await Wait.UntilAsync("every purchase has ended", Scene.Patience, async () =>
            {
                foreach (var letter in await letters.ListAsync(new DeadLetterFilter { Reason = "crashed" }, cancellation: Scene.Stop))
                    await letters.RedriveAsync(letter.Id, "it was in bad company", cancellation: Scene.Stop);
                return await scene.ScalarAsync<bool>("select not exists (select from mainstay.sagas) and not exists (select from mainstay.jobs)");
            }, Scene.Stop);
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"{e.Message}\n{await scene.ScalarAsync<string>("select json_build_object('sagas', (select json_agg(open) from (select * from mainstay.sagas limit 5) open), 'jobs', (select json_agg(job) from (select * from mainstay.jobs limit 10) job), 'dead', (select json_agg(dead) from (select * from mainstay.jobs_dead limit 5) dead))::text")}");
        }
    }

    /// <summary>Puts back what the shop has spent.</summary>
    public async Task RefundAsync()
    {
        var spent = (await scene.ScalarAsync<long>("select coalesce(max(abs(amounts[1])), 0) from mainstay.ledger_transfers where description = 'spend'"));
        await Ledger.TransferAsync(LedgerTransfer.Between((await Ledger.FindAsync("bank", Scene.Stop))!.Id, (await Ledger.FindAsync("shop", Scene.Stop))!.Id, spent), Scene.Stop);
    }

    /// <summary>What was put in is there, each purchase has moved what it had to and nothing else, the shop's own table says the same, and neither checker finds anything.</summary>
    public async Task VerifyAsync()
    {
        (await scene.ScalarAsync<string>($"select coalesce(string_agg(wrong, '; '), '') from (select * from ({Wrong}) every (wrong) limit 20) found")).ShouldBe("");
        await scene.UntilAsync("everything has its number", "select not exists (select from mainstay.ledger_unfolded)");
        (await scene.ScalarAsync<decimal>("select sum(balance)::numeric from mainstay.ledger_accounts")).ShouldBe(0);
        (await BalanceAsync("bank")).ShouldBe(Wallets * Deposit);
        (await BalanceAsync("escrow")).ShouldBe(0);
        (await BalanceAsync("courier")).ShouldBe(await scene.ScalarAsync<long>("select count(*) from sales") * Purchases.Fee);
        (await BalanceAsync("shop")).ShouldBe(await scene.ScalarAsync<long>("select coalesce(sum(cents), 0)::bigint from sales"));
        (await scene.ScalarAsync<long>("select count(*) from mainstay.jobs_dead")).ShouldBe(0);
        var ledger = await Ledger.VerifyAsync(Scene.Patience, Scene.Stop);
        ledger.Findings.SelectMany(finding => finding.Rows.Select(row => $"{finding.Check}: {row.Row} {row.Detail}")).Concat(ledger.Unfinished).ShouldBeEmpty();
        var queues = await operations.Services.GetRequiredService<QueueChecker>().VerifyAsync(within: Scene.Patience, cancellation: Scene.Stop);
        queues.Findings.SelectMany(finding => finding.Rows.Select(row => $"{finding.Check}: {row.Row} {row.Detail}")).Concat(queues.Unfinished).ShouldBeEmpty();
    }

    /// <summary>In the account's own direction.</summary>
    private async Task<long> BalanceAsync(string code) => (await Ledger.FindAsync(code, Scene.Stop))!.Balance;
}
