namespace Mainstay.Benchmarks;

/// <summary>The one line that every request writes in production.</summary>
[MemoryDiagnoser]
public class LogLineBenchmarks
{
    private readonly LogLine _line = new();
    private readonly RequestLine _request = new()
    {
        Method = "GET", Path = "/v1/products/product_01m8gwaw14e75rpfk3es2g5jm3", Status = 200, Elapsed = TimeSpan.FromMicroseconds(712), Operation = "GET /v1/products/{id}", User = "",
        RoundTrips = 1, Attempts = 1, RequestId = "req_01m8gwaw7ve4xrv70d47qrfy0q", TraceId = "05cae13cc2ba50a19caa6377413cf470", Application = "shop",
    };

    [Benchmark]
    public int Write()
    {
        _line.Bytes.ResetWrittenCount();
        _request.WriteJson(_line, "Mainstay.Internal.OperationPipeline");
        return _line.Bytes.WrittenCount;
    }
}
