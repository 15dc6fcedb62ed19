namespace Mainstay.Benchmarks;

/// <summary>
/// What the strictness costs: the same build with its checks on and off, on one database. Strictness is looking at requests more closely than ASP.NET Core
/// does by itself; docs/internals/performance.md names what the switch turns off and what it does not.
/// </summary>
internal static class StrictnessScenario
{
    /// <summary>The promise: at most 5 % of the requests per second.</summary>
    private const double RatioLeast = 0.95;

    private static readonly Plan usual = new(Rounds: 4, Pairs: 25, Seconds: 1, WarmUpSeconds: 4, 16);

    public static async Task<int> RunAsync(string[] options)
    {
        var plan = Plan.Of(options, usual);
        var (versions, loadBefore) = (await Wrk.VersionAsync(), ResultPage.LoadAverage());
        await using var database = await BenchmarkDatabase.StartAsync();
        var comparisons = new List<Comparison>();
        for (var round = 1; round <= plan.Rounds; round++)
            await RunRoundAsync(plan, database, round, comparisons);

        var verdicts = comparisons.Select(comparison => comparison.Rate.AtLeast(RatioLeast)).ToArray();
        var verdict = verdicts.Contains(Verdict.Broken) ? Verdict.Broken : verdicts.Max();
        await ResultPage.WriteAsync("strictness", "What the strictness costs", $"{database.Version}, {versions}",
            $"dotnet run -c Release --project benchmarks/load -- strictness --rounds {plan.Rounds} --pairs {plan.Pairs} --seconds {plan.Seconds}", loadBefore, Text(plan, comparisons, verdict));
        return (int)verdict;
    }

    /// <summary>Both servers, started afresh, and for each request its pairs. The one that begins changes from pair to pair.</summary>
    private static async Task RunRoundAsync(Plan plan, BenchmarkDatabase database, int round, List<Comparison> comparisons)
    {
        await using var first = await StartAsync(database, isStrict: round % 2 == 1);
        if (comparisons.Count == 0)
            await Products.FillAsync(first);
        var requests = await Products.ReadsAsync(first);
        if (comparisons.Count == 0)
            comparisons.AddRange(requests.Select(request => new Comparison(request.Name)));
        await using var second = await StartAsync(database, isStrict: round % 2 == 0);
        var (strict, lenient) = round % 2 == 1 ? (first, second) : (second, first);

        foreach (var server in (ServerProcess[])[strict, lenient])
            foreach (var request in requests)
                await Wrk.RunAsync(server, request, plan.Connections[0], plan.WarmUpSeconds);
        for (var pair = 0; pair < plan.Pairs; pair++)
            foreach (var (comparison, request) in comparisons.Zip(requests))
            {
                Task<Measured> Run(ServerProcess server) => Wrk.RunAsync(server, request, plan.Connections[0], plan.Seconds);
                var begins = await Run(pair % 2 == 0 ? strict : lenient);
                var follows = await Run(pair % 2 == 0 ? lenient : strict);
                var (withChecks, without) = pair % 2 == 0 ? (begins, follows) : (follows, begins);
                comparison.Add(withChecks, without);
                Console.WriteLine($"round {round}, pair {pair + 1}, {comparison.Name,-15} {withChecks.PerSecond,7:0} against {without.PerSecond,7:0} requests/s: {withChecks.PerSecond / without.PerSecond:0.000}");
            }
    }

    private static Task<ServerProcess> StartAsync(BenchmarkDatabase database, bool isStrict) => ServerProcess.StartAsync(database, isStrict ? Contestant.Shop : Contestant.Lenient);

    private static string Text(Plan plan, List<Comparison> comparisons, Verdict verdict) => $"""
        {(verdict switch
        {
            Verdict.Holds => "**The promise holds**: strictness costs at most 5 % of the requests per second on reads.",
            Verdict.Broken => "**The promise is broken**: strictness costs more than 5 % of the requests per second on reads.",
            _ => "**Undecided**: the range reaches across the limit of 5 %. Repeat it on a quieter machine, or with more pairs.",
        })} Strict divided by lenient, medians of {comparisons[0].Pairs} pairs of {plan.Seconds} s;
        the range holds the true median with 95 % certainty. The promise holds when all of it lies at 0.95 or above, and is broken when all of it lies below.

        | request | requests per second, ratio | range | half of the pairs | processor time, ratio | strict, requests/s | lenient | strict, processor time per request | lenient | strict, 50 and 99 % within | lenient |
        |---|---|---|---|---|---|---|---|---|---|---|
        {string.Join('\n', comparisons.Select(Row))}

        {plan.Connections[0]} connections, one thread of wrk, on the same machine as both servers and the database. Pairs are interleaved and change their order; the servers were started afresh {plan.Rounds} times.
        "Half of the pairs" is the noise: between the quartiles of the ratios.
        """;

    private static string Row(Comparison comparison)
    {
        var range = comparison.Rate.Certain is { } certain ? $"{certain.Low:0.000} to {certain.High:0.000}" : "too few pairs";
        return $"| {comparison.Name} | **{comparison.Rate.Median:0.000}** | {range} | {comparison.Rate.Quartiles.Low:0.000} to {comparison.Rate.Quartiles.High:0.000} | {comparison.RatioOf(run => run.ProcessorMicroseconds).Median:0.000} "
            + $"| {comparison.MedianOf(run => run.PerSecond):0} | {comparison.MedianOfBase(run => run.PerSecond):0} "
            + $"| {comparison.MedianOf(run => run.ProcessorMicroseconds):0} µs | {comparison.MedianOfBase(run => run.ProcessorMicroseconds):0} µs "
            + $"| {comparison.MedianOf(run => run.Milliseconds50):0.0}, {comparison.MedianOf(run => run.Milliseconds99):0.0} ms | {comparison.MedianOfBase(run => run.Milliseconds50):0.0}, {comparison.MedianOfBase(run => run.Milliseconds99):0.0} ms |";
    }
}
