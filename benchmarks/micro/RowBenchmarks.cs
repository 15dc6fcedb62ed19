using System.Buffers;
using System.Text.Json;

namespace Mainstay.Benchmarks;

/// <summary>A row as JSON, by the shape of its type: answers of commands, audit entries and messages are written so.</summary>
[MemoryDiagnoser]
public class RowBenchmarks
{
    private readonly ArrayBufferWriter<byte> _buffer = new(1024);
    private readonly Product _product = new(Id<Product>.New(), "SKU-00001", "tea no. 1", "tea", 4.95m, 17, "ann");
    private readonly Shape _shape = Shape.Of(typeof(Product));
    private readonly Utf8JsonWriter _writer;

    public RowBenchmarks() => _writer = new Utf8JsonWriter(_buffer, JsonFormat.Writer);

    [Benchmark]
    public int Write()
    {
        _buffer.ResetWrittenCount();
        _writer.Reset();
        _shape.Write(_writer, _product);
        _writer.Flush();
        return _buffer.WrittenCount;
    }
}
