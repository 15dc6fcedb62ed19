using System.Diagnostics;

namespace Mainstay.Benchmarks;

/// <summary>Peers on .NET in a program of their own, so that their packages are nobody else's. It is built when it is needed, by nothing else.</summary>
/// <param name="folder">Its folder.</param>
/// <param name="name">Of the program.</param>
internal sealed class DotNetPeers(string folder, string name)
{
    /// <summary>MassTransit and Quartz.</summary>
    public static readonly DotNetPeers Messaging = new("messaging", "Mainstay.Benchmarks.Messaging");

    public string Program { get; } = Path.Combine(Repository.Root, "artifacts", "bin", name, "release", name);

    /// <summary>Builds the program, which is quick when it is there already.</summary>
    /// <returns>Versions for the table.</returns>
    /// <exception cref="MeasurementException">It could not be built.</exception>
    public async Task<string> BuildAsync()
    {
        await RunAsync("dotnet", "build", "-c", "Release", "--nologo", "-v", "quiet");
        return await RunAsync(Program, "versions");
    }

    private async Task<string> RunAsync(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = Path.Combine(Repository.Root, "benchmarks", "load", "peers", folder), RedirectStandardOutput = true };
        using var process = Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? output.Trim() : throw new MeasurementException($"{program} {arguments[0]} in benchmarks/load/peers/{folder} ended with exit code {process.ExitCode}: {output}");
    }
}
