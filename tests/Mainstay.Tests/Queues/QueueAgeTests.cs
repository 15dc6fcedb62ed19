using Mainstay.Internal;
using Microsoft.AspNetCore.Builder;

namespace Mainstay.Tests;

/// <summary>Commands whose work would go to a queue that is too far behind. Each test has its own database.</summary>
public sealed class QueueAgeTests(PostgresFixture postgres)
{
    private int _handled;
    private int _called;

    [Fact]
    public async Task A_command_is_refused_before_it_does_anything_until_the_queue_has_caught_up()
    {
        var meeting = new Meeting();
        await using var backend = await StartAsync(meeting, backend => backend.Queue("slow").PerNode(1).MaxAge(TimeSpan.FromSeconds(1)));
        var ann = backend.User("ann");
        (await ann.PostAsync("/v1/declared", new { text = "first" })).Expect(204);
        await meeting.Arrived.Task.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        (await ann.PostAsync("/v1/declared", new { text = "second" })).Expect(204);

        Reply refused = null!;
        await Waiting.UntilAsync(async () => (refused = await ann.PostAsync("/v1/declared", new { text = "one more" }, "Idempotency-Key: \"k1\"")).Status != 204 || await TidyAsync(backend));
        var called = _called;
        refused.Expect(503, "queue-behind");
        (await ann.PostAsync("/v1/declared", new { text = "one more" })).Expect(503, "queue-behind");
        _called.ShouldBe(called);
        (await ann.PostAsync("/v1/undeclared", new { text = "one more" })).Expect(503, "queue-behind");
        (await ann.PostAsync("/v1/later", new { text = "one more" })).Expect(204);
        (await ann.PostAsync("/v1/other", new { text = "one more" })).Expect(204);
        int.Parse(refused.Header("Retry-After")!, System.Globalization.CultureInfo.InvariantCulture).ShouldBeInRange(1, 60);
        (await backend.CountAsync("effects")).ShouldBe(0);
        (await backend.Anonymous.GetAsync("/problems/queue-behind")).Expect(200);
        (await backend.Anonymous.GetAsync("/openapi.json")).Expect(200).Text.ShouldContain("queue-behind");

        meeting.Leave.TrySetResult();
        await Waiting.UntilAsync(async () => (await ann.PostAsync("/v1/declared", new { text = "one more" }, "Idempotency-Key: \"k1\"")).Status == 204);
    }

    [Fact]
    public async Task What_handlers_enqueue_themselves_is_never_refused()
    {
        var meeting = new Meeting();
        await using var backend = await StartAsync(meeting, backend => backend.Queue("slow").PerNode(1).MaxAge(TimeSpan.FromSeconds(1)));
        var ann = backend.User("ann");
        await ann.PostAsync("/v1/declared", new { text = "first" });
        await meeting.Arrived.Task.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        await ann.PostAsync("/v1/declared", new { text = "second" });
        await Waiting.UntilAsync(async () => (await ann.PostAsync("/v1/undeclared", new { text = "one more" })).Status == 503);
        var waiting = await backend.CountAsync("mainstay.jobs");

        (await ann.PostAsync("/v1/chained", new { text = "in between" })).Expect(204);

        await backend.UntilAsync($"select count(*) = {waiting + 1} from mainstay.jobs where handler = 'write'");
        meeting.Leave.TrySetResult();
    }

    [Fact]
    public async Task Without_a_declared_age_nothing_is_refused()
    {
        var meeting = new Meeting();
        await using var backend = await StartAsync(meeting, backend => backend.Queue("slow").PerNode(1));
        var ann = backend.User("ann");
        await ann.PostAsync("/v1/declared", new { text = "first" });
        await meeting.Arrived.Task.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        await ann.PostAsync("/v1/declared", new { text = "second" });
        await backend.ExecuteAsync("update mainstay.jobs set created_at = now() - interval '1 day' where state = 0");

        (await ann.PostAsync("/v1/declared", new { text = "one more" })).Expect(204);

        meeting.Leave.TrySetResult();
    }

    [Fact]
    public async Task An_endpoint_of_any_application_is_refused_too()
    {
        var connectionString = await postgres.CreateDatabaseAsync();
        var called = 0;
        // Nothing runs here, so that what waits gets older.
        await using var app = await PlainApplication.StartAsync(connectionString,
            services => services.AddJobs(jobs => jobs.Job<Write>("write", (Write job, UnitOfWork work) => { }).MaxAge(TimeSpan.FromSeconds(1)), new QueueOptions { Workers = 0 }),
            web => web.MapPost("/writes", async (Jobs jobs) =>
            {
                called++;
                await jobs.EnqueueAsync(new Write("x"));
            }).WithQueueAge(typeof(Write)));
        Task<HttpResponseMessage> PostAsync() => app.Client.PostAsync(new Uri("/writes", UriKind.Relative), null, TestContext.Current.CancellationToken);

        (await PostAsync()).EnsureSuccessStatusCode();
        HttpResponseMessage refused = null!;
        await Waiting.UntilAsync(async () => (refused = await PostAsync()).StatusCode == System.Net.HttpStatusCode.ServiceUnavailable);
        var before = called;
        await PostAsync();

        called.ShouldBe(before);
        refused.Headers.RetryAfter!.Delta.ShouldNotBeNull();
        refused.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
        (await refused.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).ShouldContain("queue-behind");
    }

