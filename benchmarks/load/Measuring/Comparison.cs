namespace Mainstay.Benchmarks;

/// <summary>Two servers under the same load, run against run. A pair is two runs that follow each other, so that the machine is in much the same state for both.</summary>
/// <param name="name">What is asked for, for the table.</param>
internal sealed class Comparison(string name)
{
    private readonly List<(Measured Measured, Measured Base)> _pairs = [];

    public string Name => name;

    public int Pairs => _pairs.Count;

    public void Add(Measured measured, Measured @base) => _pairs.Add((measured, @base));

    /// <summary>Requests per second, divided by those of the other server.</summary>
    public Ratio Rate => RatioOf(run => run.PerSecond);

    /// <summary>A figure of each run, divided by that of the other server.</summary>
    public Ratio RatioOf(Func<Measured, double> value) => new(_pairs.Select(pair => value(pair.Measured) / value(pair.Base)));

    public double MedianOf(Func<Measured, double> value) => Ratio.MedianOf(_pairs.Select(pair => value(pair.Measured)));

    public double MedianOfBase(Func<Measured, double> value) => Ratio.MedianOf(_pairs.Select(pair => value(pair.Base)));
}
