namespace Mainstay.Benchmarks;

/// <summary>The text form of ids, which every row and every target has.</summary>
[MemoryDiagnoser]
public class TypeIdBenchmarks
{
    private readonly byte[] _buffer = new byte[64];
    private readonly Id<Product> _id = Id<Product>.New();
    private readonly string _text = Id<Product>.New().ToString();

    [Benchmark]
    public int Write() => _id.TryFormat(_buffer, out var length) ? length : throw new InvalidOperationException("The buffer is too small.");

    [Benchmark]
    public Id<Product> Read() => Id<Product>.Parse(_text);
}