    [Fact]
    public async Task Sending_what_is_not_declared_refuses_the_start() =>
        (await TestBackend.RefuseAsync(await postgres.CreateDatabaseAsync(), backend => backend.Command("POST /v1/declared", (Write input, UnitOfWork work) => { }).Allow(Policy.Anyone).Sends<Write>())).ShouldContain("MST2501");

    [Fact]
    public void A_gate_closes_when_it_is_too_old_and_opens_when_it_is_younger_than_half()
    {
        var gate = new AgeGate(TimeSpan.FromSeconds(10));
        bool IsClosedAt(double? seconds)
        {
            gate.Look(seconds is { } age ? TimeSpan.FromSeconds(age) : null);
            return gate.RetryAfter is not null;
        }

        IsClosedAt(null).ShouldBeFalse();
        IsClosedAt(10).ShouldBeFalse();
        gate.NextLook(TimeSpan.FromSeconds(4)).ShouldBe(TimeSpan.FromSeconds(6));
        IsClosedAt(10.1).ShouldBeTrue();
        gate.RetryAfter.ShouldBe(TimeSpan.FromSeconds(5.1));
        gate.NextLook(TimeSpan.FromSeconds(10.1)).ShouldBe(TimeSpan.FromSeconds(1));
        IsClosedAt(5).ShouldBeTrue();
        IsClosedAt(4.9).ShouldBeFalse();
        IsClosedAt(9).ShouldBeFalse();
        IsClosedAt(1000).ShouldBeTrue();
        gate.RetryAfter.ShouldBe(TimeSpan.FromMinutes(1));
        IsClosedAt(null).ShouldBeFalse();
    }

    /// <summary>While it is not refused, the work that the question made is taken away again, so that only what waited before is old.</summary>
    private static async Task<bool> TidyAsync(TestBackend backend)
    {
        await backend.ExecuteAsync("delete from mainstay.jobs where payload ->> 'text' = 'one more'; delete from mainstay.receipts");
        return false;
    }

    private async Task<TestBackend> StartAsync(Meeting meeting, Action<Backend> declare)
    {
        var started = await TestBackend.StartAsync(await postgres.CreateDatabaseAsync(), backend =>
        {
            TestSignIn.AddTo(backend);
            declare(backend);
            backend.Job<Write>("write", async (Write job, Outbound outbound) =>
            {
                if (Interlocked.Increment(ref _handled) == 1)
                    await meeting.MeetAsync(outbound.Cancellation);
            }).Queue("slow");
            backend.Job<Other>("other", (Other job, UnitOfWork work) => { });
            backend.Job<Chain>("chain", (Chain job, UnitOfWork work) => work.Enqueue(new Write(job.Text)));
            backend.Command("POST /v1/declared", (Input input, UnitOfWork work) =>
            {
                Interlocked.Increment(ref _called);
                work.Enqueue(new Write(input.Text));
            }).Allow(Policy.SignedIn).Sends<Write>();
            backend.Command("POST /v1/undeclared", async (Input input, UnitOfWork work) =>
            {
                await work.ExecuteAsync($"insert into effects (text) values ({input.Text})");
                work.Enqueue(new Write(input.Text));
            }).Allow(Policy.SignedIn);
            backend.Command("POST /v1/later", (Input input, UnitOfWork work) => { work.Enqueue(new Write(input.Text), after: TimeSpan.FromHours(1)); }).Allow(Policy.SignedIn);
            backend.Command("POST /v1/other", (Input input, UnitOfWork work) => { work.Enqueue(new Other(input.Text)); }).Allow(Policy.SignedIn).Sends<Other>();
            backend.Command("POST /v1/chained", (Input input, UnitOfWork work) => { work.Enqueue(new Chain(input.Text)); }).Allow(Policy.SignedIn).Sends<Chain>();
        }, "--Mainstay:Queues:PollInterval", "00:00:00.1", "--Mainstay:Queues:Drain", "00:00:00");
        await started.ExecuteAsync("create table effects (text text not null)");
        return started;
    }

    private sealed record Input(string Text);

    private sealed record Write(string Text);

    private sealed record Other(string Text);

    private sealed record Chain(string Text);
}
