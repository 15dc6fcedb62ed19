using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Mainstay.Tests;

/// <summary>Every sample is a program in one file that compiles as it stands, warnings included, and does what it says to try.</summary>
public sealed partial class SampleTests
{
    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(10);

    private static readonly ConcurrentDictionary<string, Lazy<Task<string?>>> builds = [];

    /// <summary>Two builds at a time: one alone leaves a processor idle.</summary>
    private static readonly SemaphoreSlim room = new(2);

    public static TheoryData<string> Samples =>
        [.. House.Files.Where(file => file.StartsWith("samples/", StringComparison.Ordinal) && file.LastIndexOf('/') == "samples".Length && file.EndsWith(".cs", StringComparison.Ordinal))];

    [Theory(SkipTestWithoutData = true), MemberData(nameof(Samples))]
    public async Task A_sample_compiles(string sample)
    {
        // Whoever comes first begins with all of them.
        foreach (var other in Samples)
            _ = BuildOnceAsync(other);
        if (await BuildOnceAsync(sample) is { } said)
            Assert.Fail($"dotnet build {sample} failed:\n{said}");
    }

    private static Task<string?> BuildOnceAsync(string sample) => builds.GetOrAdd(sample, static sample => new(() => BuildAsync(sample))).Value;

    /// <remarks>It may outlast the test that began it, so it knows nothing of that.</remarks>
    /// <returns>What it said when it failed; null when it has not.</returns>
    private static async Task<string?> BuildAsync(string sample)
    {
        await room.WaitAsync(CancellationToken.None);
        try
        {
            using var limit = new CancellationTokenSource(Timeout);
            // The projects under src are already built: this test project references them all. Building them again here would race
            // with the other test projects of the same run for the same output files.
            using var build = Start("build", sample, "-c", Configuration(), "-p:BuildProjectReferences=false", "-v", "quiet");
            try
            {
                var output = build.StandardOutput.ReadToEndAsync(limit.Token);
                var errors = build.StandardError.ReadToEndAsync(limit.Token);
                await build.WaitForExitAsync(limit.Token);
                return build.ExitCode == 0 ? null : $"{await output}{await errors}";
            }
            finally
            {
                if (!build.HasExited)
                    build.Kill(entireProcessTree: true);
            }
        }
        finally
        {
            room.Release();
        }
    }

    /// <summary>Sends what the sample prints as calls to try, in that order, and repeats the last one until it answers as promised.</summary>
    [Theory]
    [InlineData("samples/outbox.cs", "\"product\":\"tea\",\"sold\":2")]
    [InlineData("samples/jobs.cs", "\"email\":\"ada@example.com\",\"trial\":false")]
    [InlineData("samples/queue.cs", "\"charges\":98,\"amount\":1176,\"waiting\":0,\"declined\":2")]
    [InlineData("samples/saga.cs", "\"status\":\"compensated\"")]
    [InlineData("samples/ledger.cs", "{\"balance\":30.06,\"lines\":[{\"number\":3,\"amount\":-7.50,\"balance\":30.06,\"description\":\"ride\"}")]
    [InlineData("samples/replies.cs", "\"city\":\"Bremen\",\"amount\":5.10")]
    [InlineData("samples/inbox.cs", "\"eventId\":\"evt_1\",\"balance\":12.50")]
    public async Task A_sample_does_what_it_says(string sample, string promised)
    {
        await A_sample_compiles(sample);
        var folder = Directory.CreateTempSubdirectory("mainstay-sample-");
        // PostgreSQL runs as another account when the tests run as root.
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(folder.FullName, File.GetUnixFileMode(folder.FullName) | UnixFileMode.GroupExecute | UnixFileMode.GroupRead | UnixFileMode.OtherExecute | UnixFileMode.OtherRead);
        using var limit = Limit();
        using var program = Start("run", "--no-build", "-c", Configuration(), sample, "--", "--urls", "http://127.0.0.1:0", $"--Mainstay:DataFolder={folder.FullName}");
        try
        {
            var errors = program.StandardError.ReadToEndAsync(limit.Token);
            var calls = await CallsAsync(program.StandardOutput, limit.Token);
            if (calls.Count == 0)
                Assert.Fail($"dotnet run {sample} ended without saying what to try:\n{await errors}");
            var rest = program.StandardOutput.ReadToEndAsync(limit.Token);
            using var http = new HttpClient(new SocketsHttpHandler());
            foreach (var call in calls)
                await SendAsync(http, call, limit.Token);
            for (var answer = ""; !answer.Contains(promised, StringComparison.Ordinal);)
            {
                await Task.Delay(50, limit.Token);
                answer = await SendAsync(http, calls[^1], limit.Token);
            }

            (await StopAsync(program, limit.Token)).ShouldBe(0, await rest);
        }
        finally
        {
            if (!program.HasExited)
                program.Kill(entireProcessTree: true);
            folder.Delete(recursive: true);
        }
    }

    /// <summary>The calls that the program prints, up to the empty line behind them; none when it ends before.</summary>
    private static async Task<List<Match>> CallsAsync(StreamReader output, CancellationToken cancellation)
    {
        var calls = new List<Match>();
        while (await output.ReadLineAsync(cancellation) is { } line)
            if (Call().Match(line) is { Success: true } call)
                calls.Add(call);
            else if (calls.Count > 0 && line.Length == 0)
                return calls;
        return [];
    }

    private static async Task<string> SendAsync(HttpClient http, Match call, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, call.Groups["address"].Value);
        if (call.Groups["json"] is { Success: true, Value: var json })
            (request.Method, request.Content) = (HttpMethod.Post, new StringContent(json, null, "application/json"));
        using var answer = await http.SendAsync(request, cancellation);
        var body = await answer.Content.ReadAsStringAsync(cancellation);
        if (!answer.IsSuccessStatusCode)
            Assert.Fail($"{call.Value.Trim()} was answered {(int)answer.StatusCode}: {body}");
        return body;
    }

    /// <summary>As an operator stops it, so that what the program started ends too.</summary>
    private static async Task<int> StopAsync(Process program, CancellationToken cancellation)
    {
        using var signal = Process.Start("kill", ["-TERM", $"{program.Id}"]);
        await signal.WaitForExitAsync(cancellation);
        await program.WaitForExitAsync(cancellation);
        return program.ExitCode;
    }

    private static Process Start(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", arguments) { WorkingDirectory = House.Root, RedirectStandardOutput = true, RedirectStandardError = true };
        // The test run is itself inside a build and passes its settings on.
        foreach (var name in start.Environment.Keys.Where(name => name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)).ToList())
            start.Environment.Remove(name);
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";   // a node left waiting would outlive the test run
        return Process.Start(start)!;
    }

    private static CancellationTokenSource Limit()
    {
        var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Timeout);
        return limit;
    }

    private static string Configuration() => new DirectoryInfo(AppContext.BaseDirectory).Name.Equals("release", StringComparison.OrdinalIgnoreCase) ? "Release" : "Debug";

    [GeneratedRegex("""^\s*curl (-i )?(?<address>http\S+)( --json '(?<json>[^']*)')?\s*$""")]
    private static partial Regex Call();
}
