namespace Mainstay.Benchmarks;

/// <summary>Servers that run at the same time on one database and are put under load in turn.</summary>
internal sealed class Field : IAsyncDisposable
{
    private readonly List<(Contestant Contestant, ServerProcess Server)> _entries = [];

    private Field()
    {
    }

    public ServerProcess this[Contestant contestant] => _entries.Single(entry => entry.Contestant == contestant).Server;

    /// <summary>Starts servers. The first fills the database, and all others must answer as it does.</summary>
    /// <exception cref="MeasurementException">One did not start, or answers in another way.</exception>
    public static async Task<Field> StartAsync(BenchmarkDatabase database, params Contestant[] contestants)
    {
        var field = new Field();
        try
        {
            foreach (var contestant in contestants)
            {
                var server = await ServerProcess.StartAsync(database, contestant);
                field._entries.Add((contestant, server));
                if (field._entries.Count == 1)
                    await Products.FillAsync(server);
                else
                    await Equivalence.CheckAsync(field._entries[0].Server, server);
            }
            return field;
        }
        catch
        {
            await field.DisposeAsync();
            throw;
        }
    }

    /// <summary>Warms all servers up, then lets them take turns. The one that begins changes from round to round.</summary>
    /// <param name="plan">How much.</param>
    /// <param name="requests">What each server is asked: the same questions in the same order.</param>
    public async Task<List<Series>> MeasureAsync(Plan plan, Func<ServerProcess, Task<LoadRequest[]>> requests)
    {
        var questions = new List<LoadRequest[]>();
        foreach (var (_, server) in _entries)
            questions.Add(await requests(server));
        for (var entry = 0; entry < _entries.Count; entry++)
            foreach (var request in questions[entry])
                await Wrk.RunAsync(_entries[entry].Server, request, plan.Connections[^1], plan.WarmUpSeconds);

        var all = (from question in Enumerable.Range(0, questions[0].Length) from connections in plan.Connections select (Question: question, Series: new Series(questions[0][question].Name, connections))).ToList();
        for (var round = 0; round < plan.Pairs; round++)
            foreach (var (question, series) in all)
                for (var turn = 0; turn < _entries.Count; turn++)
                {
                    var at = (round + turn) % _entries.Count;
                    var run = await Wrk.RunAsync(_entries[at].Server, questions[at][question], series.Connections, plan.Seconds);
                    series.Add(_entries[at].Contestant, run);
                    Console.WriteLine($"round {round + 1}, {series.Question,-20} {series.Connections,3} connections, {_entries[at].Contestant.Name,-10} {run.PerSecond,7:0} requests/s, {run.ProcessorMicroseconds,4:0} + {run.DatabaseMicroseconds,4:0} µs, {run.Milliseconds99,6:0.0} ms");
                }
        return [.. all.Select(pair => pair.Series)];
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var (_, server) in _entries)
            await server.DisposeAsync();
    }
}
