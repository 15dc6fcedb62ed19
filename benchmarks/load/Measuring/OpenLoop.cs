using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading.Channels;

namespace Mainstay.Benchmarks;

/// <summary>
/// Load with a fixed rate of arrivals, whatever the server does. A generator that waits for an answer before it asks again asks a slow server less often, and
/// so leaves out just the times that matter. Here arrivals are released about every millisecond, as many as are due, and the time of an answer counts from its
/// arrival, the wait for a free connection included.
/// </summary>
internal static class OpenLoop
{
    private const int Connections = 64;

    // A server that is behind by more than this does not keep up with the rate.
    private const int WaitingMost = 20_000;

    /// <summary>Times of all answers in milliseconds, ordered.</summary>
    /// <exception cref="MeasurementException">The server did not keep up, or refused something.</exception>
    public static async Task<double[]> RunAsync(ServerProcess server, LoadRequest request, double perSecond, TimeSpan duration)
    {
        var arrivals = Channel.CreateBounded<long>(new BoundedChannelOptions(WaitingMost) { SingleWriter = true });
        byte[][] requests = [.. request.Lines.Select(target => Encoding.ASCII.GetBytes($"GET {target} HTTP/1.1\r\nHost: {server.Address.Authority}\r\n\r\n"))];
        var clients = Enumerable.Range(0, Connections).Select(client => Task.Run(() => AskAsync(server, arrivals.Reader, requests, client))).ToArray();

        var (began, released) = (Stopwatch.GetTimestamp(), 0L);
        for (TimeSpan elapsed; (elapsed = Stopwatch.GetElapsedTime(began)) < duration; await Task.Delay(1))
            for (; released < elapsed.TotalSeconds * perSecond; released++)
                if (!arrivals.Writer.TryWrite(Stopwatch.GetTimestamp()))
                    throw new MeasurementException($"{server.Name} does not keep up with {perSecond:0} requests/s: {WaitingMost} wait.");
        arrivals.Writer.Complete();
        return [.. (await Task.WhenAll(clients)).SelectMany(times => times).Order()];
    }

    private static async Task<List<double>> AskAsync(ServerProcess server, ChannelReader<long> arrivals, byte[][] requests, int client)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, server.Address.Port));
        var (times, buffer, next) = (new List<double>(), new byte[64 * 1024], client);
        await foreach (var arrival in arrivals.ReadAllAsync())
        {
            await socket.SendAsync(requests[next++ % requests.Length]);
            for (var length = 0; !IsComplete(server, buffer.AsSpan(0, length));)
                length += await socket.ReceiveAsync(buffer.AsMemory(length)) is > 0 and var received ? received : throw new MeasurementException($"{server.Name} has closed a connection.");
            times.Add(Stopwatch.GetElapsedTime(arrival).TotalMilliseconds);
        }
        return times;
    }

    /// <summary>Whether this is a whole answer, one with a length, as all answers of these reads are.</summary>
    private static bool IsComplete(ServerProcess server, ReadOnlySpan<byte> answer)
    {
        var end = answer.IndexOf("\r\n\r\n"u8);
        if (end < 0)
            return false;
        if (!answer.StartsWith("HTTP/1.1 200 "u8))
            throw new MeasurementException($"{server.Name} has answered {Encoding.ASCII.GetString(answer[..end])}");
        var field = "\r\nContent-Length: "u8;
        var at = answer.IndexOf(field);
        if (at < 0 || !System.Buffers.Text.Utf8Parser.TryParse(answer[(at + field.Length)..], out int length, out _))
            throw new MeasurementException($"{server.Name} has answered without a Content-Length.");
        return answer.Length == end + 4 + length;
    }
}
