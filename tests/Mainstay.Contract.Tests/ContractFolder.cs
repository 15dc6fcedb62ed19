using System.Security.Cryptography;
using System.Text.RegularExpressions;
using Mainstay.Internal;

[assembly: AssemblyFixture(typeof(Mainstay.Tests.ContractFolder))]

namespace Mainstay.Tests;

/// <summary>
/// The programs of <c>tests/contract</c>: linters, validators and generators that are not ours. Their packages are installed once, by the first run
/// that needs them; runs at the same time wait for it. Take it as a constructor parameter.
/// </summary>
public sealed partial class ContractFolder : IAsyncLifetime
{
    private static readonly TimeSpan InstallTimeout = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan RunTimeout = TimeSpan.FromMinutes(10);

    private string? _missing;

    public static string Path { get; } = System.IO.Path.Combine(Root(), "tests", "contract");

    /// <summary>Whether this run must prove everything, as the continuous integration does: nothing may be skipped.</summary>
    private static bool MustRun => Environment.GetEnvironmentVariable("CI") is { Length: > 0 } and not "false";

    public async ValueTask InitializeAsync()
    {
        if (!(await Command.RunAsync(Command.Of("npm", "--version"), TimeSpan.FromMinutes(1), CancellationToken.None)).Succeeded)
            _missing = "npm is not installed, so the linters and the validator of the contract cannot run. Install Node.js 20.19 or newer with npm.";
        else
            await InstallAsync();
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>Runs a script or a package's program of the folder with Node.js.</summary>
    /// <param name="program">A file in the folder, for example <c>fuzz.mjs</c>, or the name of a package's program, for example <c>spectral</c>.</param>
    /// <param name="arguments">Its arguments.</param>
    internal async Task<CommandResult> RunAsync(string program, params IEnumerable<string> arguments)
    {
        Require();
        var file = program.EndsWith(".mjs", StringComparison.Ordinal) ? program : System.IO.Path.Combine("node_modules", ".bin", program);
        var start = Command.Of("node", [file, .. arguments]);
        start.WorkingDirectory = Path;
        start.Environment["NO_COLOR"] = "1";
        start.Environment["REDOCLY_TELEMETRY"] = "off";
        start.Environment["REDOCLY_SUPPRESS_UPDATE_NOTICE"] = "true";
        return await Command.RunAsync(start, RunTimeout, TestContext.Current.CancellationToken);
    }

    /// <summary>Skips the test where npm is missing; fails it in the continuous integration.</summary>
    private void Require()
    {
        if (_missing is null)
            return;
        if (MustRun)
            Assert.Fail(_missing);
        Assert.Skip(_missing);
    }

    private static async Task InstallAsync()
    {
        var lockText = await File.ReadAllTextAsync(System.IO.Path.Combine(Path, "package-lock.json"));
        if (Address().Match(lockText) is { Success: true } address)
            throw new InvalidOperationException($"tests/contract/package-lock.json names '{address.Value}'. Write it without addresses: npm run lock");
        var wanted = Convert.ToHexStringLower(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(lockText)));
        var stamp = System.IO.Path.Combine(Path, "node_modules", ".installed");

        await using var _ = await LockAsync(System.IO.Path.Combine(Root(), "artifacts", "contract.lock"));
        if (File.Exists(stamp) && await File.ReadAllTextAsync(stamp) == wanted)
            return;
        var start = Command.Of("npm", "ci", "--ignore-scripts", "--loglevel=error");
        start.WorkingDirectory = Path;
        var result = await Command.RunAsync(start, InstallTimeout, CancellationToken.None);
        if (!result.Succeeded)
            throw new InvalidOperationException($"npm ci in tests/contract failed:\n{result.Reason}\nCheck the network and npm's registry and proxy settings.");
        await File.WriteAllTextAsync(stamp, wanted);    // last, so that a killed installation is done again
    }

    /// <summary>One process at a time; the system frees the lock of a process that dies.</summary>
    private static async Task<FileStream> LockAsync(string file)
    {
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(file)!);
        while (true)
            try
            {
                return new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (File.Exists(file))
            {
                await Task.Delay(200);  // another run is installing
            }
    }

    private static string Root()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(System.IO.Path.Combine(folder.FullName, "Mainstay.slnx")))
                return folder.FullName;
        throw new InvalidOperationException($"No folder above {AppContext.BaseDirectory} holds Mainstay.slnx. Run the tests from a clone of the repository.");
    }

    [GeneratedRegex(@"[a-z]+://[^""]*")]
    private static partial Regex Address();
}
