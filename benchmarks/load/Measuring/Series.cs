namespace Mainstay.Benchmarks;

/// <summary>One question to several servers, which take turns: every round has one run of each.</summary>
/// <param name="Question">What is asked for.</param>
/// <param name="Connections">At once.</param>
internal sealed record Series(string Question, int Connections)
{
    private readonly Dictionary<Contestant, List<Measured>> _runs = [];

    public void Add(Contestant contestant, Measured run)
    {
        if (!_runs.TryGetValue(contestant, out var runs))
            _runs.Add(contestant, runs = []);
        runs.Add(run);
    }

    /// <summary>Pairs of runs of the same round.</summary>
    public Comparison Compare(Contestant measured, Contestant @base)
    {
        var comparison = new Comparison(Question);
        foreach (var (run, baseRun) in _runs[measured].Zip(_runs[@base]))
            comparison.Add(run, baseRun);
        return comparison;
    }
}
