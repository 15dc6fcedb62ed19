using System.Collections.Concurrent;
using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.DependencyInjection;

namespace Mainstay.Tests;

public record Report(Id<Report> Id, string OwnerId, [MaxLength(100)] string Title, DateTimeOffset BuiltAt);

public record BuildReport([MaxLength(100)] string Title, [Range(1, 10)] int Pages = 1);

public record NameReport(Id<Report> Id, [MaxLength(100)] string Title);

public record DropReport(Id<Report> Id, bool Really = false);

/// <summary>What the handlers of the reports do when their title asks for it. Each run reports its arrival and waits to be let go.</summary>
public sealed class ReportDesk
{
    private readonly ConcurrentDictionary<string, int> _runs = new();
    private readonly ConcurrentDictionary<(string, int), TaskCompletionSource> _arrived = new(), _leave = new();

    /// <summary>How many runs have begun, of one title.</summary>
    public int Runs(string title) => _runs.GetValueOrDefault(title);

    /// <summary>Returns when the run of that number has begun.</summary>
    public Task ArrivedAsync(string title, int run = 1) => Source(_arrived, title, run).Task.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);

    /// <summary>Lets the run of that number go on, now or when it comes.</summary>
    public void LetGo(string title, int run = 1) => Source(_leave, title, run).TrySetResult();

    public int Begin(string title)
    {
        var run = _runs.AddOrUpdate(title, 1, (_, before) => before + 1);
        Source(_arrived, title, run).TrySetResult();
        return run;
    }

    public Task LeaveAsync(string title, int run, CancellationToken cancellation) => Source(_leave, title, run).Task.WaitAsync(cancellation);

    private static TaskCompletionSource Source(ConcurrentDictionary<(string, int), TaskCompletionSource> sources, string title, int run) =>
        sources.GetOrAdd((title, run), _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
}

/// <summary>A backend whose reports take as long as the test wants.</summary>
internal static class Reports
{
    /// <summary>Looks short enough to be waited for. Leases are as long as they are by default: nobody waits for the end of one.</summary>
    public static readonly string[] Quick = ["--Mainstay:LongRunning:PollInterval=00:00:00.05"];

    public static Action<Backend> Declare(ReportDesk desk) => backend =>
    {
        TestSignIn.AddTo(backend);
        backend.Services.AddSingleton(desk);
        var tooDull = backend.Problem("too-dull", 422, "The report would be too dull");
        DeclareTable(backend);
        backend.Command("POST /v1/reports", async (BuildReport input, UnitOfWork work, ReportDesk counter) =>
        {
            if (input.Title == "deaf to the break")
                await work.QueryAsync<int>($"select 1");       // so that it has a connection
            var run = counter.Begin(input.Title);
            if (input.Title.StartsWith("deaf", StringComparison.Ordinal))
                await counter.LeaveAsync(input.Title, run, CancellationToken.None);
            var report = new Report(Id<Report>.New(), work.User.Id, input.Title, work.Now);
            work.Insert(report);
            await work.QueryAsync<int>($"select 1");
            if (input.Title.StartsWith("dull", StringComparison.Ordinal))
                throw tooDull.Because("Nothing happens in it.");
            if (input.Title.StartsWith("broken", StringComparison.Ordinal))
                throw new InvalidOperationException("The paper is stuck.");
            if (input.Title.StartsWith("once broken", StringComparison.Ordinal) && run == 1)
                throw new InvalidOperationException("The paper is stuck.");
            if (input.Title.StartsWith("slow", StringComparison.Ordinal))
                await counter.LeaveAsync(input.Title, run, work.Cancellation);
            return report;
        }).Allow(Policy.Role("staff")).Refuses(tooDull).LongRunning(within: TimeSpan.FromSeconds(30)).Timeout(TimeSpan.FromSeconds(40));
        backend.Command("POST /v1/reports/{id}/name", (NameReport input, UnitOfWork work) => input.Title).Allow(Policy.SignedIn).LongRunning();
        backend.Command("DELETE /v1/reports/{id}/pages", (DropReport input, UnitOfWork work) => { work.User.HasRole("staff").ShouldBeTrue(); input.Really.ShouldBeTrue(); }).Allow(Policy.SignedIn).LongRunning();
        backend.Command("POST /v1/reports/late", (UnitOfWork work) => work.QueryAsync<bool>($"select pg_sleep(20) is null")).Allow(Policy.SignedIn).LongRunning(within: TimeSpan.FromMilliseconds(200));
        backend.Command("POST /v1/reports/patient", (UnitOfWork work, ReportDesk counter) => counter.LeaveAsync("patient", 1, work.Cancellation)).Allow(Policy.SignedIn).LongRunning().Timeout(TimeSpan.FromSeconds(2));
        backend.Command("POST /v1/plain", (UnitOfWork work) => "plain").Allow(Policy.SignedIn);
    };

    public static void DeclareTable(Backend backend) =>
        backend.Resource<Report>("/v1/reports").Unique(report => report.Title).AllowRead(Policy.For<Report>((report, user) => report.OwnerId == user.Id));

    public static Guid IdOf(string location) => Internal.TypeId.TryParse(location.AsSpan("/operations/".Length), "op", out var id) ? id : throw new FormatException(location);

    /// <summary>Starts a report and returns the address of its operation.</summary>
    public static async Task<string> BuildAsync(this Caller caller, string title, params string[] headers) =>
        (await caller.PostAsync("/v1/reports", new { title }, headers)).Expect(202).Header("Location")!;

    /// <summary>Asks until the operation has ended.</summary>
    public static async Task<Reply> EndedAsync(this Caller caller, string location)
    {
        Reply? reply = null;
        await Waiting.UntilAsync(async () =>
        {
            reply = (await caller.GetAsync(location)).Expect(200);
            return reply.Data.GetProperty("endedAt").GetString() is not null;
        });
        return reply!;
    }

    public static string Status(this Reply reply) => reply.Data.GetProperty("status").GetString()!;
}
