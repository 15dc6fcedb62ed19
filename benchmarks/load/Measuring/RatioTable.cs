namespace Mainstay.Benchmarks;

/// <summary>A table of servers against one of them.</summary>
internal static class RatioTable
{
    /// <param name="series">What was measured.</param>
    /// <param name="base">Whom the ratios are to.</param>
    /// <param name="unit">What is counted.</param>
    /// <param name="parallel">What of it happens at once.</param>
    /// <param name="store">Whose time is counted beside that of the process.</param>
    public static string Of(IEnumerable<Series> series, string @base, string unit = "request", string parallel = "connections", string store = "PostgreSQL") => $"""
        | {unit} | {parallel} | server | {unit}s/s | ratio | range | 50 % within | 99 % within | processor time per {unit} | of {store} | both, ratio |
        |---|---|---|---|---|---|---|---|---|---|---|
        {string.Join('\n', series.SelectMany(one => one.Runners.Select(runner => Row(one, runner, one.Compare(runner, @base)))))}
        """;

    private static string Row(Series series, string runner, Comparison comparison)
    {
        var range = comparison.Rate.Certain is { } certain ? $"{certain.Low:0.00} to {certain.High:0.00}" : "too few runs";
        return $"| {series.Question} | {series.Connections} | {runner} | {comparison.MedianOf(run => run.PerSecond):0} | **{comparison.Rate.Median:0.00}** | {range} "
            + $"| {Milliseconds(comparison.MedianOf(run => run.Milliseconds50))} | {Milliseconds(comparison.MedianOf(run => run.Milliseconds99))} "
            + $"| {Microseconds(comparison.MedianOf(run => run.ProcessorMicroseconds))} | {Microseconds(comparison.MedianOf(run => run.DatabaseMicroseconds))} | {Share(comparison.RatioOf(run => run.ProcessorMicroseconds + run.DatabaseMicroseconds).Median)} |";
    }

    private static string Milliseconds(double value) => double.IsNaN(value) ? "" : $"{value:0.0} ms";

    private static string Microseconds(double value) => double.IsNaN(value) ? "" : $"{value:0.0} µs";

    private static string Share(double value) => double.IsNaN(value) ? "" : $"{value:0.00}";
}
