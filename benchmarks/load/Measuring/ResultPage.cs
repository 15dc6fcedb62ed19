using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Mainstay.Benchmarks;

/// <summary>A page of benchmarks/results: what was measured, on what, with which command.</summary>
internal static class ResultPage
{
    /// <summary>Writes the page and shows it.</summary>
    /// <param name="name">The file's name without its date.</param>
    /// <param name="title">The headline.</param>
    /// <param name="versions">What ran besides .NET.</param>
    /// <param name="command">What measures it again.</param>
    /// <param name="loadBefore">The load average before the run.</param>
    /// <param name="text">Tables and what they say.</param>
    public static async Task WriteAsync(string name, string title, string versions, string command, string loadBefore, string text)
    {
        var now = TimeProvider.System.GetUtcNow();
        var page = $"""
            # {title}, {now:yyyy-MM-dd}

            {text}

            Machine: {Environment.ProcessorCount} cores{Processor()}, {GC.GetGCMemoryInfo().TotalAvailableMemoryBytes >> 30} GiB, {RuntimeInformation.OSDescription}; load average {loadBefore} before and {LoadAverage()} after the run (1, 5, 15 minutes).
            .NET {Environment.Version}, {versions}. Commit `{await CommitAsync()}`, {now:yyyy-MM-dd HH:mm} UTC.

            Command: `{command}`

            """;
        var file = Path.Combine(Repository.Root, "benchmarks", "results", $"{name}-{now:yyyy-MM-dd}.md");
        await File.WriteAllTextAsync(file, page);
        Console.WriteLine($"{page}\nStored in {file}.");
    }

    public static string LoadAverage() => File.Exists("/proc/loadavg") ? string.Join(", ", File.ReadAllText("/proc/loadavg").Split(' ').Take(3)) : "unknown";

    private static string Processor() => File.Exists("/proc/cpuinfo") && File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal)) is { } line
        ? $" ({line.Split(':')[1].Trim()})"
        : "";

    private static async Task<string> CommitAsync() =>
        await GitAsync("rev-parse", "--short", "HEAD") + (await GitAsync("status", "--porcelain", "--", "src", "benchmarks/load") is "" ? "" : ", with changes that are not committed");

    private static async Task<string> GitAsync(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("git", arguments) { RedirectStandardOutput = true, WorkingDirectory = Repository.Root })!;
        var text = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return text.Trim();
    }
}
