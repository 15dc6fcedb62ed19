using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;

namespace Mainstay.Tests;

public record Mark(Id<Mark> Id, string Text);

public record Sized(int Size);

public record Refused(int Status);

public record Held(Id<Mark> Id, string Text);

/// <summary>How often handlers ran.</summary>
public sealed class Runs
{
    private int _count;

    public int Count => Volatile.Read(ref _count);

    public int Add() => Interlocked.Increment(ref _count);
}

public sealed class KeyFixture(PostgresFixture postgres) : IAsyncLifetime
{
    internal static readonly int[] Statuses = [400, 401, 403, 404, 406, 408, 409, 410, 412, 413, 415, 422, 423, 425, 428, 429, 451];

    internal string Database { get; private set; } = null!;

    internal TestBackend Backend { get; private set; } = null!;

    internal Runs Runs { get; } = new();

    internal Meeting Meeting { get; set; } = new();

    public async ValueTask InitializeAsync()
    {
        Database = await postgres.CreateDatabaseAsync() + ";Application Name=test-app";
        Backend = await TestBackend.StartAsync(Database, Declare, "--Mainstay:Idempotency:Lifetime=02:00:00", "--Mainstay:Idempotency:AnswerBytesMost=2000");
    }

    internal void Declare(Backend backend)
    {
        TestSignIn.AddTo(backend);
        backend.Services.AddSingleton(Runs);
        var problems = Statuses.ToDictionary(status => status, status => backend.Problem($"refused-{status}", status, "Refused"));
        backend.Resource<Mark>("/v1/marks").AllowRead(Policy.Anyone).AllowWrite(Policy.SignedIn).RequireIdempotencyKey();
        backend.Resource<Counter>("/v1/counters").AllowRead(Policy.Anyone).AllowWrite(Policy.Anyone);
        backend.Command("POST /v1/refuse", (Refused input, UnitOfWork work) =>
        {
            work.Insert(new Mark(Id<Mark>.New(), "refused"));
            throw problems[input.Status].Because("No.");
        }).Allow(Policy.SignedIn).Refuses([.. problems.Values]);
        backend.Command("POST /v1/invalid", async (Wanted input, UnitOfWork work) =>
        {
            await work.ExecuteAsync($"insert into counters (id, name, value, row_version) values (gen_random_uuid(), repeat('x', 41), 1, 1)");
        }).Allow(Policy.SignedIn);
        backend.Command("POST /v1/sized", (Sized input, UnitOfWork work) =>
        {
            work.Insert(new Mark(Id<Mark>.New(), $"sized {input.Size}"));
            return new { text = new string('x', input.Size) };
        }).Allow(Policy.SignedIn);
        backend.Command("POST /v1/required", (Wanted input, UnitOfWork work) => work.Insert(new Mark(Id<Mark>.New(), input.Name))).Allow(Policy.SignedIn).RequireIdempotencyKey();
        // The first run fails or ends when the test says so; a duplicate waits for its row meanwhile.
        backend.Command("POST /v1/hold", async (Held input, UnitOfWork work, Runs runs) =>
        {
            await work.LockAsync(input.Id);
            runs.Add();
            await Meeting.MeetAsync(work.Cancellation);
            if (Interlocked.Exchange(ref FailNext, 0) == 1)
                throw new InvalidOperationException("The first run fails.");
            work.Insert(new Mark(Id<Mark>.New(), input.Text));
        }).Allow(Policy.SignedIn);
        backend.Query("GET /v1/counted", (Runs runs) => new { count = runs.Add() }).Allow(Policy.Anyone);
    }

    internal int FailNext;

    public ValueTask DisposeAsync() => Backend?.DisposeAsync() ?? ValueTask.CompletedTask;
}

/// <summary>Which answers are kept, for how long, how large, and who must bring a key.</summary>
public sealed class KeyRuleTests(KeyFixture fixture) : IClassFixture<KeyFixture>
{
    private Caller Ann => fixture.Backend.User("ann");

