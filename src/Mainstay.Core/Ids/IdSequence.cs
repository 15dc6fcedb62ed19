using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Mainstay.Internal;

/// <summary>Makes UUIDs of version 7 that strictly increase within a process, so that a page ordered by id follows the order of creation.</summary>
/// <remarks>
/// RFC 9562, section 6.2, method 3: the twelve bits behind the milliseconds continue the clock, in steps of 1/4096 ms. When two ids fall
/// into one step, or the clock went back, the next one takes the following step. More than four million ids a second run ahead of the clock
/// instead of waiting for it. The other 62 bits are random, so an id tells when it was made and not which one comes next.
/// Between processes the order is that of their clocks.
/// <code>
/// unix milliseconds (48) │ 7 (4) │ 1/4096 ms (12) │ 10 (2) │ random (62)
/// </code>
/// </remarks>
internal sealed class IdSequence(TimeProvider clock)
{
    // The one piece of static mutable state here: the promise is about the process, and an id has no context to carry a sequence in.
    public static readonly IdSequence OfProcess = new(TimeProvider.System);

    private const long StepsPerMillisecond = 4096;

    private long last;

    public Guid Next()
    {
        Span<byte> bytes = stackalloc byte[16];
        RandomNumberGenerator.Fill(bytes[8..]);
        return Make(bytes);
    }

    /// <summary>The same for what is no secret and is made for every request: whoever sees a few may guess the next one, and no system call is made for it.</summary>
    public Guid NextGuessable()
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteInt64LittleEndian(bytes[8..], Random.Shared.NextInt64());
        return Make(bytes);
    }

    private Guid Make(Span<byte> bytes)
    {
        var step = TakeStep();
        BinaryPrimitives.WriteInt64BigEndian(bytes, ((step >> 12) << 16) | 0x7000 | (step & 0xfff));
        bytes[8] = (byte)(0x80 | (bytes[8] & 0x3f));
        return new Guid(bytes, bigEndian: true);
    }

    private long TakeStep()
    {
        var ticks = (clock.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks;
        var now = (ticks / TimeSpan.TicksPerMillisecond * StepsPerMillisecond) + (ticks % TimeSpan.TicksPerMillisecond * StepsPerMillisecond / TimeSpan.TicksPerMillisecond);

        var seen = Volatile.Read(ref last);
        while (true)
        {
            var mine = Math.Max(now, seen + 1);
            var before = Interlocked.CompareExchange(ref last, mine, seen);
            if (before == seen)
                return mine;
            seen = before;
        }
    }
}
