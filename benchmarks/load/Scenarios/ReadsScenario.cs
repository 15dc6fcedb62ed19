namespace Mainstay.Benchmarks;

/// <summary>What reads cost beside code that is written by hand for nothing else.</summary>
internal static class ReadsScenario
{
    /// <summary>The promise: at least 90 % of the requests per second.</summary>
    private const double RatioLeast = 0.9;

    private static readonly Plan usual = new(Rounds: 1, Pairs: 9, Seconds: 3, WarmUpSeconds: 4, 16, 64);

    public static async Task<int> RunAsync(string[] options)
    {
        var plan = Plan.Of(options, usual);
        var (versions, loadBefore) = (await Wrk.VersionAsync(), ResultPage.LoadAverage());
        await using var database = await BenchmarkDatabase.StartAsync();
        await using var field = await Field.StartAsync(database, Contestant.Shop, Contestant.Raw);
        var series = await field.MeasureAsync(plan, Products.ReadsAsync);

        var verdicts = series.Select(one => one.Compare(Contestant.Shop, Contestant.Raw).AtLeast(RatioLeast)).ToArray();
        var verdict = verdicts.Contains(Verdict.Broken) ? Verdict.Broken : verdicts.Max();
        await ResultPage.WriteAsync("reads", "Reads beside code written by hand", $"{database.Version}, {versions}",
            $"dotnet run -c Release --project benchmarks/load -- reads --pairs {plan.Pairs} --seconds {plan.Seconds} --warm-up {plan.WarmUpSeconds} --connections {string.Join(',', plan.Connections)}", loadBefore, $"""
            Medians of {plan.Pairs} runs of {plan.Seconds} s each, taken in turn. "raw" is a minimal API on Npgsql, tuned by hand.

            {RatioTable.Of(series, Contestant.Raw, [Contestant.Shop, Contestant.Raw])}

            Most memory held at once: shop {field[Contestant.Shop].PeakMemory:0} MiB, raw {field[Contestant.Raw].PeakMemory:0} MiB.
            """);
        return (int)verdict;
    }
}
