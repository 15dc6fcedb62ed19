using System.Buffers;
using System.Text;
using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>
/// A writer of JSON and memory for what it writes, which a thread uses again and again. Rent it, write, take the result, dispose: all in one method that does not
/// wait in between.
/// </summary>
internal sealed class JsonScratch : IDisposable
{
    /// <summary>What has grown beyond this, in bytes, is left to the garbage collector.</summary>
    private const int BytesMost = 64 * 1024;

    [ThreadStatic]
    private static JsonScratch? free;

    private readonly ArrayBufferWriter<byte> _bytes = new(1024);

    private JsonScratch() => Writer = new Utf8JsonWriter(_bytes, JsonFormat.Writer);

    public Utf8JsonWriter Writer { get; }

    /// <summary>This thread's, or a new one where that is in use.</summary>
    public static JsonScratch Rent()
    {
        var scratch = free ?? new JsonScratch();
        free = null;
        return scratch;
    }

    /// <summary>What was written, as UTF-8. Good until more is written.</summary>
    public ReadOnlySpan<byte> Written
    {
        get
        {
            Writer.Flush();
            return _bytes.WrittenSpan;
        }
    }

    /// <summary>What was written, as UTF-8.</summary>
    public byte[] ToArray() => Written.ToArray();

    /// <summary>What was written, as text.</summary>
    public override string ToString() => Encoding.UTF8.GetString(Written);

    public void Dispose()
    {
        if (_bytes.Capacity > BytesMost)
            return;
        _bytes.ResetWrittenCount();
        Writer.Reset();
        free = this;
    }
}
