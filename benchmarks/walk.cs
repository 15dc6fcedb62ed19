#!/usr/bin/env dotnet
#:sdk Microsoft.NET.Sdk.Web
#:project ../src/Mainstay

// Walks a list of many rows by cursor to its end, over HTTP against a server process of its own, and stores what each page cost and what memory the server had.
//   dotnet run -c Release benchmarks/walk.cs -- [rows, default 100000] [folder for the result, default benchmarks/results]
// Ends with 1 when pages get slower towards the end, or when the server's memory grows.

using System.ComponentModel.DataAnnotations;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text.Json;
using Mainstay;

if (args is ["serve", ..])
{
    var backend = Backend.Create("walk", args[1..]);
    backend.Resource<Row>("/v1/rows").Sortable(row => row.Name, row => row.Score).AllowRead(Policy.Anyone).AllowWrite(Policy.Anyone);
    // What the collector left the last time it ran by itself: nothing is collected because somebody looks.
    backend.Query("GET /v1/memory", (Snapshot _) => Task.FromResult(new Memory(Environment.WorkingSet, GC.GetGCMemoryInfo(GCKind.Any).HeapSizeBytes, GC.CollectionCount(0), GC.GetTotalAllocatedBytes()))).Allow(Policy.Anyone);
    backend.Query("GET /v1/database", async (Snapshot snapshot) => (await snapshot.QueryAsync<DatabaseVersion>($"select current_setting('server_version') as version"))[0]).Allow(Policy.Anyone);
    return await backend.RunAsync();
}

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
const int walksOfEach = 3;
const int turns = 20;
var rows = args.Length > 0 ? int.Parse(args[0]) : 100_000;
var results = args.Length > 1 ? args[1] : Path.Combine((string?)AppContext.GetData("EntryPointFileDirectoryPath") ?? "benchmarks", "results");
string[] sorts = ["id", "-score", "name"];
var data = Directory.CreateTempSubdirectory("mainstay-walk-");
var address = $"http://127.0.0.1:{FreePort()}";
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
        using (var filled = await http.PostAsJsonAsync("/v1/rows:batch", Enumerable.Range(i, Math.Min(1000, rows - i)).Select(n => new { name = $"row {n * 7919L % rows}", score = n % 997, note = n % 3 == 0 ? null : "a note" })))
            filled.EnsureSuccessStatusCode();

    foreach (var sort in sorts) // until the code is compiled for good; these are not counted
        await WalkAsync(http, sort, rows);
    var walks = new List<Walk>();
    for (var round = 0; round < walksOfEach; round++)
        foreach (var sort in sorts)
            walks.Add(await WalkAsync(http, sort, rows));
    var lines = new List<Line>();
    foreach (var walk in walks.TakeLast(sorts.Length))
        lines.Add(await AgainAsync(http, walk, turns));

    var (first, last) = (walks[0].Memory[0], walks[^1].Memory[^1]);
    var isFlat = lines.All(line => line.LastToFirst <= Line.LastToFirstMost);
    var isConstant = last.WorkingSet <= first.WorkingSet * 1.1 && last.Heap <= (first.Heap * 1.1) + (8 << 20);
    var database = (await http.GetFromJsonAsync<JsonElement>("/v1/database")).GetProperty("data").GetProperty("version").GetString();
    var page = $"""
        # A list of {rows:N0} rows, walked by cursor to its end

        Machine: {Environment.ProcessorCount} cores, {GC.GetGCMemoryInfo().TotalAvailableMemoryBytes >> 30} GiB, {RuntimeInformation.OSDescription}, .NET {Environment.Version}, PostgreSQL {database}. Commit `{await CommitAsync()}`, {TimeProvider.System.GetUtcNow():yyyy-MM-dd HH:mm} UTC.
        Client and server share the machine; load average {LoadAverage()} at the end.

        Command: `dotnet run -c Release benchmarks/walk.cs -- {rows}`. One connection, pages of 100 rows; a page is a whole request as the client sees it. After one walk of each sort
        that is not counted, each was walked {walksOfEach} times, in turns; every row came exactly once.

        ## Time of a page

        Pages are {(isFlat ? "as fast" : "**not** as fast")} at the end as at the start, where "last to first" may be {Line.LastToFirstMost:0.00} at most. It divides the median page of the last 5 % by that of the first 5 %. Because other work disturbs
        a walk for longer than a page takes, these pages were asked for again by their cursors, first, middle and last in turn, {turns} times all of them; the lowest and the highest
        quotient of the {turns} turns show how noisy the machine was. The two columns at the right are of the walks themselves.

        | sort | last to first | lowest, highest turn | first 5 % | middle 5 % | last 5 % | pages of a walk | whole walk, median | slowest page of {walksOfEach} walks |
        |---|---|---|---|---|---|---|---|---|
        {string.Join('\n', lines.Select(line => line.Row([.. walks.Where(walk => walk.Sort == line.Sort)])))}

        ## Memory of the server

        Memory is {(isConstant ? "constant" : "**not** constant")}: from the first page counted to the last, {walks.Sum(walk => walk.Pages.Count):N0} pages later, the working set went from {Walk.Mebi(first.WorkingSet)} to {Walk.Mebi(last.WorkingSet)} MiB and the heap from {Walk.Mebi(first.Heap)} to {Walk.Mebi(last.Heap)} MiB, while
        {Walk.Mebi(last.Allocated - first.Allocated)} MiB were allocated and {last.Collections - first.Collections} collections ran. Heap is what the last collection left; none was forced. All in MiB, after so much of each walk:

        | sort | walk | | {string.Join(" | ", Walk.Marks.Select(mark => $"{mark:0 %}"))} |
        |---|---|---|{string.Concat(Walk.Marks.Select(_ => "---|"))}
        {string.Join('\n', walks.Select((walk, i) => walk.MemoryRows((i / sorts.Length) + 1)))}
        """;
    Directory.CreateDirectory(results);
    var name = Path.Combine(results, $"walk-{TimeProvider.System.GetUtcNow():yyyy-MM-dd}.md");
    await File.WriteAllTextAsync(name, page.TrimEnd() + "\n");
    Console.WriteLine(page);
    Console.WriteLine($"\nStored in {name}.");
    return isFlat && isConstant ? 0 : 1;
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