    private Task<long> MarksAsync(string text) => fixture.Backend.CountAsync($"marks where text = '{text}'");

    private static void ShouldBeReplayed(Reply reply) => reply.Header("Idempotency-Replayed").ShouldBe("true", reply.ToString());

    private static void ShouldBeFresh(Reply reply) => reply.Header("Idempotency-Replayed").ShouldBeNull(reply.ToString());

    [Theory]
    [InlineData(400, true)]
    [InlineData(404, true)]
    [InlineData(409, true)]
    [InlineData(410, true)]
    [InlineData(422, true)]
    [InlineData(451, true)]
    [InlineData(401, false)]
    [InlineData(403, false)]
    [InlineData(406, false)]
    [InlineData(408, false)]
    [InlineData(412, false)]
    [InlineData(413, false)]
    [InlineData(415, false)]
    [InlineData(423, false)]
    [InlineData(425, false)]
    [InlineData(428, false)]
    [InlineData(429, false)]
    public async Task A_refusal_of_the_handler_is_kept_where_the_same_request_would_be_refused_again(int status, bool isKept)
    {
        var key = $"Idempotency-Key: status-{status}";
        var first = (await Ann.PostAsync("/v1/refuse", new { status }, key)).Expect(status, $"refused-{status}");
        var second = (await Ann.PostAsync("/v1/refuse", new { status }, key)).Expect(status, $"refused-{status}");

        ShouldBeFresh(first);
        second.Header("Idempotency-Replayed").ShouldBe(isKept ? "true" : null);
        (second.Text == first.Text).ShouldBe(isKept);
        (await MarksAsync("refused")).ShouldBe(0);
    }

    [Fact]
    public async Task What_the_database_refuses_for_the_handler_is_kept_too()
    {
        (await Ann.PostAsync("/v1/invalid", new { name = "x" }, "Idempotency-Key: invalid")).Expect(400, "validation-failed");
        ShouldBeReplayed((await Ann.PostAsync("/v1/invalid", new { name = "x" }, "Idempotency-Key: invalid")).Expect(400, "validation-failed"));
    }

    [Fact]
    public async Task What_is_refused_before_the_operation_begins_leaves_the_key_unused()
    {
        const string key = "Idempotency-Key: before";
        var mark = new { text = "before" };

        (await fixture.Backend.Anonymous.PostAsync("/v1/marks", mark, key)).Expect(401);
        (await Ann.PostAsync("/v1/marks", mark, key, "Accept: text/html")).Expect(406);
        (await Ann.PostAsync("/v1/marks", mark, key, "Content-Type: text/plain")).Expect(415);
        (await Ann.PostAsync("/v1/marks", mark, key, "Content-Encoding: gzip")).Expect(415);
        (await Ann.PostAsync("/v1/marks", "{", key)).Expect(400, "malformed-json");
        (await Ann.PostAsync("/v1/marks", """{"text":5}""", key)).Expect(400, "validation-failed");
        (await Ann.PostAsync("/v1/marks?x=1", mark, key)).Expect(400, "invalid-parameter");
        (await fixture.Backend.CountAsync("mainstay.receipts where key = 'before'")).ShouldBe(0);

        ShouldBeFresh((await Ann.PostAsync("/v1/marks", mark, key)).Expect(201));
        (await Ann.PostAsync("/v1/marks?x=1", mark, key)).Expect(422, "idempotency-key-reused");
        ShouldBeReplayed((await Ann.PostAsync("/v1/marks", mark, key)).Expect(201));
    }

