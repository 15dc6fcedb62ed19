using System.Diagnostics;

namespace Mainstay.Tests;

/// <summary>Every sample is a program in one file that compiles as it stands, warnings included.</summary>
public sealed class SampleTests
{
    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(5);

    public static TheoryData<string> Samples =>
        [.. House.Files.Where(file => file.StartsWith("samples/", StringComparison.Ordinal) && file.LastIndexOf('/') == "samples".Length && file.EndsWith(".cs", StringComparison.Ordinal))];

    [Theory(SkipTestWithoutData = true), MemberData(nameof(Samples))]
    public async Task A_sample_compiles(string sample)
    {
        // The projects under src are already built: this test project references them all. Building them again here would race
        // with the other test projects of the same run for the same output files.
        var start = new ProcessStartInfo("dotnet", ["build", sample, "-c", Configuration(), "-p:BuildProjectReferences=false", "-v", "quiet"])
        {
            WorkingDirectory = House.Root,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // The test run is itself inside a build and passes its settings on.
        foreach (var name in start.Environment.Keys.Where(name => name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)).ToList())
            start.Environment.Remove(name);
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";   // a node left waiting would outlive the test run

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Timeout);
        using var build = Process.Start(start)!;
        try
        {
            var output = build.StandardOutput.ReadToEndAsync(limit.Token);
            var errors = build.StandardError.ReadToEndAsync(limit.Token);
            await build.WaitForExitAsync(limit.Token);

            if (build.ExitCode != 0)
                Assert.Fail($"dotnet build {sample} failed:\n{await output}{await errors}");
        }
        finally
        {
            if (!build.HasExited)
                build.Kill(entireProcessTree: true);
        }
    }

    private static string Configuration() => new DirectoryInfo(AppContext.BaseDirectory).Name.Equals("release", StringComparison.OrdinalIgnoreCase) ? "Release" : "Debug";
}
