namespace Mainstay.Benchmarks;

/// <summary>What a run says about a promise. The number is the exit code.</summary>
internal enum Verdict
{
    Holds = 0,
    Broken = 1,

    /// <summary>The machine was too noisy, or too little was measured.</summary>
    Undecided = 2,
}

/// <summary>Two servers under the same load, run against run. A pair is two runs that follow each other, so that the machine is in much the same state for both.</summary>
/// <param name="name">What is asked for, for the table.</param>
internal sealed class Comparison(string name)
{
    private readonly List<(Measured Measured, Measured Base)> _pairs = [];

    public string Name => name;

    public int Pairs => _pairs.Count;

    public void Add(Measured measured, Measured @base) => _pairs.Add((measured, @base));

    /// <summary>Requests per second, divided by those of the other server: the median of all pairs.</summary>
    public double Ratio => Median(Ratios);

    /// <summary>Processor time of a request, divided by that of the other server.</summary>
    public double ProcessorRatio => Median([.. _pairs.Select(pair => pair.Measured.ProcessorMicroseconds / pair.Base.ProcessorMicroseconds)]);

    /// <summary>Half of all pairs lie between these.</summary>
    public (double Low, double High) Quartiles => (Ratios[Ratios.Length / 4], Ratios[^((Ratios.Length / 4) + 1)]);

    /// <summary>
    /// The true median lies between these with at least 95 % certainty, whatever the noise looks like (order statistics, as in the sign test). Null where
    /// there are too few pairs to say so: fewer than 6.
    /// </summary>
    public (double Low, double High)? Certain
    {
        get
        {
            var (outside, below) = (-1, 0.0);
            for (var term = Math.Pow(0.5, Pairs); outside < Pairs / 2 && 2 * (below + term) <= 0.05; term *= (double)(Pairs - outside) / (outside + 1))
            {
                below += term;
                outside++;
            }
            return outside < 0 ? null : (Ratios[outside], Ratios[^(outside + 1)]);
        }
    }

    /// <summary>99 of 100 answers came within this time, divided by that of the other server.</summary>
    public double Ratio99 => Median([.. _pairs.Select(pair => pair.Measured.Milliseconds99 / pair.Base.Milliseconds99)]);

    public double MedianOf(Func<Measured, double> value) => Median([.. _pairs.Select(pair => value(pair.Measured))]);

    public double MedianOfBase(Func<Measured, double> value) => Median([.. _pairs.Select(pair => value(pair.Base))]);

    /// <summary>Whether the ratio is at least this, as far as the noise lets one tell: all of the certain range must lie on one side.</summary>
    public Verdict AtLeast(double least) => Certain switch
    {
        { Low: var low } when low >= least => Verdict.Holds,
        { High: var high } when high < least => Verdict.Broken,
        _ => Verdict.Undecided,
    };

    private double[] Ratios => [.. _pairs.Select(pair => pair.Measured.PerSecond / pair.Base.PerSecond).Order()];

    private static double Median(double[] values)
    {
        Array.Sort(values);
        return values.Length % 2 == 1 ? values[values.Length / 2] : (values[(values.Length / 2) - 1] + values[values.Length / 2]) / 2;
    }
}
