namespace Mainstay.Benchmarks;

/// <summary>The strict decoding of a query string.</summary>
[MemoryDiagnoser]
public class QueryStringBenchmarks
{
    [Params("?pageSize=20", "?category=green%20tea&price.gte=5&sort=-price&pageSize=20")]
    public string Query { get; set; } = "";

    [Benchmark]
    public int Parse() => QueryParameters.Parse(Query).All.Length;
}
