using System.Diagnostics;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>
/// F42 with money: sagas that move it between accounts of a ledger while their nodes, and the server, are killed. Three kills; MAINSTAY_CRASH_KILLS asks for more, MAINSTAY_CRASH_SEED repeats the order of events.
/// </summary>
[Collection(nameof(Money))]
public sealed class PurchaseTests(DisturbedServer server, ITestOutputHelper output)
{
    private const int Nodes = 2;
    private const int OpenMost = 60;

    private static readonly string?[] statements = ["commit", "complete", "enqueue", "claim", "retry", "saga begin", "saga lock", "saga save", "saga end", "ledger transfer", "ledger group", null];

    private static CancellationToken Stop => Scene.Stop;

    [Fact]
    public async Task Whatever_is_killed_all_money_is_where_the_purchases_have_left_it()
    {
        var disorder = new Disorder(server, output, statements, killsOfShortForm: 3) { PauseMost = TimeSpan.FromSeconds(1) };
        await using var scene = await Scene.CreateAsync(server);
        var market = await Market.OpenAsync(scene);
        var workers = Enumerable.Range(0, Nodes).Select(_ => scene.Worker(settings => Market.Settings(settings) with { Workers = 8 })).ToArray();
        var clock = Stopwatch.StartNew();

        var bought = await disorder.RunAsync(workers, (random, until) => FeedAsync(scene, market, random, until));
        var killing = clock.Elapsed;
        await scene.SurviveAsync(settings => Market.Settings(settings) with { Workers = 8, Lease = TimeSpan.FromSeconds(3) });
        await market.EndAsync();

        disorder.Report(
            $"in {killing.TotalSeconds:0} s, everything ended {(clock.Elapsed - killing).TotalSeconds:0.0} s after the last: {bought} purchases offered, {await scene.ScalarAsync<string>("select coalesce(string_agg(outcome || ' ' || count, ', '), 'none') from (select outcome, count(*) from mainstay.sagas_ended group by outcome) ended")}");
        output.WriteLine(await scene.ScalarAsync<string>("select 'transfers ' || count(*) || ', of which taken back ' || count(*) filter (where description like 'undo %') || '; attempts of steps beyond the first ' || (select coalesce(sum(attempt - 1), 0) from mainstay.jobs_done) from mainstay.ledger_transfers"));
        await market.VerifyAsync();
    }

    /// <returns>How many purchases were begun, if nothing was lost on the way.</returns>
    private static async Task<int> FeedAsync(Scene scene, Market market, Random random, CancellationToken until)
    {
        var number = 0;
        while (!until.IsCancellationRequested)
            try
            {
                if (await scene.ScalarAsync<long>("select (select count(*) from mainstay.sagas) + (select count(*) from mainstay.jobs where state <> 2)") < OpenMost)
                    for (var i = 0; i < 10; i++)
                        await market.BuyAsync(number++, random.Next(10) switch { 0 => "refuse", 1 => "fail", 2 => "lost", 3 => "poor", _ => "" });
                await Task.Delay(30, until).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (NpgsqlException)
            {
                // The server is just away. Whether the purchase has begun, the table of those that were wanted says.
            }
        return number;
    }
}

/// <summary>F43: what cannot be taken back, because the shop has spent what it got. Its nodes die over it, too.</summary>
public sealed class StuckPurchaseTests(SharedServer server)
{
    private static CancellationToken Stop => Scene.Stop;

    [Fact]
    public async Task What_cannot_be_taken_back_stands_over_deaths_until_somebody_decides_and_is_then_taken_back_once()
    {
        await using var scene = await Scene.CreateAsync(server);
        var market = await Market.OpenAsync(scene);
        await market.BuyAsync(1, "spend");
        var first = scene.Worker(Market.Settings);
        var buries = first.Wire.Hold(Statements.Of("bury"), Moment.After);
        first.Start();

        // The last attempt to take it back has failed, and whoever made it dies.
        var held = await buries.ReachedAsync(Stop);
        await first.KillAsync(Stop);
        held.Cut();
        var second = await scene.StartAsync(Market.Settings);
        await second.LogsAsync("MST3107", Stop);
        await IsStuckAsync(scene);
        var id = await scene.ScalarAsync<Guid>("select id from mainstay.sagas");
        (await market.Sagas.RetryAsync(id, "try it without money", User.System("ada"), Stop)).ShouldBeTrue();
        await scene.UntilAsync("it has failed again", "select count(*) = 1 from mainstay.jobs_dead where not exists (select from mainstay.jobs)");
        await IsStuckAsync(scene);

        // There is money again, somebody decides, and whoever takes it back dies with the commit.
        await market.RefundAsync();
        var commits = second.Wire.Hold(Statements.Of("ledger transfer"), Moment.Before);
        (await market.Sagas.RetryAsync(id, "the bank has lent some", User.System("ada"), Stop)).ShouldBeTrue();
        held = await commits.ReachedAsync(Stop);
        await second.KillAsync(Stop);
        held.Cut();
        await scene.SurviveAsync(Market.Settings);
        await market.EndAsync();

        (await scene.ScalarAsync<string>("select string_agg(after ->> 'why', ', ' order by at) from mainstay.audit where resource = 'mainstay.sagas'")).ShouldBe("try it without money, the bank has lent some");
        (await scene.ScalarAsync<long>("select count(*) from mainstay.ledger_transfers where description like 'undo %'")).ShouldBe(3);
        await market.VerifyAsync();
    }

    /// <summary>It is neither done nor undone, the money is where it was, and the checker has nothing to say against that.</summary>
    private static async Task IsStuckAsync(Scene scene)
    {
        (await scene.ScalarAsync<string>("select status || ' ' || (select count(*) from mainstay.sagas_ended) || ' ' || (select reason from mainstay.jobs_dead) from mainstay.sagas")).ShouldBe("stuck 0 failed");
        (await scene.ScalarAsync<long>("select count(*) from mainstay.ledger_transfers where description like 'undo %'")).ShouldBe(0);
    }
}
