using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using System.Net.Sockets;

namespace Mainstay.Tests;

/// <summary>
/// One connection through the wire. Both ends speak in frames: a letter, a length, and that many bytes, but for the first one of the node, which has no letter.
/// </summary>
internal sealed class Cable(Wire wire, Socket node, Socket server) : IDisposable
{
    private const int HeaderLength = 5;

    private readonly CancellationTokenSource _broken = new();
    private volatile WirePoint? _answerTo;
    private int _backend;

    public async Task RunAsync(CancellationToken stopping)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stopping, _broken.Token);
        var first = await Task.WhenAny(FromNodeAsync(either.Token), FromServerAsync(either.Token));
        await _broken.CancelAsync();
        await first;
    }

    public void Cut()
    {
        if (!_broken.IsCancellationRequested)
            _broken.Cancel();
    }

    public void Dispose() => _broken.Dispose();

    private async Task FromNodeAsync(CancellationToken cancellation)
    {
        await using var stream = new NetworkStream(node);
        var reader = PipeReader.Create(stream);
        var isFirst = true;
        while (true)
        {
            var read = await reader.ReadAsync(cancellation);
            var (sent, rest) = (read.Buffer, read.Buffer);
            while (TryCut(ref rest, isFirst ? 1 : 0, out var frame))
            {
                isFirst = false;
                if (frame[0] is not ((byte)'P' or (byte)'Q') || wire.PointAt(frame) is not { } point)
                    continue;
                if (point.Moment == Moment.After)
                    _answerTo = point;
                else if (wire.Take(point))
                {
                    // What was said before it is with the server; it and what follows are not.
                    var before = sent.Slice(0, sent.Length - rest.Length - frame.Length);
                    await PassAsync(server, before, wire.ToServer, cancellation);
                    sent = sent.Slice(before.Length);
                    await point.HoldAsync(_backend, cancellation);
                }
            }
            await PassAsync(server, sent.Slice(0, sent.Length - rest.Length), wire.ToServer, cancellation);
            reader.AdvanceTo(rest.Start, rest.End);
            if (read.IsCompleted)
                return;
        }
    }

    private async Task FromServerAsync(CancellationToken cancellation)
    {
        await using var stream = new NetworkStream(server);
        var reader = PipeReader.Create(stream);
        var answer = new ArrayBufferWriter<byte>();
        while (true)
        {
            var read = await reader.ReadAsync(cancellation);
            var rest = read.Buffer;
            while (TryCut(ref rest, 0, out var frame))
            {
                if (frame[0] == 'K')
                    _backend = BinaryPrimitives.ReadInt32BigEndian(frame.AsSpan(HeaderLength));
                if (frame[0] == 'N')
                    wire.Notice(frame.AsSpan(HeaderLength));
                if (frame[0] == 'A' && wire.LosesHints)
                    continue;
                answer.Write(frame);
                if (frame[0] == 'Z' && _answerTo is { } point)
                {
                    _answerTo = null;
                    if ((point.About is null || answer.WrittenSpan.IndexOf(point.About) >= 0) && wire.Take(point))
                        await point.HoldAsync(_backend, cancellation);
                }
            }
            reader.AdvanceTo(rest.Start, rest.End);
            // An answer that somebody waits for is passed on as a whole.
            if (_answerTo is null || read.IsCompleted)
            {
                await PassAsync(node, new ReadOnlySequence<byte>(answer.WrittenMemory), wire.ToNode, cancellation);
                answer = new ArrayBufferWriter<byte>();
            }
            if (read.IsCompleted)
                return;
        }
    }

    private async Task PassAsync(Socket to, ReadOnlySequence<byte> what, Valve valve, CancellationToken cancellation)
    {
        if (what.IsEmpty)
            return;
        await valve.WhenOpenAsync(cancellation);
        if (wire.Delay > TimeSpan.Zero)
            await Task.Delay(wire.Delay, cancellation);
        foreach (var part in what)
            await to.SendAsync(part, cancellation);
    }

    /// <param name="from">What was read, and then what is left of it.</param>
    /// <param name="missing">1 for the first frame of a connection, which has no letter.</param>
    /// <param name="frame">The first whole frame, when there is one.</param>
    private static bool TryCut(ref ReadOnlySequence<byte> from, int missing, out byte[] frame)
    {
        frame = [];
        if (from.Length < HeaderLength - missing)
            return false;
        Span<byte> length = stackalloc byte[4];
        from.Slice(1 - missing, 4).CopyTo(length);
        var total = BinaryPrimitives.ReadInt32BigEndian(length) + 1 - missing;
        if (from.Length < total)
            return false;
        frame = from.Slice(0, total).ToArray();
        from = from.Slice(total);
        return true;
    }
}