    [Fact]
    public async Task Who_calls_is_decided_before_the_key_is_looked_up()
    {
        const string key = "Idempotency-Key: who";
        (await Ann.PostAsync("/v1/marks", new { text = "who" }, key)).Expect(201);

        (await fixture.Backend.User("wrong").SendAsync("POST", "/v1/marks", new { text = "who" }, key, "Authorization: Test wrong")).Expect(401);
        (await fixture.Backend.Anonymous.PostAsync("/v1/marks", new { text = "who" }, key)).Expect(401);
        ShouldBeFresh((await fixture.Backend.User("bob").PostAsync("/v1/marks", new { text = "who" }, key)).Expect(201));

        (await MarksAsync("who")).ShouldBe(2);
    }

    [Fact]
    public async Task Reads_take_no_notice_of_keys_not_even_of_bad_ones()
    {
        foreach (var method in new[] { "GET", "HEAD" })
        {
            (await Ann.SendAsync(method, "/v1/marks", null, "Idempotency-Key: read")).Expect(200);
            (await Ann.SendAsync(method, "/v1/marks", null, "Idempotency-Key: \"open")).Expect(200);
        }

        var first = (await Ann.GetAsync("/v1/counted", "Idempotency-Key: read")).Data.GetProperty("count").GetInt32();
        (await Ann.GetAsync("/v1/counted", "Idempotency-Key: read")).Data.GetProperty("count").GetInt32().ShouldBe(first + 1);
        (await fixture.Backend.CountAsync("mainstay.receipts where key = 'read'")).ShouldBe(0);
    }

    [Fact]
    public async Task Quotes_and_escapes_are_not_part_of_a_key()
    {
        var mark = new { text = "spelled" };
        var first = (await Ann.PostAsync("/v1/marks", mark, "Idempotency-Key: \"a \\\\ \\\" b\"")).Expect(201);

        (await fixture.Backend.CountAsync("mainstay.receipts where key = 'a \\ \" b'")).ShouldBe(1);
        (await Ann.PostAsync("/v1/marks", mark, "Idempotency-Key:   \"a \\\\ \\\" b\"  ")).Expect(201).Text.ShouldBe(first.Text);
        (await Ann.PostAsync("/v1/marks", mark, "Idempotency-Key: \"A \\\\ \\\" b\"")).Expect(201).Text.ShouldNotBe(first.Text);
    }

    [Fact]
    public async Task Where_a_key_is_required_its_absence_is_refused_with_a_link_to_the_reason()
    {
        var mark = new { text = "required" };
        var made = (await Ann.PostAsync("/v1/marks", mark, "Idempotency-Key: required-1")).Expect(201).Id;

        Reply[] refused =
        [
            await Ann.PostAsync("/v1/required", new { name = "required" }), await Ann.PostAsync("/v1/marks", mark), await Ann.PostAsync("/v1/marks:batch", new[] { mark }), await Ann.PutAsync("/v1/marks/" + made, mark),
            await Ann.PatchAsync("/v1/marks/" + made, mark), await Ann.DeleteAsync("/v1/marks/" + made), await Ann.PostAsync("/v1/marks:batchDelete", new[] { made }),
            await Ann.SendAsync("PATCH", "/v1/marks:batch", new[] { new { id = made } }),
        ];

        foreach (var reply in refused)
            reply.Expect(400, "idempotency-key-required").Header("Link").ShouldBe("</problems/idempotency-key-required>; rel=\"describedby\"; type=\"text/html\"");
        (await fixture.Backend.Anonymous.GetAsync("/problems/idempotency-key-required", "Accept: text/html")).Status.ShouldBe(200);
        (await Ann.PostAsync("/v1/marks", mark, "Idempotency-Key: a,b")).Expect(400, "invalid-idempotency-key").Header("Link")!.ShouldContain("describedby");
        (await fixture.Backend.Anonymous.PostAsync("/v1/required", new { name = "required" })).Expect(401);
        (await MarksAsync("required")).ShouldBe(1);
        (await Ann.PostAsync("/v1/required", new { name = "required" }, "Idempotency-Key: required-2")).Expect(204);
    }

