namespace Mainstay.Benchmarks;

/// <summary>A table of servers against one of them.</summary>
internal static class RatioTable
{
    public static string Of(IEnumerable<Series> series, Contestant @base, Contestant[] contestants) => $"""
        | request | connections | server | requests/s | ratio | range | 50 % within | 99 % within | processor time per request | of PostgreSQL |
        |---|---|---|---|---|---|---|---|---|---|
        {string.Join('\n', series.SelectMany(one => contestants.Select(contestant => Row(one, contestant, one.Compare(contestant, @base)))))}
        """;

    private static string Row(Series series, Contestant contestant, Comparison comparison)
    {
        var range = comparison.Certain is { } certain ? $"{certain.Low:0.00} to {certain.High:0.00}" : "too few runs";
        return $"| {series.Question} | {series.Connections} | {contestant.Name} | {comparison.MedianOf(run => run.PerSecond):0} | **{comparison.Ratio:0.00}** | {range} "
            + $"| {comparison.MedianOf(run => run.Milliseconds50):0.0} ms | {comparison.MedianOf(run => run.Milliseconds99):0.0} ms "
            + $"| {comparison.MedianOf(run => run.ProcessorMicroseconds):0.0} µs | {comparison.MedianOf(run => run.DatabaseMicroseconds):0.0} µs |";
    }
}
