#!/usr/bin/env dotnet
#:sdk Microsoft.NET.Sdk.Web
#:project ../src/Mainstay

// Walks a list of many rows by cursor to its end, over HTTP against a server process of its own, and stores what each page cost and what memory the server had.
//   dotnet run -c Release benchmarks/walk.cs -- [rows, default 100000] [folder for the result, default benchmarks/results]

using System.ComponentModel.DataAnnotations;
using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Mainstay;

if (args is ["serve", ..])
{
    var backend = Backend.Create("walk", args[1..]);
    backend.Resource<Row>("/v1/rows").Sortable(row => row.Name, row => row.Score).AllowRead(Policy.Anyone).AllowWrite(Policy.Anyone);
    return await backend.RunAsync();
}

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var rows = args.Length > 0 ? int.Parse(args[0]) : 100_000;
var results = args.Length > 1 ? args[1] : Path.Combine("benchmarks", "results");
var data = Directory.CreateTempSubdirectory("mainstay-walk-");
const string address = "http://127.0.0.1:5719";
// Sessions of the private server can only reach the folder if they may enter it.
if (!OperatingSystem.IsWindows())
    File.SetUnixFileMode(data.FullName, File.GetUnixFileMode(data.FullName) | UnixFileMode.OtherExecute | UnixFileMode.GroupExecute);

var start = new ProcessStartInfo(Environment.ProcessPath!, ["serve", "--environment", "Development", "--urls", address, $"--Mainstay:DataFolder={Path.Combine(data.FullName, ".mainstay")}"]) { RedirectStandardOutput = true };
using var server = Process.Start(start)!;
server.OutputDataReceived += (_, _) => { };
server.BeginOutputReadLine();
try
{
    using var http = new HttpClient(new SocketsHttpHandler()) { BaseAddress = new Uri(address) };
    await ReadyAsync(http, server);
    for (var i = 0; i < rows; i += 1000)
        using (var filled = await http.PostAsJsonAsync("/v1/rows:batch", Enumerable.Range(i, Math.Min(1000, rows - i)).Select(n => new { name = $"row {n * 7919 % rows}", score = n % 997, note = n % 3 == 0 ? null : "a note" })))
            filled.EnsureSuccessStatusCode();

    var report = new StringBuilder();
    foreach (var sort in new[] { "id", "-score", "name" })
        await WalkAsync(http, server, sort, rows, report);

    var commit = await TextOfAsync("git", "rev-parse", "--short", "HEAD");
    var name = Path.Combine(results, $"walk-{TimeProvider.System.GetUtcNow():yyyy-MM-dd}.md");
    var page = $"""
        # A list of {rows:N0} rows, walked by cursor to its end

        Machine: {Environment.ProcessorCount} cores, {GC.GetGCMemoryInfo().TotalAvailableMemoryBytes >> 30} GiB, {RuntimeInformation.OSDescription}, .NET {Environment.Version}. Commit `{commit}`. Client and server on the same machine,
        which other work shared: the differences between lines of one walk say more than the times.

        Command: `dotnet run -c Release benchmarks/walk.cs -- {rows}`, one connection, pages of 100 rows. A page is a whole request as the client sees it.

        | sort | pages | rows seen | first 5 %, median | middle 5 %, median | last 5 %, median | slowest page | working set of the server after 1 %, 25, 50, 75, 100 % |
        |---|---|---|---|---|---|---|---|
        {report}
        """;
    Directory.CreateDirectory(results);
    await File.WriteAllTextAsync(name, page.TrimEnd() + "\n");
    Console.WriteLine(page);
    Console.WriteLine($"Stored in {name}.");
    return 0;
}
finally
{
    // An orderly stop takes the private database server along.
    if (!server.HasExited && !OperatingSystem.IsWindows())
        await TextOfAsync("kill", "-TERM", server.Id.ToString());
    else
        server.Kill();
    await server.WaitForExitAsync();
    data.Delete(recursive: true);
}

static async Task ReadyAsync(HttpClient http, Process server)
{
    for (var attempt = 0; attempt < 1200; attempt++)
    {
        if (server.HasExited)
            throw new InvalidOperationException($"The server ended with {server.ExitCode} before it was ready.");
        try
        {
            using var answer = await http.GetAsync("/health/ready");
            if (answer.IsSuccessStatusCode)
                return;
        }
        catch (HttpRequestException)
        {
            // Not listening yet.
        }
        await Task.Delay(100);
    }
    throw new TimeoutException("The server was not ready within two minutes.");
}

static async Task WalkAsync(HttpClient http, Process server, string sort, int rows, StringBuilder report)
{
    var times = new List<double>();
    var memory = new List<string>();
    var seen = new HashSet<string>();
    var marks = new Queue<double>([0.01, 0.25, 0.5, 0.75, 1]);
    string? cursor = null;
    do
    {
        var began = Stopwatch.GetTimestamp();
        var page = await http.GetFromJsonAsync<JsonElement>($"/v1/rows?pageSize=100&sort={sort}{(cursor is null ? "" : "&cursor=" + cursor)}");
        times.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
        foreach (var row in page.GetProperty("data").EnumerateArray())
            if (!seen.Add(row.GetProperty("id").GetString()!))
                throw new InvalidOperationException($"Row {row.GetProperty("id")} came twice.");
        cursor = page.GetProperty("meta").GetProperty("nextCursor").GetString();
        while (marks.TryPeek(out var mark) && seen.Count >= rows * mark)
        {
            marks.Dequeue();
            server.Refresh();
            memory.Add($"{server.WorkingSet64 >> 20}");
        }
    }
    while (cursor is not null);
    if (seen.Count != rows)
        throw new InvalidOperationException($"{seen.Count} rows were seen, expected {rows}.");
    var part = Math.Max(1, times.Count / 20);
    report.AppendLine($"| `{sort}` | {times.Count:N0} | {seen.Count:N0} | {Median(times.Take(part)):0.00} ms | {Median(times.Skip((times.Count - part) / 2).Take(part)):0.00} ms | {Median(times.TakeLast(part)):0.00} ms | {times.Max():0.0} ms | {string.Join(", ", memory)} MiB |");
}

static double Median(IEnumerable<double> times)
{
    var sorted = times.Order().ToArray();
    return sorted[sorted.Length / 2];
}

static async Task<string> TextOfAsync(string program, params string[] arguments)
{
    using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
    var text = await process.StandardOutput.ReadToEndAsync();
    await process.WaitForExitAsync();
    return text.Trim();
}

record Row(Id<Row> Id, [MaxLength(100)] string Name, int Score, string? Note);
