namespace Mainstay.Benchmarks;

/// <summary>How long answers take when a server is not at its limit, which is what callers see.</summary>
internal static class HalfLoadScenario
{
    public static readonly Plan Usual = new(Rounds: 1, Pairs: 7, Seconds: 4, WarmUpSeconds: 10, 64);

    public static async Task<Section> RunAsync(Plan plan)
    {
        await using var database = await BenchmarkDatabase.StartAsync();
        await using var field = await Field.StartAsync(database, Contestant.Shop, Contestant.Raw);
        var questions = new List<(string Name, double PerSecond, Comparison Comparison)>();
        var (shop, raw) = (field[Contestant.Shop], field[Contestant.Raw]);
        foreach (var (ofShop, ofRaw) in (await Products.ReadsAsync(shop)).Zip(await Products.ReadsAsync(raw)))
        {
            await Wrk.RunAsync(shop, ofShop, plan.Connections[^1], plan.WarmUpSeconds);
            await Wrk.RunAsync(raw, ofRaw, plan.Connections[^1], plan.WarmUpSeconds);
            var most = (await Wrk.RunAsync(raw, ofRaw, plan.Connections[^1], plan.Seconds)).PerSecond;
            var comparison = new Comparison(ofShop.Name);
            for (var pair = 0; pair < plan.Pairs; pair++)
            {
                Task<Measured> Run(bool isShop) => RunAsync(isShop ? shop : raw, isShop ? ofShop : ofRaw, most / 2, plan.Seconds);
                var begins = await Run(pair % 2 == 0);
                var follows = await Run(pair % 2 == 1);
                comparison.Add(pair % 2 == 0 ? begins : follows, pair % 2 == 0 ? follows : begins);
                Console.WriteLine($"pair {pair + 1}, {ofShop.Name}, {most / 2:0} requests/s: 99 % within {begins.Milliseconds99:0.00} and {follows.Milliseconds99:0.00} ms");
            }
            questions.Add((ofShop.Name, most / 2, comparison));
        }
        return new Section("Times at half of the load", $"""
            | request | requests/s | shop, 50 % within | raw | shop, 99 % within | raw | 99 %, ratio |
            |---|---|---|---|---|---|---|
            {string.Join('\n', questions.Select(question => Row(question.PerSecond, question.Comparison)))}

            Half of what "raw" reached at most arrives at a fixed rate, whatever the answers take; a time counts from the arrival. Medians of {plan.Pairs} runs of {plan.Seconds} s each, taken in turn.
            """, database.Version,
            [.. questions.Select(question => Finding.AtMost(1.2, $"{question.Name} at half load, 99 % within, shop divided by raw", question.Comparison.RatioOf(run => run.Milliseconds99)))]);
    }

    private static string Row(double perSecond, Comparison comparison) =>
        $"| {comparison.Name} | {perSecond:0} | {comparison.MedianOf(run => run.Milliseconds50):0.00} ms | {comparison.MedianOfBase(run => run.Milliseconds50):0.00} ms "
        + $"| {comparison.MedianOf(run => run.Milliseconds99):0.00} ms | {comparison.MedianOfBase(run => run.Milliseconds99):0.00} ms | **{comparison.RatioOf(run => run.Milliseconds99)}** |";

    private static async Task<Measured> RunAsync(ServerProcess server, LoadRequest request, double perSecond, int seconds)
    {
        var (before, databaseBefore) = (server.ProcessorTime, server.Database.ProcessorTime);
        var times = await OpenLoop.RunAsync(server, request, perSecond, TimeSpan.FromSeconds(seconds));
        return new Measured(times.Length, (double)times.Length / seconds, (server.ProcessorTime - before).TotalMicroseconds / times.Length,
            (server.Database.ProcessorTime - databaseBefore).TotalMicroseconds / times.Length, times[times.Length / 2], times[times.Length * 99 / 100]);
    }
}
