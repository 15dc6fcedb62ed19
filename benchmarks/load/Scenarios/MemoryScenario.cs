using System.Net.Http.Json;
using System.Text.Json;

namespace Mainstay.Benchmarks;

/// <summary>What a server holds under load, and what a read allocates.</summary>
internal static class MemoryScenario
{
    public static readonly Plan Usual = new(Rounds: 1, Pairs: 5, Seconds: 2, WarmUpSeconds: 10, 64);

    private const double KibibytesMore = 2;

    public static async Task<Section> RunAsync(Plan plan)
    {
        await using var database = await BenchmarkDatabase.StartAsync();
        await using var field = await Field.StartAsync(database, Contestant.Shop, Contestant.Raw);
        var (shop, raw) = (field[Contestant.Shop], field[Contestant.Raw]);
        var questions = await field.QuestionsAsync(Products.ReadsAsync);
        var allocated = new Dictionary<(string Question, string Runner), List<double>>();
        await Turns.TakeAsync(plan, [.. questions.Select(question => new Question(question.Name, [.. question.Runners.Select(runner => Counting(runner, question.Name, runner.Name == shop.Name ? shop : raw, allocated))]))]);
        double Kibibytes(string question, string runner) => allocated[(question, runner)].Order().ElementAt(allocated[(question, runner)].Count / 2) / 1024;

        return new Section("Memory", $"""
            | server | most memory held at once | memory after the load | {string.Join(" | ", questions.Select(question => $"allocated by a {question.Name}"))} |
            |---|---|---|{string.Concat(questions.Select(_ => "---|"))}
            {string.Join('\n', ((ServerProcess[])[shop, raw]).Select(server => $"| {server.Name} | {server.PeakMemory:0} MiB | {server.ResidentMemory:0} MiB | {string.Join(" | ", questions.Select(question => $"{Kibibytes(question.Name, server.Name):0.0} KiB"))} |"))}

            {plan.Pairs} runs of {plan.Seconds} s with {plan.Connections[^1]} connections for each read. Memory is that of the process (VmHWM, VmRSS); allocations are what the runtime has counted, divided by the requests.
            """, database.Version,
            [
                Finding.AtMost(1.5, "most memory held under load, shop divided by raw", shop.PeakMemory / raw.PeakMemory),
                .. questions.Select(question => Finding.AtMost(KibibytesMore, $"{question.Name}, allocated by shop above raw", Kibibytes(question.Name, shop.Name) - Kibibytes(question.Name, raw.Name), " KiB")),
            ]);
    }

    private static Runner Counting(Runner runner, string question, ServerProcess server, Dictionary<(string, string), List<double>> allocated) => runner with
    {
        RunAsync = async (connections, seconds) =>
        {
            var before = await AllocatedAsync(server);
            var run = await runner.RunAsync(connections, seconds);
            if (!allocated.TryGetValue((question, runner.Name), out var values))
                allocated.Add((question, runner.Name), values = []);
            values.Add((double)(await AllocatedAsync(server) - before) / run.Requests);
            return run;
        },
    };

    private static async Task<long> AllocatedAsync(ServerProcess server) => (await server.Http.GetFromJsonAsync<JsonElement>(AllocatedBytes.Path)).GetProperty("data").GetProperty("bytes").GetInt64();
}
