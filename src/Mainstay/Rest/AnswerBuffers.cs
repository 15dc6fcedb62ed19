using System.Buffers;
using System.Text.Json;
using Microsoft.Extensions.ObjectPool;

namespace Mainstay.Internal;

/// <summary>Memory that answers are written into before they are sent, used again and again.</summary>
internal sealed class AnswerBuffers : PooledObjectPolicy<AnswerBuffer>
{
    /// <summary>A buffer that has grown beyond this, in bytes, is left to the garbage collector: few answers are so large.</summary>
    private const int BytesMost = 32 * 1024;

    /// <summary>How many are kept: as many as requests may well be served at once.</summary>
    private const int Kept = 256;

    private readonly ObjectPool<AnswerBuffer> _pool;

    public AnswerBuffers() => _pool = new DefaultObjectPool<AnswerBuffer>(this, Kept);

    public AnswerBuffer Rent() => _pool.Get();

    public override AnswerBuffer Create() => new(this);

    public override bool Return(AnswerBuffer obj) => obj.Bytes.Capacity <= BytesMost;

    public void Take(AnswerBuffer buffer)
    {
        buffer.Clear();
        _pool.Return(buffer);
    }
}

/// <summary>Bytes and a writer of JSON into them. Disposing gives it back; whoever cannot tell whether it is still in use leaves that out.</summary>
internal sealed class AnswerBuffer : IDisposable
{
    private readonly AnswerBuffers _owner;

    public AnswerBuffer(AnswerBuffers owner)
    {
        _owner = owner;
        Json = new Utf8JsonWriter(Bytes, JsonFormat.Writer);
    }

    public ArrayBufferWriter<byte> Bytes { get; } = new(4096);

    public Utf8JsonWriter Json { get; }

    public void Clear()
    {
        Bytes.ResetWrittenCount();
        Json.Reset();
    }

    public void Dispose() => _owner.Take(this);
}
