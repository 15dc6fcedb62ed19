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

    /// <summary>Each question with all servers as runners. Every server makes the requests that it is asked: cursors are its own.</summary>
    public async Task<Question[]> QuestionsAsync(Func<ServerProcess, Task<LoadRequest[]>> requests)
    {
        var asked = new List<(Contestant Contestant, ServerProcess Server, LoadRequest[] Requests)>();
        foreach (var (contestant, server) in _entries)
            asked.Add((contestant, server, await requests(server)));
        return [.. asked[0].Requests.Select((request, at) => new Question(request.Name, [.. asked.Select(entry => entry.Server.Runner(entry.Contestant.Name, entry.Requests[at]))]))];
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var (_, server) in _entries)
            await server.DisposeAsync();
    }
}
