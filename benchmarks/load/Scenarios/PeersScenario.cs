namespace Mainstay.Benchmarks;

/// <summary>Reads and bare inserts beside what teams use today.</summary>
internal static class PeersScenario
{
    private static readonly Plan usual = new(Rounds: 1, Pairs: 5, Seconds: 2, WarmUpSeconds: 3, 16, 64);

    public static async Task<int> RunAsync(string[] options)
    {
        var plan = Plan.Of(options, usual);
        var (versions, loadBefore) = ($"{await Wrk.VersionAsync()}, {await NodePeers.InstallAsync()}", ResultPage.LoadAverage());
        await using var database = await BenchmarkDatabase.StartAsync();
        Contestant[] contestants = [Contestant.Shop, Contestant.Raw, Contestant.EntityFramework, Contestant.Dapper, Contestant.Fastify, Contestant.Express];
        await using var field = await Field.StartAsync(database, contestants);
        var series = await field.MeasureAsync(plan, async server => [.. await Products.AllReadsAsync(server), await Products.PostAsync(server)]);
        await ResultPage.WriteAsync("peers", "Beside other servers", $"{database.Version}, {versions}", "dotnet run -c Release --project benchmarks/load -- peers", loadBefore, RatioTable.Of(series, Contestant.Raw, contestants));
        return 0;
    }
}
