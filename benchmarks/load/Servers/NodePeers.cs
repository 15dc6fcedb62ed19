using System.ComponentModel;
using System.Diagnostics;

namespace Mainstay.Benchmarks;

/// <summary>The peers on Node.js, whose packages are installed when they are needed for the first time.</summary>
internal static class NodePeers
{
    public static string Folder { get; } = Path.Combine(Repository.Root, "benchmarks", "load", "peers", "node");

    /// <summary>Installs exactly what the lock file says, unless that is there.</summary>
    /// <returns>Versions for the table.</returns>
    /// <exception cref="MeasurementException">Node.js or npm is missing, or npm has failed.</exception>
    public static async Task<string> InstallAsync()
    {
        var (installed, wanted) = (new FileInfo(Path.Combine(Folder, "node_modules", ".package-lock.json")), new FileInfo(Path.Combine(Folder, "package-lock.json")));
        if (!installed.Exists || installed.LastWriteTimeUtc < wanted.LastWriteTimeUtc)
            await RunAsync("npm", "ci", "--ignore-scripts", "--loglevel=error");
        const string versions = "const version = name => JSON.parse(require('fs').readFileSync(`node_modules/${name}/package.json`)).version; console.log(`Node.js ${process.versions.node}, Fastify ${version('fastify')}, Express ${version('express')}, pg ${version('pg')}`)";
        return await RunAsync("node", "-e", versions);
    }

    private static async Task<string> RunAsync(string program, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { WorkingDirectory = Folder, RedirectStandardOutput = true })!;
            var output = await process.StandardOutput.ReadToEndAsync();
            await process.WaitForExitAsync();
            return process.ExitCode == 0 ? output.Trim() : throw new MeasurementException($"{program} {arguments[0]} in benchmarks/load/peers/node ended with exit code {process.ExitCode}. Check the network and npm's registry and proxy settings.");
        }
        catch (Win32Exception)
        {
            throw new MeasurementException("The peers Fastify and Express need Node.js 20.19 or newer with npm, which is not installed.");
        }
    }
}
