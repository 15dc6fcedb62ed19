using System.Security.Cryptography;

namespace Mainstay.Benchmarks;

/// <summary>The cursor that every page but the last gives out, and every page but the first takes in.</summary>
[MemoryDiagnoser]
public class CursorBenchmarks
{
    private readonly CursorCodec _codec = new(new CursorKeys([new CursorKey(1, RandomNumberGenerator.GetBytes(32), DateTimeOffset.UnixEpoch)]), TimeProvider.System);
    private readonly byte[] _payload = RandomNumberGenerator.GetBytes(33);
    private readonly string _cursor;

    public CursorBenchmarks() => _cursor = _codec.Seal(_payload);

    [Benchmark]
    public string Seal() => _codec.Seal(_payload);

    [Benchmark]
    public int Open() => _codec.Open(_cursor, out var payload) == CursorVerdict.Opened ? payload.Length : throw new InvalidOperationException("The cursor was not opened.");
}