static async Task<Walk> WalkAsync(HttpClient http, string sort, int rows)
{
    var walk = new Walk(sort);
    var seen = new HashSet<string>();
    var marks = new Queue<double>(Walk.Marks);
    string? cursor = null;
    do
    {
        var (page, milliseconds) = await PageAsync(http, sort, cursor);
        walk.Pages.Add((cursor, milliseconds));
        foreach (var row in page.GetProperty("data").EnumerateArray())
            if (!seen.Add(row.GetProperty("id").GetString()!))
                throw new InvalidOperationException($"Row {row.GetProperty("id")} came twice.");
        cursor = page.GetProperty("meta").GetProperty("nextCursor").GetString();
        for (; marks.TryPeek(out var mark) && seen.Count >= rows * mark; marks.Dequeue())
            walk.Memory.Add((await http.GetFromJsonAsync<JsonElement>("/v1/memory")).GetProperty("data").Deserialize<Memory>(JsonSerializerOptions.Web)!);
    }
    while (cursor is not null);
    return seen.Count == rows ? walk : throw new InvalidOperationException($"{seen.Count} rows were seen, expected {rows}.");
}

/// <summary>Asks for the first, the middle and the last pages of a walk again, one of each in turn, so that what disturbs the machine disturbs all three alike.</summary>
static async Task<Line> AgainAsync(HttpClient http, Walk walk, int turns)
{
    var line = new Line(walk.Sort);
    var part = Math.Max(1, walk.Pages.Count / 20);
    int[] begins = [0, (walk.Pages.Count - part) / 2, walk.Pages.Count - part];
    for (var turn = 0; turn < turns; turn++)
    {
        var times = new double[3][];
        for (var place = 0; place < 3; place++)
            times[place] = new double[part];
        for (var i = 0; i < part; i++)
            for (var step = 0; step < 3; step++)
            {
                var place = (step + i) % 3; // nobody is always the one behind the largest page
                times[place][i] = (await PageAsync(http, walk.Sort, walk.Pages[begins[place] + i].Cursor)).Milliseconds;
            }
        line.Turns.Add((Line.Median(times[0]), Line.Median(times[1]), Line.Median(times[2])));
    }
    return line;
}

