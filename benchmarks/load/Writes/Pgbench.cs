using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Npgsql;

namespace Mainstay.Benchmarks;

/// <summary>PostgreSQL's own load generator: what a write costs when there is nothing but the database.</summary>
internal sealed partial class Pgbench(BenchmarkDatabase database, PgbenchScript script)
{
    // Every run continues where the one before cannot have come to.
    private const long CounterStep = 100_000_000;

    private long _counter;

    // It connects one client after the other, and that counts as a part of the run, though not of its rate. How long it takes is known from the run before.
    private TimeSpan _connecting = TimeSpan.FromMilliseconds(100);

    public Runner Runner => new("pgbench", RunAsync);

    private async Task<Measured> RunAsync(int connections, int seconds)
    {
        var folder = Directory.CreateTempSubdirectory("mainstay-pgbench-");
        try
        {
            var file = Path.Combine(folder.FullName, "script.sql");
            await File.WriteAllTextAsync(file, script.Text);
            var length = seconds + (int)Math.Ceiling((_connecting * connections).TotalSeconds);
            var running = OutputAsync(folder, ["-n", "-M", "prepared", "-f", file, "-c", $"{connections}", "-j", "1", "-T", $"{length}", "-l", "--log-prefix", "log",
                "-D", $"n={_counter += CounterStep}", .. script.Variables.SelectMany(variable => new[] { "-D", $"{variable.Key}={variable.Value}" })]);
            // The first lines of its log say that all are connected.
            while (!running.IsCompleted && folder.EnumerateFiles("log.*").All(log => log.Length == 0))
                await Task.Delay(5);
            var before = database.ProcessorTime;
            var output = await running;
            var processorTime = database.ProcessorTime - before;
            _connecting = TimeSpan.FromMilliseconds(Number(Connecting(), output)) / connections;
            var transactions = (long)Number(Processed(), output);
            var latencies = folder.EnumerateFiles("log.*").SelectMany(log => File.ReadLines(log.FullName)).Select(line => double.Parse(line.Split(' ')[2], CultureInfo.InvariantCulture) / 1000).Order().ToArray();
            return new Measured(transactions, Number(PerSecond(), output), double.NaN, processorTime.TotalMicroseconds / transactions, latencies[latencies.Length / 2], latencies[latencies.Length * 99 / 100]);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private async Task<string> OutputAsync(DirectoryInfo folder, string[] arguments)
    {
        var target = new NpgsqlConnectionStringBuilder(database.ConnectionString);
        var start = new ProcessStartInfo("pgbench", arguments) { WorkingDirectory = folder.FullName, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in ((string, string)[])[("PGHOST", target.Host!), ("PGPORT", $"{target.Port}"), ("PGDATABASE", target.Database!), ("PGUSER", target.Username!), ("PGPASSWORD", target.Password ?? "")])
            start.Environment[name] = value;
        try
        {
            using var process = Process.Start(start)!;
            var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
            await process.WaitForExitAsync();
            // It calls a run without any transaction a success.
            return process.ExitCode == 0 && Processed().Match(await output) is { Success: true } match && match.Groups["value"].Value != "0" ? await output : throw new MeasurementException($"pgbench ended with exit code {process.ExitCode}.\n{await errors}\n{script.Text}");
        }
        catch (Win32Exception)
        {
            throw new MeasurementException("Writes are compared with pgbench, which is not installed. It comes with PostgreSQL; on Debian and Ubuntu: apt-get install postgresql.");
        }
    }

    private static double Number(Regex pattern, string output) => pattern.Match(output) is { Success: true } match
        ? double.Parse(match.Groups["value"].Value, CultureInfo.InvariantCulture)
        : throw new MeasurementException($"pgbench has written something else than expected:\n{output}");

    [GeneratedRegex(@"^number of transactions actually processed: (?<value>\d+)", RegexOptions.Multiline)]
    private static partial Regex Processed();

    [GeneratedRegex(@"^initial connection time = (?<value>[\d.]+) ms", RegexOptions.Multiline)]
    private static partial Regex Connecting();

    [GeneratedRegex(@"^tps = (?<value>[\d.]+)", RegexOptions.Multiline)]
    private static partial Regex PerSecond();
}
