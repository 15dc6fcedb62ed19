#!/usr/bin/env dotnet
#:sdk Microsoft.NET.Sdk.Web
#:project ../src/Mainstay.Testing

// What tests of an application wait for: the start of a backend on a database of its own, one more node, a jump of seven days with the work that is due then, a reset, the end.
//   dotnet run -c Release benchmarks/testing.cs -- [rounds, default 30] [folder for the result, default benchmarks/results]
// Ends with 1 when a median is over its limit.

using System.ComponentModel.DataAnnotations;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Mainstay;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var rounds = args.Length > 0 ? int.Parse(args[0]) : 30;
var results = args.Length > 1 ? args[1] : Path.Combine((string?)AppContext.GetData("EntryPointFileDirectoryPath") ?? "benchmarks", "results");
const int warmUps = 3;

Measure[] measures =
[
    new("a backend starts on a new database", 150),
    new("one more node starts on the same database, which is the start without the database", 150),
    new("a jump of seven days, and a drain of the job that is due then", 100),
    new("a drain with nothing to do", 100),
    new("a request, its event, and a drain", 100),
    new("a reset", 100),
    new("the end: both nodes stop, the database is dropped", 1000),
];

for (var round = 0; round < warmUps + rounds; round++)
{
    var time = new Timing(measures, round >= warmUps);
    var shop = await time.OfAsync(0, () => TestBackend.StartAsync(Declare));
    await time.OfAsync(1, shop.StartNodeAsync);
    await shop.WorkAsync(work => { work.Enqueue(new Note("later"), after: TimeSpan.FromDays(7)); return Task.CompletedTask; });
    await time.OfAsync(2, async () =>
    {
        await shop.Clock.AdvanceAsync(TimeSpan.FromDays(7));
        await shop.DrainAsync();
        return true;
    });
    if (shop.Applied("note").Count != 1)
        throw new InvalidOperationException("The job has not run.");
    await time.OfAsync(3, async () => { await shop.DrainAsync(); return true; });
    await time.OfAsync(4, async () =>
    {
        (await shop.As("ann", "author").PostAsync("/v1/notes", new Note("now"))).Expect(200);
        await shop.DrainAsync();
        return true;
    });
    await time.OfAsync(5, async () => { await shop.ResetAsync(); return true; });
    await time.OfAsync(6, async () => { await shop.DisposeAsync(); return true; });
}

var load = OperatingSystem.IsLinux() ? string.Join(", ", File.ReadAllText("/proc/loadavg").Split(' ')[..3]) : "unknown";
var text = $"""
    # What tests of an application wait for

    Machine: {Environment.ProcessorCount} cores, {GC.GetGCMemoryInfo().TotalAvailableMemoryBytes >> 30} GiB, {RuntimeInformation.OSDescription}, {RuntimeInformation.FrameworkDescription}. Commit `{await GitAsync("rev-parse", "--short", "HEAD")}`, {TimeProvider.System.GetUtcNow():yyyy-MM-dd HH:mm} UTC.
    Load average {load} at the end. {rounds} rounds in one process, after {warmUps} that are not counted; the server runs already.

    Command: `dotnet run -c Release benchmarks/testing.cs -- {rounds}`.

    | what | median, ms | fastest | slowest | limit |
    |---|---|---|---|---|
    {string.Join('\n', measures.Select(measure => $"| {measure.What} | **{measure.Median:0}** | {measure.Times.Min():0} | {measure.Times.Max():0} | {measure.LimitMilliseconds} |"))}

    """;
Console.WriteLine(text);
await File.WriteAllTextAsync(Path.Combine(results, $"testing-{TimeProvider.System.GetUtcNow():yyyy-MM-dd}.md"), text);
return measures.Any(measure => measure.Median > measure.LimitMilliseconds) ? 1 : 0;

static Backend Declare()
{
    var notes = Backend.Create("notes", []);
    notes.Resource<Page>("/v1/pages").Unique(page => page.Title).AllowRead(Policy.Anyone).AllowWrite(Policy.Role("author"));
    notes.Command("POST /v1/notes", (Note input, UnitOfWork work) => { work.Publish(new Noted(input.Text)); return Task.FromResult(input); }).Allow(Policy.Role("author"));
    notes.Event<Noted>("noted");
    notes.On("write it down", (Noted noted, UnitOfWork work) => { work.Insert(new Page(Id<Page>.New(), noted.Text)); return Task.CompletedTask; });
    notes.Job<Note>("note", (Note note, UnitOfWork work) => { work.Insert(new Page(Id<Page>.New(), note.Text)); return Task.CompletedTask; });
    notes.Job("nightly", Schedule.Cron("0 6 * * *"), (UnitOfWork work) => Task.CompletedTask);
    return notes;
}

static async Task<string> GitAsync(params string[] arguments)
{
    using var git = Process.Start(new ProcessStartInfo("git", arguments) { RedirectStandardOutput = true })!;
    var output = await git.StandardOutput.ReadToEndAsync();
    await git.WaitForExitAsync();
    return output.Trim();
}

record Page(Id<Page> Id, [MaxLength(200)] string Title);
record Note([MaxLength(200)] string Text);
record Noted(string Text);

sealed record Measure(string What, int LimitMilliseconds)
{
    public List<double> Times { get; } = [];
    public double Median => Times.Order().ElementAt(Times.Count / 2);
}

sealed class Timing(Measure[] measures, bool counts)
{
    public async Task<T> OfAsync<T>(int measure, Func<Task<T>> what)
    {
        var began = Stopwatch.GetTimestamp();
        var result = await what();
        if (counts)
            measures[measure].Times.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
        return result;
    }
}
