using System.Text;
using System.Text.Json;
using Mainstay.Internal;
using Microsoft.Extensions.Logging;

namespace Mainstay.Tests;

public sealed class LogLinesTests
{
    private static RequestLine Request(string path) => new()
    {
        Method = "GET", Path = path, Status = 200, Elapsed = TimeSpan.FromMicroseconds(1234.5), Operation = "GET /v1/products", User = "ann", RoundTrips = 1, Attempts = 1, RequestId = "req_1", TraceId = "abc", Application = "shop",
    };

    [Fact]
    public void The_line_of_a_request_is_the_same_whoever_writes_it()
    {
        var line = Request("/v1/products/\u2028\"x\"");
        var own = new LogLine();
        line.WriteJson(own, "category");
        var general = new LogLine();
        JsonLine.Write(general, LogLevel.Information, "category", line.ToString(), line, null);

        var (written, expected) = (JsonElement.Parse(own.Bytes.WrittenSpan), JsonElement.Parse(general.Bytes.WrittenSpan));

        written.EnumerateObject().Select(member => member.Name).ShouldBe(expected.EnumerateObject().Select(member => member.Name));
        foreach (var member in expected.EnumerateObject().Where(member => member.Name != "time"))
            written.GetProperty(member.Name).GetRawText().ShouldBe(member.Value.GetRawText());
        written.GetProperty("message").GetString().ShouldEndWith("200 in 1.2 ms");
        written.GetProperty("milliseconds").GetDecimal().ShouldBe(1.234m);
        written.GetProperty("time").GetDateTimeOffset().ShouldBe(TimeProvider.System.GetUtcNow(), TimeSpan.FromMinutes(1));
        written.GetProperty("time").GetString()!.ShouldMatch(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$");
    }

    [Fact]
    public void A_path_longer_than_a_line_should_be_is_written_all_the_same()
    {
        var line = new LogLine();

        Request("/v1/" + new string('x', 3000)).WriteJson(line, "category");

        JsonElement.Parse(line.Bytes.WrittenSpan).GetProperty("message").GetString()!.ShouldContain(new string('x', 3000));
    }

    [Fact]
    public async Task Lines_of_many_threads_come_whole_and_none_is_lost_at_the_end()
    {
        using var output = new MemoryStream();
        var lines = new LogLines(output);

        await Task.WhenAll(Enumerable.Range(0, 8).Select(thread => Task.Run(() =>
        {
            for (var i = 0; i < 500; i++)
                Log(lines, $"{thread}/{i}");
        }, TestContext.Current.CancellationToken)));
        lines.Dispose();

        var messages = Encoding.UTF8.GetString(output.ToArray()).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(text => JsonElement.Parse(text).GetProperty("message").GetString()!).ToList();
        messages.Order(StringComparer.Ordinal).ShouldBe(Enumerable.Range(0, 8).SelectMany(thread => Enumerable.Range(0, 500).Select(i => $"{thread}/{i}")).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Lines_that_nobody_reads_are_dropped_and_counted()
    {
        using var output = new HeldStream();
        var lines = new LogLines(output);
        Log(lines, "first");
        output.Entered.Wait(TestContext.Current.CancellationToken); // the writer is stuck in its first write from here on

        for (var i = 0; i < 100; i++)
            Log(lines, new string('x', 100_000));
        output.Release();
        lines.Dispose();

        var written = Encoding.UTF8.GetString(output.ToArray()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var longOnes = written.Count(line => line.Length > 100_000);
        longOnes.ShouldBeInRange(38, 42);
        written.Count(line => line.Contains($"{100 - longOnes} log lines were dropped", StringComparison.Ordinal)).ShouldBe(1);
    }

    [Fact]
    public void Lines_that_cannot_be_written_are_counted_and_the_next_ones_are()
    {
        using var output = new FullStream();
        var lines = new LogLines(output);
        Log(lines, "first");
        output.Refused.Wait(TestContext.Current.CancellationToken);
        Log(lines, "second");
        output.MakeRoom();
        lines.Dispose();

        var written = Encoding.UTF8.GetString(output.ToArray()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        written.Count(line => line.Contains("second", StringComparison.Ordinal)).ShouldBe(1);
        written.Count(line => line.Contains("1 log lines were dropped", StringComparison.Ordinal)).ShouldBe(1);
        written.Length.ShouldBe(2);
    }

    private static void Log(LogLines lines, string message)
    {
        var line = lines.Begin();
        JsonLine.Write(line, LogLevel.Information, "test", message, null, null);
        lines.End(line, isUrgent: false);
    }

    /// <summary>A file on a disk that has no room until there is some.</summary>
    private sealed class FullStream : MemoryStream
    {
        private readonly ManualResetEventSlim _hasRoom = new();

        public ManualResetEventSlim Refused { get; } = new();

        public void MakeRoom() => _hasRoom.Set();

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            if (Refused.IsSet)
                _hasRoom.Wait();
            if (!_hasRoom.IsSet)
            {
                Refused.Set();
                throw new IOException("No space left on device");
            }
            base.Write(buffer);
        }
    }

    private sealed class HeldStream : MemoryStream
    {
        private readonly ManualResetEventSlim _go = new();

        public ManualResetEventSlim Entered { get; } = new();

        public void Release() => _go.Set();

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            Entered.Set();
            _go.Wait();
            base.Write(buffer);
        }
    }
}