    [Fact]
    public async Task The_document_says_which_operations_require_a_key_and_how_long_it_lasts()
    {
        var document = (await fixture.Backend.Anonymous.GetAsync("/v1/openapi.json")).Json;
        JsonElement Parameter(string path, string method) => document.GetProperty("paths").GetProperty(path).GetProperty(method).GetProperty("parameters").EnumerateArray()
            .Select(parameter => parameter.TryGetProperty("$ref", out var reference) ? document.GetProperty("components").GetProperty("parameters").GetProperty(reference.GetString()!.Split('/')[^1]) : parameter)
            .Single(parameter => parameter.GetProperty("name").GetString() == "Idempotency-Key");

        foreach (var (path, method, isRequired) in new[] { ("/v1/required", "post", true), ("/v1/marks", "post", true), ("/v1/marks/{id}", "delete", true), ("/v1/marks:batch", "patch", true), ("/v1/sized", "post", false) })
        {
            var parameter = Parameter(path, method);
            (parameter.TryGetProperty("required", out var required) && required.GetBoolean()).ShouldBe(isRequired, path);
            parameter.GetProperty("description").GetString()!.ShouldContain("for 2 hours");
        }
        document.GetProperty("paths").GetProperty("/v1/required").GetProperty("post").GetProperty("responses").GetProperty("400").GetRawText().ShouldContain("idempotency-key-required");
        (await Ann.PostAsync("/v1/required", new { name = "lasting" }, "Idempotency-Key: lasting")).Expect(204);
        (await fixture.Backend.CountAsync("mainstay.receipts where key = 'lasting' and expires_at between now() + interval '1 hour' and now() + interval '2 hours'")).ShouldBe(1);
    }

    [Fact]
    public async Task An_answer_that_is_too_large_to_keep_is_refused_before_the_commit_and_its_key_stays_unused()
    {
        var plain = (await Ann.PostAsync("/v1/sized", new { size = 0 })).Expect(200);
        var fits = 2000 - plain.Text.Length - new[] { "Content-Type", "Cache-Control" }.Sum(name => name.Length + plain.Header(name)!.Length);

        var kept = (await Ann.PostAsync("/v1/sized", new { size = fits }, "Idempotency-Key: fits")).Expect(200);
        var refused = (await Ann.PostAsync("/v1/sized", new { size = fits + 1 }, "Idempotency-Key: too-large")).Expect(422, "answer-too-large");
        var again = (await Ann.PostAsync("/v1/sized", new { size = fits + 1 }, "Idempotency-Key: too-large")).Expect(422, "answer-too-large");

        (await Ann.PostAsync("/v1/sized", new { size = fits }, "Idempotency-Key: fits")).Expect(200).Text.ShouldBe(kept.Text);
        refused.Detail.ShouldContain("2000 bytes");
        ShouldBeFresh(again);
        (await MarksAsync($"sized {fits + 1}")).ShouldBe(0);
        (await fixture.Backend.CountAsync("mainstay.receipts where key = 'too-large'")).ShouldBe(0);
        (await Ann.PostAsync("/v1/sized", new { size = fits + 1 })).Expect(200);
        await using var larger = await TestBackend.StartAsync(fixture.Database, fixture.Declare);
        ShouldBeFresh((await larger.User("ann").PostAsync("/v1/sized", new { size = fits + 1 }, "Idempotency-Key: too-large")).Expect(200));
    }

