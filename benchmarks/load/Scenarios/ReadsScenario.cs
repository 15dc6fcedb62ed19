namespace Mainstay.Benchmarks;

/// <summary>What reads cost beside code that is written by hand for nothing else.</summary>
internal static class ReadsScenario
{
    public static readonly Plan Usual = new(Rounds: 1, Pairs: 9, Seconds: 2, WarmUpSeconds: 20, 16, 64);

    public static async Task<Section> RunAsync(Plan plan)
    {
        await using var database = await BenchmarkDatabase.StartAsync();
        await using var field = await Field.StartAsync(database, [.. ReadPromise.All.Select(promise => promise.Contestant).Distinct(), Contestant.Raw]);
        var series = await Turns.TakeAsync(plan, await field.QuestionsAsync(Products.AllReadsAsync));
        return new Section("Reads beside code written by hand", $"""
            Medians of {plan.Pairs} runs of {plan.Seconds} s each, taken in turn. "raw" is a minimal API on Npgsql, tuned by hand: the limit of a statement for every read.
            "shop" is as it is delivered: reads that wait share a statement. "shop, one by one" has that switched off.

            {RatioTable.Of(series, Contestant.Raw.Name)}
            """, database.Version,
            [.. from promise in ReadPromise.All
                from one in series
                where one.Question == promise.Question && one.Connections >= promise.ConnectionsLeast
                select Finding.AtLeast(promise.Ratio, $"{one.Question}, {one.Connections} connections, {promise.Contestant.Name} divided by raw", one.Compare(promise.Contestant.Name, Contestant.Raw.Name).Rate)]);
    }
}

/// <summary>What is promised about reads.</summary>
/// <param name="Contestant">A form of the shop.</param>
/// <param name="Question">What it is asked.</param>
/// <param name="ConnectionsLeast">From how many connections on it is promised.</param>
/// <param name="Ratio">Requests per second, divided by those of the limit.</param>
internal sealed record ReadPromise(Contestant Contestant, string Question, int ConnectionsLeast, double Ratio)
{
    public static readonly ReadPromise[] All =
    [
        new(Contestant.OneByOne, Products.ById, 1, 0.9),
        new(Contestant.OneByOne, Products.Page, 1, 0.9),
        new(Contestant.Shop, Products.ById, 64, 1.6),
        new(Contestant.Shop, Products.Page, 64, 1.3),
        new(Contestant.Shop, Products.Nested, 1, 0.9),
    ];
}
