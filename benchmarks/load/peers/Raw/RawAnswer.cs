using System.Buffers;
using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Mainstay.Benchmarks;

/// <summary>A JSON answer of the hand-written peer, in a buffer that is used again.</summary>
internal sealed class RawAnswer
{
    private static readonly ConcurrentStack<RawAnswer> free = new();

    private readonly ArrayBufferWriter<byte> _buffer = new(4096);

    private RawAnswer() => Writer = new Utf8JsonWriter(_buffer, new JsonWriterOptions { SkipValidation = true });

    public Utf8JsonWriter Writer { get; }

    public static RawAnswer Rent() => free.TryPop(out var answer) ? answer : new RawAnswer();

    /// <summary>Sends it with its length, and gives the buffer back. An answer that is never sent is left to the collector.</summary>
    public async ValueTask SendAsync(HttpResponse response)
    {
        Writer.Flush();
        response.ContentType = "application/json";
        response.ContentLength = _buffer.WrittenCount;
        response.BodyWriter.Write(_buffer.WrittenSpan);
        _buffer.ResetWrittenCount();
        Writer.Reset();
        free.Push(this);
        await response.BodyWriter.FlushAsync();
    }
}
