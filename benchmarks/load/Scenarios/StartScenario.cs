using System.Diagnostics;
using System.Net.Sockets;

namespace Mainstay.Benchmarks;

/// <summary>From the start of the process to the first answer with rows in it, the private PostgreSQL included.</summary>
internal static class StartScenario
{
    public static readonly Plan Usual = new(Rounds: 1, Pairs: 5, Seconds: 1, WarmUpSeconds: 1, 1);

    private static readonly TimeSpan patience = TimeSpan.FromMinutes(1);

    public static async Task<Section> RunAsync(Plan plan)
    {
        var (empty, again, minimal) = (new List<double>(), new List<double>(), new List<double>());
        for (var i = 0; i < plan.Pairs; i++)
        {
            var folder = TemporaryFolder.Create();
            try
            {
                string[] settings = ["serve", Contestant.Shop.Name, "--environment", "Production", "--Mainstay:Schema=apply", $"--Mainstay:DataFolder={Path.Combine(folder.FullName, ".mainstay")}"];
                empty.Add(await TimeAsync(settings, "/v1/products"));
                again.Add(await TimeAsync(settings, "/v1/products"));
                minimal.Add(await TimeAsync(["serve", Contestant.Empty.Name, "--environment", "Production"], "/"));
            }
            finally
            {
                folder.Delete(recursive: true);
            }
            Console.WriteLine($"start {i + 1}: {empty[^1]:0.00} s from an empty folder, {again[^1]:0.00} s again, {minimal[^1]:0.00} s an empty minimal API");
        }
        return new Section("Start", $"""
            | from the start of the process to the first 200 | median | shortest | longest |
            |---|---|---|---|
            {Row("shop, from an empty data folder: cluster made, schema made", empty)}
            {Row("shop, with its data folder", again)}
            {Row("an empty minimal API, for comparison", minimal)}

            {plan.Pairs} starts of each, in production mode; the shop with its private PostgreSQL, whose binaries are installed.
            """, "PostgreSQL of this machine",
            Finding.AtMost(5, "start from an empty data folder", Median(empty), " s"),
            Finding.AtMost(2, "start with an initialized data folder", Median(again), " s"));
    }

    private static async Task<double> TimeAsync(string[] arguments, string target)
    {
        var address = new Uri($"http://127.0.0.1:{ServerProcess.FreePort()}");
        using var http = new HttpClient(new SocketsHttpHandler()) { BaseAddress = address };
        var began = Stopwatch.GetTimestamp();
        using var process = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", "exec \"$0\" \"$@\" > /dev/null", Environment.ProcessPath!, .. arguments, "--urls", address.AbsoluteUri]))!;
        try
        {
            while (Stopwatch.GetElapsedTime(began) < patience && !process.HasExited)
            {
                try
                {
                    using var answer = await http.GetAsync(target);
                    if (answer.IsSuccessStatusCode)
                        return Stopwatch.GetElapsedTime(began).TotalSeconds;
                }
                catch (HttpRequestException e) when (e.InnerException is SocketException or IOException)
                {
                    // Not listening yet.
                }
                await Task.Delay(5);
            }
            throw new MeasurementException($"'{string.Join(' ', arguments)}' did not answer within {patience.TotalSeconds:0} s.");
        }
        finally
        {
            await ServerProcess.StopAsync(process);
        }
    }

    private static string Row(string what, List<double> seconds) => $"| {what} | **{Median(seconds):0.00} s** | {seconds.Min():0.00} s | {seconds.Max():0.00} s |";

    private static double Median(List<double> seconds) => Ratio.MedianOf(seconds);
}
