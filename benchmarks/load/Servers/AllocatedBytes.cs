namespace Mainstay.Benchmarks;

/// <summary>What the runtime has handed out since the process began. Servers under test tell it, because nobody else can without disturbing them.</summary>
internal sealed record AllocatedBytes(long Bytes)
{
    public const string Path = "/v1/benchmark/allocated";

    public static AllocatedBytes Now() => new(GC.GetTotalAllocatedBytes());
}
