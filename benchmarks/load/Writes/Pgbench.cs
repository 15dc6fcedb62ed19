using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using Npgsql;

namespace Mainstay.Benchmarks;

/// <summary>PostgreSQL's own load generator: what a write costs when there is nothing but the database.</summary>
/// <remarks>
/// A run is what its log says of the time in which all clients were connected. Its own summary begins to count before, and it connects one client after the
/// other, which takes seconds on a busy machine.
/// </remarks>
internal sealed class Pgbench(BenchmarkDatabase database, PgbenchScript script)
{
    // Every run continues where the one before cannot have come to.
    private const long CounterStep = 100_000_000;

    private static readonly TimeSpan patience = TimeSpan.FromMinutes(1);

    private long _counter;

    public Runner Runner => new("pgbench", RunAsync);

    private async Task<Measured> RunAsync(int connections, int seconds)
    {
        var folder = Directory.CreateTempSubdirectory("mainstay-pgbench-");
        try
        {
            await File.WriteAllTextAsync(Path.Combine(folder.FullName, "script.sql"), script.Text);
            using var process = Start(folder, connections);
            var errors = process.StandardError.ReadToEndAsync();
            await UntilAsync(process, errors, () => folder.EnumerateFiles("log.*").Any(log => log.Length > 0));
            var before = database.ProcessorTime;
            var began = TimeProvider.System.GetTimestamp();
            await UntilAsync(process, errors, () => TimeProvider.System.GetElapsedTime(began).TotalSeconds >= seconds);
            var processorTime = database.ProcessorTime - before;
            // What it has not written yet is lost, about as much as it had written before the time was taken.
            process.Kill();
            await process.WaitForExitAsync();
            // It goes on with the clients that are left, and would look slower than it is.
            if (await errors is var said && said.Contains("aborted", StringComparison.Ordinal))
                throw new MeasurementException($"A client of pgbench was refused a statement.\n{said}\n{script.Text}");
            return Read(folder.EnumerateFiles("log.*").Single(), processorTime);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private Process Start(DirectoryInfo folder, int connections)
    {
        var target = new NpgsqlConnectionStringBuilder(database.ConnectionString);
        string[] arguments = ["-n", "-M", "prepared", "-f", "script.sql", "-c", $"{connections}", "-j", "1", "-T", $"{2 * patience.TotalSeconds:0}", "-l", "--log-prefix", "log",
            "-D", $"n={_counter += CounterStep}", .. script.Variables.SelectMany(variable => new[] { "-D", $"{variable.Key}={variable.Value}" })];
        var start = new ProcessStartInfo("pgbench", arguments) { WorkingDirectory = folder.FullName, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in ((string, string)[])[("PGHOST", target.Host!), ("PGPORT", $"{target.Port}"), ("PGDATABASE", target.Database!), ("PGUSER", target.Username!), ("PGPASSWORD", target.Password ?? "")])
            start.Environment[name] = value;
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception)
        {
            throw new MeasurementException("Writes are compared with pgbench, which is not installed. It comes with PostgreSQL; on Debian and Ubuntu: apt-get install postgresql.");
        }
    }

    private async Task UntilAsync(Process process, Task<string> errors, Func<bool> isSo)
    {
        for (var began = TimeProvider.System.GetTimestamp(); !isSo(); await Task.Delay(5))
        {
            if (process.HasExited)
                throw new MeasurementException($"pgbench ended with exit code {process.ExitCode}.\n{await errors}\n{script.Text}");
            if (TimeProvider.System.GetElapsedTime(began) > patience)
            {
                process.Kill();
                throw new MeasurementException($"pgbench has written nothing for {patience.TotalSeconds:0} s.\n{script.Text}");
            }
        }
    }

    /// <summary>Lines of the log: client, number of the transaction, its microseconds, script, and when it ended, in seconds and microseconds.</summary>
    private static Measured Read(FileInfo log, TimeSpan processorTime)
    {
        // The last line may be cut off.
        var lines = File.ReadAllLines(log.FullName)[..^1].Select(line => Array.ConvertAll(line.Split(' '), field => double.Parse(field, CultureInfo.InvariantCulture))).ToArray();
        if (lines.Length < 100)
            throw new MeasurementException($"pgbench came to {lines.Length} transactions only. Measure for longer.");
        var times = lines.Select(line => line[2] / 1000).Order().ToArray();
        static double EndOf(double[] line) => line[4] + (line[5] / 1_000_000);
        return new Measured(lines.Length, lines.Length / (EndOf(lines[^1]) - EndOf(lines[0])), double.NaN, processorTime.TotalMicroseconds / lines.Length, times[times.Length / 2], times[times.Length * 99 / 100]);
    }
}