    [Fact]
    public async Task Twelve_repetitions_of_an_expired_key_start_afresh_once()
    {
        async Task<Reply[]> TwelveAsync() => await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => Ann.PostAsync("/v1/marks", new { text = "expired" }, "Idempotency-Key: expired")));
        var first = await TwelveAsync();
        await fixture.Backend.ExecuteAsync("update mainstay.receipts set expires_at = mainstay.now() - interval '1 second' where key = 'expired'");

        var second = await TwelveAsync();

        second.Select(reply => reply.Expect(201).Id).Distinct().ShouldHaveSingleItem().ShouldNotBe(first[0].Id);
        second.Count(reply => reply.Header("Idempotency-Replayed") is null).ShouldBe(1);
        (await MarksAsync("expired")).ShouldBe(2);
    }

    [Fact]
    public async Task Anonymous_callers_neither_reserve_nor_reveal_keys()
    {
        const string key = "Idempotency-Key: stranger";
        var anyone = fixture.Backend.Anonymous;

        var first = (await anyone.PostAsync("/v1/counters", new { name = "a", value = 1 }, key)).Expect(201);
        var second = (await anyone.PostAsync("/v1/counters", new { name = "a", value = 1 }, key)).Expect(201);
        var other = (await anyone.PostAsync("/v1/counters", new { name = "b", value = 2 }, key)).Expect(201);
        (await fixture.Backend.CountAsync("mainstay.receipts where key = 'stranger'")).ShouldBe(0);
        var mine = (await Ann.PostAsync("/v1/counters", new { name = "a", value = 1 }, key)).Expect(201);
        var stranger = (await anyone.PostAsync("/v1/counters", new { name = "a", value = 1 }, key)).Expect(201);

        foreach (var reply in new[] { first, second, other, mine, stranger })
            ShouldBeFresh(reply);
        new[] { first, second, other, mine, stranger }.Select(reply => reply.Id).ShouldBeUnique();
        (await anyone.PostAsync("/v1/counters", new { name = "a", value = 1 }, "Idempotency-Key: \"open")).Expect(400, "invalid-idempotency-key");
    }

    [Fact]
    public async Task Settings_that_cannot_be_and_keys_that_nobody_could_have_stop_the_start()
    {
        (await TestBackend.RefuseAsync(fixture.Database, fixture.Declare, "--Mainstay:Idempotency:Lifetime=soon")).ShouldContain("MST2001");
        (await TestBackend.RefuseAsync(fixture.Database, fixture.Declare, "--Mainstay:Idempotency:Lifetime=00:00:10")).ShouldContain("365.00:00:00");
        var both = await TestBackend.RefuseAsync(fixture.Database, fixture.Declare, "--Mainstay:Idempotency:Lifetime=400.00:00:00", "--Mainstay:Idempotency:AnswerBytesMost=0");
        both.ShouldContain("Lifetime");
        both.ShouldContain("AnswerBytesMost");

        var refused = await TestBackend.RefuseAsync(fixture.Database, backend =>
        {
            backend.Resource<Mark>("/v1/marks").AllowWrite(Policy.Anyone).RequireIdempotencyKey();
            backend.Command("POST /v1/free", (Wanted input, UnitOfWork work) => { }).Allow(Policy.Anyone).RequireIdempotencyKey();
        });
        refused.ShouldContain("MST2007");
        refused.ShouldContain("POST /v1/free");
        refused.ShouldContain("POST /v1/marks:batch");
        (await TestBackend.RefuseAsync(fixture.Database, backend => backend.Query("GET /v1/free", () => 1).Allow(Policy.Anyone).RequireIdempotencyKey())).ShouldContain("MST2007");
    }
}

/// <summary>What a duplicate does while the first request is still running.</summary>
public sealed class WaitingDuplicateTests(KeyFixture fixture) : IClassFixture<KeyFixture>
{
    private const string Waiting = "select count(*) > 0 from pg_stat_activity where datname = current_database() and application_name = 'test-app' and wait_event_type = 'Lock'";

    private Caller Ann => fixture.Backend.User("ann");

