using System.Net.Sockets;
using System.Text;

namespace Mainstay.Tests;

/// <summary>HTTP as bytes: what is sent is not repaired, and what comes back is taken apart without a client that forgives.</summary>
internal static class RawHttp
{
    /// <summary>Sends text, one byte for each character, and reads all answers until the server closes the connection.</summary>
    public static async Task<List<Reply>> RawAsync(this TestBackend backend, string text) => Parse(await backend.SendRawAsync(text));

    /// <summary>Sends text that must be answered once, by a refusal, on a connection that is closed then.</summary>
    public static async Task<Reply> RefusedRawAsync(this TestBackend backend, string text, int status, string code)
    {
        var reply = (await backend.RawAsync(text)).ShouldHaveSingleItem();
        reply.Expect(status, code);
        reply.Header("Connection").ShouldBe("close", text);
        reply.Header("Request-Id").ShouldBe(reply.Json.GetProperty("requestId").GetString(), text);
        reply.Header("Content-Length").ShouldBe(Encoding.UTF8.GetByteCount(reply.Text).ToString(), text);
        reply.Header("Date").ShouldNotBeNull();
        reply.Header("X-Content-Type-Options").ShouldBe("nosniff");
        reply.Header("Server").ShouldBeNull();
        return reply;
    }

    public static List<Reply> Parse(string text, bool isHead = false)
    {
        var replies = new List<Reply>();
        var bytes = Encoding.Latin1.GetBytes(text);
        for (var at = 0; at < bytes.Length;)
        {
            var end = text.IndexOf("\r\n\r\n", at, StringComparison.Ordinal);
            end.ShouldBeGreaterThan(0, text);
            var lines = text[at..end].Split("\r\n");
            lines[0].ShouldStartWith("HTTP/1.1 ");
            var headers = lines.Skip(1).Select(line => line.Split(": ", 2)).ToDictionary(pair => pair[0], pair => pair[1], StringComparer.OrdinalIgnoreCase);
            var status = int.Parse(lines[0].Split(' ')[1]);
            headers.ShouldNotContainKey("Transfer-Encoding", text);
            var length = isHead || !headers.TryGetValue("Content-Length", out var given) ? 0 : int.Parse(given);
            replies.Add(new Reply(status, Encoding.UTF8.GetString(bytes, end + 4, length), headers));
            at = end + 4 + length;
        }
        return replies;
    }

    /// <summary>Sends text, waits for the server to end the connection, and never sends more.</summary>
    public static async Task<string> SlowlyAsync(this TestBackend backend, string text)
    {
        var address = new Uri(backend.Running.Address);
        using var client = new TcpClient();
        await client.ConnectAsync(address.Host, address.Port, TestContext.Current.CancellationToken);
        await client.GetStream().WriteAsync(Encoding.Latin1.GetBytes(text), TestContext.Current.CancellationToken);
        using var reader = new StreamReader(client.GetStream(), Encoding.Latin1);
        return await reader.ReadToEndAsync(TestContext.Current.CancellationToken);
    }
}
