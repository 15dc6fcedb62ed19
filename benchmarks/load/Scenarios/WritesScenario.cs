using System.Text;

namespace Mainstay.Benchmarks;

/// <summary>
/// A command that inserts a row and publishes an event, beside the database alone running the same statements, the same guarantee written naively, and a
/// bare insert that guarantees nothing.
/// </summary>
internal static class WritesScenario
{
    public static readonly Plan Usual = new(Rounds: 1, Pairs: 9, Seconds: 2, WarmUpSeconds: 25, 16, 64);

    private const string Naive = "naive";

    private const string Coalesced = "shop, Coalesce()";

    public static async Task<Section> RunAsync(Plan plan)
    {
        var (series, versions) = await AnsweringAsync(plan);
        var delivering = await DeliveringAsync(plan);
        return new Section("Writes beside the database alone", $"""
            Medians of {plan.Pairs} runs of {plan.Seconds} s each, taken in turn; the ratio is to "pgbench". "shop" is a command with idempotency key, one row, one audit entry and one outgoing
            message in one commit, on a node that leaves delivery to others. "pgbench" runs the statements that this node was recorded to send, in one pipeline, prepared, without
            any server in between. "shop, Coalesce()" is the same command whose calls are committed together. "naive" is the same guarantee in six round trips on Npgsql, prepared; "raw" is a bare insert.

            {RatioTable.Of(series, "pgbench")}

            With delivery in the same process, one effect in one transaction for each message; the ratio is to "raw", and every run waits until the one before has been delivered:

            {RatioTable.Of(delivering, Contestant.Raw.Name)}
            """, versions,
            [.. series.SelectMany(one => (Finding[])[
                Finding.AtLeast(0.8, $"POST, {one.Connections} connections, shop divided by pgbench with the same statements", one.Compare(Contestant.Answering.Name, "pgbench").Rate),
                Finding.AtLeast(2, $"POST, {one.Connections} connections, shop divided by the naive form", one.Compare(Contestant.Answering.Name, Naive).Rate)]),
                .. from one in series
                where one.Connections >= 64
                select Finding.AtLeast(2.5, $"POST, {one.Connections} connections, shop with Coalesce() divided by shop", one.Compare(Coalesced, Contestant.Answering.Name).Rate)]);
    }

    /// <summary>Delivery is off in this part: it would take up the messages that pgbench leaves.</summary>
    private static async Task<(List<Series> Series, string Versions)> AnsweringAsync(Plan plan)
    {
        await using var database = await BenchmarkDatabase.StartAsync();
        await using var field = await Field.StartAsync(database, Contestant.Answering, Contestant.Raw);
        var (shop, raw) = (field[Contestant.Answering], field[Contestant.Raw]);
        var pgbench = new Pgbench(database, await RecordAsync(database, await Products.PostAsync(shop)));
        var series = await Turns.TakeAsync(plan, new Question(Products.Post,
        [
            shop.Runner(Contestant.Answering.Name, await Products.PostAsync(shop)),
            shop.Runner(Coalesced, await Products.PostAsync(shop, ShopServer.CoalescedOrders)),
            pgbench.Runner,
            raw.Runner(Naive, await Products.PostAsync(raw, "/naive/orders")),
            raw.Runner(Contestant.Raw.Name, await Products.PostAsync(raw)),
        ]));
        return (series, database.Version);
    }

    private static async Task<List<Series>> DeliveringAsync(Plan plan)
    {
        await using var database = await BenchmarkDatabase.StartAsync();
        await using var field = await Field.StartAsync(database, Contestant.Shop, Contestant.Raw);
        var (shop, raw) = (field[Contestant.Shop], field[Contestant.Raw]);
        var (delivering, bare) = (shop.Runner(shop.Name, await Products.PostAsync(shop)), raw.Runner(raw.Name, await Products.PostAsync(raw)));
        Runner AfterDelivery(Runner runner) => runner with
        {
            RunAsync = async (connections, seconds) =>
            {
                await shop.UntilQuietAsync();
                return await runner.RunAsync(connections, seconds);
            },
        };
        return await Turns.TakeAsync(plan with { Pairs = Math.Max(1, plan.Pairs / 3) }, new Question(Products.Post, [AfterDelivery(delivering), AfterDelivery(bare)]));
    }

    /// <summary>Lets a server place orders with PostgreSQL behind a recorder, until it sends what it sends in the long run.</summary>
    private static async Task<PgbenchScript> RecordAsync(BenchmarkDatabase database, LoadRequest post)
    {
        await using var recorder = new WireRecorder(database.ConnectionString);
        await using var server = await ServerProcess.StartAsync(database, Contestant.Answering, recorder.ConnectionString);
        string[] keys = [.. Enumerable.Range(1, 4).Select(number => $"recorded-{number}-{Guid.CreateVersion7():N}")];
        foreach (var key in keys)
            await Products.PlaceAsync(server, post, key);
        var pipelines = recorder.Pipelines;
        WireStatement[] Of(string key) => pipelines.Single(pipeline => pipeline.SelectMany(statement => statement.Parameters).Any(parameter => parameter.Value.AsSpan().IndexOf(Encoding.UTF8.GetBytes(key)) >= 0));
        return await PgbenchScript.CreateAsync(database, Of(keys[^2]), Of(keys[^1]), keys[^2]);
    }
}
