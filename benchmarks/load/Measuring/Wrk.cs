using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Mainstay.Benchmarks;

/// <summary>The load generator: one thread of wrk, which is enough for a server that shares the machine with it.</summary>
internal static partial class Wrk
{
    /// <summary>Its version, for the table.</summary>
    /// <exception cref="MeasurementException">It is not installed.</exception>
    public static async Task<string> VersionAsync() => Version().Match(await OutputAsync("-v")) is { Success: true } version ? version.Value : "wrk";

    /// <summary>One run against one server.</summary>
    /// <exception cref="MeasurementException">A request was not answered with success, so the figure would mean nothing.</exception>
    public static async Task<Measured> RunAsync(ServerProcess server, LoadRequest request, int connections, int seconds)
    {
        var lines = Path.GetTempFileName();
        try
        {
            await File.WriteAllLinesAsync(lines, request.Lines);
            var (before, databaseBefore) = (server.ProcessorTime, server.Database.ProcessorTime);
            var output = await OutputAsync("-t1", $"-c{connections}", $"-d{seconds}s", "--timeout", "30s", "--latency", "-s", Path.Combine(AppContext.BaseDirectory, request.Script), server.Address.AbsoluteUri, "--", lines, $"{Guid.CreateVersion7():N}");
            var (processorTime, databaseTime) = (server.ProcessorTime - before, server.Database.ProcessorTime - databaseBefore);
            return Read($"{server.Name}, {request.Name}", output, processorTime, databaseTime);
        }
        finally
        {
            File.Delete(lines);
        }
    }

    private static Measured Read(string what, string output, TimeSpan processorTime, TimeSpan databaseTime)
    {
        if (output.Contains("Non-2xx", StringComparison.Ordinal) || output.Contains("Socket errors", StringComparison.Ordinal))
            throw new MeasurementException($"{what}: not every request was answered with success.\n{output}");
        var requests = Number(Requests(), output);
        return new Measured((long)requests, Number(PerSecond(), output), processorTime.TotalMicroseconds / requests, databaseTime.TotalMicroseconds / requests, Milliseconds(Percentile50(), output), Milliseconds(Percentile99(), output));
    }

    private static async Task<string> OutputAsync(params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo("wrk", arguments) { RedirectStandardOutput = true })!;
            var output = await process.StandardOutput.ReadToEndAsync();
            await process.WaitForExitAsync();
            return output;
        }
        catch (Win32Exception)
        {
            throw new MeasurementException("The load comes from wrk, which is not installed. On Debian and Ubuntu: apt-get install wrk. On macOS: brew install wrk.");
        }
    }

    private static double Number(Regex pattern, string output) => pattern.Match(output) is { Success: true } match
        ? double.Parse(match.Groups["value"].Value, CultureInfo.InvariantCulture)
        : throw new MeasurementException($"wrk has written something else than expected:\n{output}");

    private static double Milliseconds(Regex pattern, string output) => Number(pattern, output) * (pattern.Match(output).Groups["unit"].Value switch { "us" => 0.001, "ms" => 1, _ => 1000 });

    [GeneratedRegex(@"^wrk \S+", RegexOptions.Multiline)]
    private static partial Regex Version();

    [GeneratedRegex(@"^\s*(?<value>\d+) requests in", RegexOptions.Multiline)]
    private static partial Regex Requests();

    [GeneratedRegex(@"^Requests/sec:\s*(?<value>[\d.]+)", RegexOptions.Multiline)]
    private static partial Regex PerSecond();

    [GeneratedRegex(@"^\s*50%\s*(?<value>[\d.]+)(?<unit>us|ms|s)", RegexOptions.Multiline)]
    private static partial Regex Percentile50();

    [GeneratedRegex(@"^\s*99%\s*(?<value>[\d.]+)(?<unit>us|ms|s)", RegexOptions.Multiline)]
    private static partial Regex Percentile99();
}