static async Task<(JsonElement Page, double Milliseconds)> PageAsync(HttpClient http, string sort, string? cursor)
{
    var began = Stopwatch.GetTimestamp();
    var page = await http.GetFromJsonAsync<JsonElement>($"/v1/rows?pageSize=100&sort={sort}{(cursor is null ? "" : "&cursor=" + cursor)}");
    return (page, Stopwatch.GetElapsedTime(began).TotalMilliseconds);
}

static int FreePort()
{
    using var listener = new TcpListener(IPAddress.Loopback, 0);
    listener.Start();
    return ((IPEndPoint)listener.LocalEndpoint).Port;
}

static async Task<string> CommitAsync() =>
    await TextOfAsync("git", "rev-parse", "--short", "HEAD") + (await TextOfAsync("git", "status", "--porcelain", "--", ":/src", ":/benchmarks/walk.cs") is "" ? "" : " with changes");

static string LoadAverage() => File.Exists("/proc/loadavg") ? string.Join(", ", File.ReadAllText("/proc/loadavg").Split(' ').Take(3)) : "unknown";

static async Task<string> TextOfAsync(string program, params string[] arguments)
{
    using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
    var text = await process.StandardOutput.ReadToEndAsync();
    await process.WaitForExitAsync();
    return text.Trim();
}

record Row(Id<Row> Id, [MaxLength(100)] string Name, int Score, string? Note);

record DatabaseVersion(string Version);

record Memory(long WorkingSet, long Heap, int Collections, long Allocated);

/// <summary>One walk: the cursor and the milliseconds of each page, and the server's memory when these parts of the rows had been seen.</summary>
record Walk(string Sort)
{
    public static readonly double[] Marks = [0.01, 0.2, 0.4, 0.6, 0.8, 1];

    public List<(string? Cursor, double Milliseconds)> Pages { get; } = [];

    public List<Memory> Memory { get; } = [];

    public string MemoryRows(int number) =>
        $"| `{Sort}` | {number} | working set | {string.Join(" | ", Memory.Select(memory => $"{memory.WorkingSet >> 20}"))} |\n| | | heap | {string.Join(" | ", Memory.Select(memory => Mebi(memory.Heap)))} |";

    public static string Mebi(long bytes) => (bytes / 1048576.0).ToString("0.0");
}

/// <summary>The pages of one order that were asked for again: the median of each of the three places in each turn.</summary>
record Line(string Sort)
{
    /// <summary>Above it, pages are not called flat. With offsets the quotient would be in the tens.</summary>
    public const double LastToFirstMost = 1.2;

    public List<(double First, double Middle, double Last)> Turns { get; } = [];

    public double LastToFirst => Median(Turns.Select(turn => turn.Last / turn.First));

    public string Row(Walk[] walks) =>
        $"| `{Sort}` | **{LastToFirst:0.00}** | {Turns.Min(turn => turn.Last / turn.First):0.00}, {Turns.Max(turn => turn.Last / turn.First):0.00} | {Median(Turns.Select(turn => turn.First)):0.00} ms | {Median(Turns.Select(turn => turn.Middle)):0.00} ms | {Median(Turns.Select(turn => turn.Last)):0.00} ms "
        + $"| {walks[0].Pages.Count:N0} | {Median(walks.Select(walk => walk.Pages.Sum(page => page.Milliseconds))) / 1000:0.0} s | {walks.Max(walk => walk.Pages.Max(page => page.Milliseconds)):0} ms |";

    public static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted[sorted.Length / 2];
    }
}
