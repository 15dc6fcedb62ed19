using System.Diagnostics;
using System.Runtime.CompilerServices;
using Mainstay.Internal;
using Microsoft.Extensions.Logging.Abstractions;

namespace Mainstay.Tests;

/// <summary>
/// A second process that runs the server on a data folder, to be ended or killed. It is this test program again, which an environment variable turns
/// into a server before the test runner sees it. It says each line of progress, then
/// "ready process started version" or "failed …", and ends with its input.
/// </summary>
internal sealed class OtherProcess : IDisposable
{
    private const string Variable = "MAINSTAY_TEST_SERVER_FOLDER";
    private readonly Process process;

    public OtherProcess(string dataFolder, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardInput = true, RedirectStandardOutput = true };
        if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet") start.ArgumentList.Add(typeof(OtherProcess).Assembly.Location);
        start.Environment[Variable] = dataFolder;
        foreach (var (name, value) in environment) start.Environment[name] = value;
        process = Process.Start(start)!;
    }

    /// <summary>The next line that begins with the word, or with "failed".</summary>
    public async Task<string> LineAsync(string word)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (await process.StandardOutput.ReadLineAsync(deadline.Token) is { } line)
            if (line.StartsWith(word, StringComparison.Ordinal) || line.StartsWith("failed", StringComparison.Ordinal)) return line;
        return "ended";
    }

    public async Task EndAsync()
    {
        process.StandardInput.Close();
        await process.WaitForExitAsync();
    }

    /// <summary>As kill -9 does: nothing of its own runs any more. What it started lives on.</summary>
    public async Task KillAsync()
    {
        process.Kill();
        await process.WaitForExitAsync();
    }

    public void Dispose()
    {
        if (!process.HasExited) process.Kill();
        process.Dispose();
    }

#pragma warning disable CA2255 // The entry point belongs to the test runner; this is the only place before it.
    [ModuleInitializer]
#pragma warning restore CA2255
    internal static void Run()
    {
        if (Environment.GetEnvironmentVariable(Variable) is not { Length: > 0 } folder) return;
        RunToEnd(folder);
        Environment.Exit(0);
    }

    /// <summary>Blocks on purpose: until a module initializer returns, code of its module runs on no other thread.</summary>
    private static void RunToEnd(string folder)
    {
        var source = Enum.TryParse<BinariesSource>(Environment.GetEnvironmentVariable("MAINSTAY_TEST_SOURCE"), out var named) ? named : BinariesSource.InstalledOrFetched;
        var options = new EmbeddedServerOptions
        {
            Name = "tests", DataFolder = folder, Major = PostgresFixture.Major, Source = source, CacheFolder = Environment.GetEnvironmentVariable("MAINSTAY_TEST_CACHE"),
            Progress = Console.WriteLine,
        };
        try
        {
            var server = EmbeddedServer.StartAsync(options, NullLogger.Instance, TimeProvider.System, CancellationToken.None).GetAwaiter().GetResult();
            Console.WriteLine($"ready {server.ProcessId} {server.Started} {server.Version}");
            Console.In.ReadToEnd();
            server.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
        catch (ConfigurationException e)
        {
            Console.WriteLine($"failed {e.Message.ReplaceLineEndings(" | ")}");
        }
    }
}