    private async Task<(Task<Reply> First, Task<Reply> Second, CancellationTokenSource Client)> StartTwoAsync(string name)
    {
        fixture.Meeting = new Meeting();
        var mark = (await Ann.PostAsync("/v1/marks", new { text = "row" }, $"Idempotency-Key: row-{name}")).Expect(201).Id;
        var body = JsonSerializer.SerializeToUtf8Bytes(new { id = mark, text = name });
        var client = new CancellationTokenSource();
        var first = SendAsync(body, name, client.Token);
        await fixture.Meeting.Arrived.Task;
        var second = SendAsync(body, name, TestContext.Current.CancellationToken);
        await fixture.Backend.UntilAsync(Waiting);
        return (first, second, client);
    }

    private async Task<Reply> SendAsync(byte[] body, string key, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/hold") { Content = new ByteArrayContent(body) { Headers = { { "Content-Type", "application/json" } } } };
        request.Headers.TryAddWithoutValidation("Authorization", "Test ann;");
        request.Headers.TryAddWithoutValidation("Idempotency-Key", key);
        using var response = await fixture.Backend.Http.SendAsync(request, cancellation);
        return new Reply((int)response.StatusCode, await response.Content.ReadAsStringAsync(cancellation), response.Headers.ToDictionary(header => header.Key, header => string.Join(", ", header.Value), StringComparer.OrdinalIgnoreCase));
    }

    [Fact]
    public async Task When_the_first_fails_the_second_executes()
    {
        fixture.FailNext = 1;
        var runs = fixture.Runs.Count;
        var (first, second, _) = await StartTwoAsync("fails");

        fixture.Meeting.Leave.SetResult();

        // Its own failure, or the answer of the second, if that has ended when the first looks up what became of its key.
        var failed = await first;
        (failed.Status, failed.Header("Idempotency-Replayed")).ShouldBeOneOf((500, null), (204, "true"));
        (await second).Status.ShouldBe(204);
        (await second).Header("Idempotency-Replayed").ShouldBeNull();
        (fixture.Runs.Count - runs).ShouldBe(2);
        (await fixture.Backend.CountAsync("marks where text = 'fails'")).ShouldBe(1);
    }

    [Fact]
    public async Task When_the_first_client_goes_away_its_request_still_ends_and_the_second_gets_the_answer()
    {
        var (first, second, client) = await StartTwoAsync("goes");

        await client.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(first);
        fixture.Meeting.Leave.SetResult();

        (await second).Status.ShouldBe(204);
        (await second).Header("Idempotency-Replayed").ShouldBe("true");
        (await fixture.Backend.CountAsync("marks where text = 'goes'")).ShouldBe(1);
    }

    [Theory, InlineData(true), InlineData(false)]
    public async Task A_duplicate_waits_for_the_receipt_and_executes_or_replays_by_how_the_first_ends(bool commits)
    {
        var name = $"receipt-{commits}";
        await using var other = await fixture.Backend.ConnectAsync();
        await using var transaction = await other.BeginTransactionAsync(TestContext.Current.CancellationToken);
        var original = (await Ann.PostAsync("/v1/marks", new { text = name }, $"Idempotency-Key: {name}-original")).Expect(201);
        await using (var command = new Npgsql.NpgsqlCommand($"insert into mainstay.receipts select scope, '{name}', fingerprint, status, headers, body, expires_at from mainstay.receipts where key = '{name}-original'", other, transaction))
            await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);

        var waiting = Ann.PostAsync("/v1/marks", new { text = name }, $"Idempotency-Key: {name}");
        await fixture.Backend.UntilAsync(Waiting);
        if (commits)
            await transaction.CommitAsync(TestContext.Current.CancellationToken);
        else
            await transaction.RollbackAsync(TestContext.Current.CancellationToken);

        var reply = (await waiting).Expect(201);
        reply.Header("Idempotency-Replayed").ShouldBe(commits ? "true" : null);
        (reply.Id == original.Id).ShouldBe(commits);
        (await fixture.Backend.CountAsync($"marks where text = '{name}'")).ShouldBe(commits ? 1 : 2);
        await fixture.Backend.UntilAsync($"select not ({Waiting})");
    }
}
