namespace Mainstay.Benchmarks;

/// <summary>Reads and inserts beside what teams use today. The peers' inserts are bare: no key, no audit entry, no message.</summary>
internal static class PeersScenario
{
    public static readonly Plan Usual = new(Rounds: 1, Pairs: 6, Seconds: 2, WarmUpSeconds: 8, 64);

    public static async Task<Section> RunAsync(Plan plan)
    {
        var versions = await NodePeers.InstallAsync();
        await using var database = await BenchmarkDatabase.StartAsync();
        Contestant[] peers = [Contestant.EntityFramework, Contestant.Dapper, Contestant.Fastify, Contestant.Express];
        await using var field = await Field.StartAsync(database, [Contestant.Shop, .. peers, Contestant.Raw]);
        // Reads first: what is posted would be read too, and more with every round.
        var series = await Turns.TakeAsync(plan, await field.QuestionsAsync(Products.AllReadsAsync));
        series.AddRange(await Turns.TakeAsync(plan, await field.QuestionsAsync(async server => [await Products.PostAsync(server)])));
        return new Section("Beside other servers", $"""
            Medians of {plan.Pairs} runs of {plan.Seconds} s each, taken in turn; the ratio is to "raw". Each peer is written as its documentation recommends, in production mode, with the
            defaults of its driver, and answers what the shop answers. Their POST is a bare insert; the shop's records key, audit entry and message in the same commit.

            {RatioTable.Of(series, Contestant.Raw.Name)}
            """, $"{database.Version}, {versions}",
            [.. from one in series
                where one.Question != Products.Post
                from peer in peers
                select Finding.AtLeast(1, $"{one.Question}, {one.Connections} connections, shop divided by {peer.Name}", one.Compare(Contestant.Shop.Name, peer.Name).Rate)]);
    }
}
