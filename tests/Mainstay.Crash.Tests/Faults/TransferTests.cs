using Microsoft.Extensions.DependencyInjection;

namespace Mainstay.Tests;

/// <summary>Transfers of a ledger while their node and the server are killed. Whoever gets no answer asks again.</summary>
[Collection(nameof(Money))]
public sealed class TransferTests(DisturbedServer server)
{
    private const int Transfers = 120;

    private static CancellationToken Stop => Scene.Stop;

    [Theory]
    [InlineData("node")]
    [InlineData("postmaster")]
    [InlineData("backend")]
    public async Task Each_transfer_is_recorded_once_and_the_ledger_is_sound(string victim)
    {
        await using var scene = await Scene.CreateAsync(server);
        var node = await scene.StartAsync(settings => settings with { KeepsLedger = true });
        for (var number = 0; number < Transfers; number++)
            node.Tell($"transfer {number}");
        await Wait.UntilAsync("the first are recorded", Scene.Patience, () => Task.FromResult(Enumerable.Range(0, Transfers).Count(number => node.HasSaid($"transferred {number}")) > 5), Stop, () => node.LastWords);

        if (victim == "node")
        {
            await node.KillAsync(Stop);
            node.Start();
            await node.SaysAsync("ready", Stop);
        }
        else
            await server.KillAsync(victim, Stop);
        // Acknowledged or not: all of them once more, until each is acknowledged.
        for (var number = 0; number < Transfers; number++)
            node.Tell($"transfer {number}");
        var looks = 0;
        await Wait.UntilAsync("every transfer is answered", Scene.Patience, () =>
        {
            var missing = Enumerable.Range(0, Transfers).Where(number => !node.HasSaid($"transferred {number}")).ToArray();
            foreach (var number in looks++ % 50 != 0 ? [] : missing.Where(number => node.HasSaid($"not transferred {number}")))
                node.Tell($"transfer {number}");
            return Task.FromResult(missing.Length == 0);
        }, Stop, () => node.LastWords);

        (await scene.ScalarAsync<long>("select count(distinct key) from mainstay.ledger_transfers where key like 'transfer-%'")).ShouldBe(Transfers);
        (await scene.ScalarAsync<long>("select count(*) from mainstay.ledger_transfers")).ShouldBe(Transfers);
        await scene.UntilAsync("everything is folded and every hold has expired",
            "select not exists (select from mainstay.ledger_unfolded) and not exists (select from mainstay.ledger_holds where captured + released < amount)");
        (await scene.ScalarAsync<decimal>("select sum(balance)::numeric from mainstay.ledger_accounts")).ShouldBe(0);
        (await scene.ScalarAsync<long>("select -balance from mainstay.ledger_accounts where code = 'fees'")).ShouldBe(Transfers);
        var survivor = await scene.SurviveAsync(settings => settings with { KeepsLedger = true });
        var report = await survivor.Services.GetRequiredService<Mainstay.Ledger>().VerifyAsync(Scene.Patience, Stop);
        report.IsSound.ShouldBeTrue(string.Join('\n', report.Findings.SelectMany(finding => finding.Rows.Select(row => $"{finding.Check}: {row}")).Concat(report.Unfinished)));
    }
}

/// <summary>Tests of a ledger that disturb its server, one after the other: to make a server takes longer than most of them.</summary>
[CollectionDefinition(nameof(Money))]
public sealed class Money : ICollectionFixture<DisturbedServer>;
