namespace Mainstay.Benchmarks;

/// <summary>What a run says about a promise. The number is the exit code.</summary>
internal enum Verdict
{
    Holds = 0,
    Broken = 1,

    /// <summary>The machine was too noisy, or too little was measured.</summary>
    Undecided = 2,
}

/// <summary>A figure of one server divided by that of another, over pairs of runs.</summary>
internal sealed class Ratio
{
    private readonly double[] _ordered;

    /// <param name="ratios">Of each pair.</param>
    public Ratio(IEnumerable<double> ratios) => _ordered = [.. ratios.Order()];

    public double Median => MedianOf(_ordered);

    /// <summary>Half of all pairs lie between these.</summary>
    public (double Low, double High) Quartiles => (_ordered[_ordered.Length / 4], _ordered[^((_ordered.Length / 4) + 1)]);

    /// <summary>
    /// The true median lies between these with at least 95 % certainty, whatever the noise looks like (order statistics, as in the sign test). Null where
    /// there are too few pairs to say so: fewer than 6.
    /// </summary>
    public (double Low, double High)? Certain
    {
        get
        {
            var (outside, below) = (-1, 0.0);
            for (var term = Math.Pow(0.5, _ordered.Length); outside < _ordered.Length / 2 && 2 * (below + term) <= 0.05; term *= (double)(_ordered.Length - outside) / (outside + 1))
            {
                below += term;
                outside++;
            }
            return outside < 0 ? null : (_ordered[outside], _ordered[^(outside + 1)]);
        }
    }

    /// <summary>Whether the ratio is at least this, as far as the noise lets one tell: all of the certain range must lie on one side.</summary>
    public Verdict AtLeast(double least) => Certain switch
    {
        { Low: var low } when low >= least => Verdict.Holds,
        { High: var high } when high < least => Verdict.Broken,
        _ => Verdict.Undecided,
    };

    /// <summary>Whether the ratio is at most this, in the same way.</summary>
    public Verdict AtMost(double most) => Certain switch
    {
        { High: var high } when high <= most => Verdict.Holds,
        { Low: var low } when low > most => Verdict.Broken,
        _ => Verdict.Undecided,
    };

    /// <summary>Median and range, for a table.</summary>
    public override string ToString() => Certain is { } certain ? $"{Median:0.00} ({certain.Low:0.00} to {certain.High:0.00})" : $"{Median:0.00} (too few runs for a range)";

    public static double MedianOf(IEnumerable<double> values)
    {
        double[] ordered = [.. values.Order()];
        return ordered.Length % 2 == 1 ? ordered[ordered.Length / 2] : (ordered[(ordered.Length / 2) - 1] + ordered[ordered.Length / 2]) / 2;
    }
}
