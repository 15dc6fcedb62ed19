namespace Mainstay.Benchmarks;

/// <summary>One question to several servers, which take turns: every round has one run of each.</summary>
/// <param name="Question">What is asked for.</param>
/// <param name="Connections">At once.</param>
internal sealed record Series(string Question, int Connections)
{
    private readonly Dictionary<string, List<Measured>> _runs = [];

    /// <summary>In the order of their first runs.</summary>
    public IEnumerable<string> Runners => _runs.Keys;

    public void Add(string runner, Measured run)
    {
        if (!_runs.TryGetValue(runner, out var runs))
            _runs.Add(runner, runs = []);
        runs.Add(run);
    }

    /// <summary>Pairs of runs of the same round.</summary>
    public Comparison Compare(string measured, string @base)
    {
        var comparison = new Comparison(Question);
        foreach (var (run, baseRun) in _runs[measured].Zip(_runs[@base]))
            comparison.Add(run, baseRun);
        return comparison;
    }
}
