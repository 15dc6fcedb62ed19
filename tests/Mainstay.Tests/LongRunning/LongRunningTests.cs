using System.Text.Json;

namespace Mainstay.Tests;

/// <summary>A backend with long-running commands on a database of its own.</summary>
public sealed class ReportsFixture(PostgresFixture postgres) : IAsyncLifetime
{
    internal TestBackend Backend { get; private set; } = null!;

    public ReportDesk Desk { get; } = new();

    internal Caller Ann => Backend.User("ann", "staff");

    public async ValueTask InitializeAsync() => Backend = await TestBackend.StartAsync(await postgres.CreateDatabaseAsync(), Reports.Declare(Desk), Reports.Quick);

    public ValueTask DisposeAsync() => Backend?.DisposeAsync() ?? ValueTask.CompletedTask;
}

public sealed class LongRunningTests(ReportsFixture reports) : IClassFixture<ReportsFixture>
{
    private TestBackend Backend => reports.Backend;

    private Caller Ann => reports.Ann;

    [Fact]
    public async Task A_command_is_accepted_at_once_and_its_result_is_found_at_the_operation()
    {
        var accepted = (await Ann.PostAsync("/v1/reports", new { title = "a report" }, "Request-Id: build-a-report")).Expect(202);
        var location = accepted.Header("Location")!;
        var ended = await Ann.EndedAsync(location);
        var result = (await Ann.GetAsync(location + "/result")).Expect(303);

        location.ShouldBe("/operations/" + accepted.Id);
        accepted.Id.ShouldStartWith("op_");
        accepted.Status().ShouldBe("pending");
        accepted.Header("Retry-After").ShouldBe("1");
        accepted.Header("Cache-Control").ShouldBe("no-store");
        accepted.Meta.GetProperty("requestId").GetString().ShouldBe("build-a-report");
        accepted.Data.EnumerateObject().Select(member => member.Name).ShouldBe(["id", "operation", "status", "createdAt", "startedAt", "endedAt", "cancelRequestedAt", "attempts", "result", "problem"]);
        ended.Status().ShouldBe("succeeded");
        ended.Data.GetProperty("operation").GetString().ShouldBe("POST /v1/reports");
        ended.Data.GetProperty("createdAt").GetString().ShouldBe(accepted.Data.GetProperty("createdAt").GetString());
        ended.Data.GetProperty("attempts").GetInt32().ShouldBe(1);
        ended.Data.GetProperty("problem").ValueKind.ShouldBe(JsonValueKind.Null);
        ended.Header("Retry-After").ShouldBeNull();
        var report = ended.Data.GetProperty("result").GetProperty("id").GetString();
        result.Header("Location").ShouldBe("/v1/reports/" + report);
        (await Ann.GetAsync(result.Header("Location")!)).Expect(200).Data.GetProperty("title").GetString().ShouldBe("a report");
        (await Backend.ScalarAsync<string>("select actor || ' ' || operation || ' ' || request_id from mainstay.audit where after->>'title' = 'a report'")).ShouldBe("ann POST /v1/reports build-a-report");
    }

    [Fact]
    public async Task The_time_an_operation_took_is_read_off_it()
    {
        var location = await Ann.BuildAsync("slow and timed");
        await reports.Desk.ArrivedAsync("slow and timed");
        var running = (await Ann.GetAsync(location)).Expect(200);
        reports.Desk.LetGo("slow and timed");
        var ended = await Ann.EndedAsync(location);

        running.Status().ShouldBe("running");
        running.Header("Retry-After").ShouldBe("1");
        DateTimeOffset Time(string name) => ended.Data.GetProperty(name).GetDateTimeOffset();
        Time("createdAt").ShouldBeLessThanOrEqualTo(Time("startedAt"));
        Time("startedAt").ShouldBeLessThan(Time("endedAt"));
    }

    [Fact]
    public async Task What_can_be_refused_at_once_is_refused_at_once_and_leaves_no_operation()
    {
        var before = await Backend.CountAsync("mainstay.operations");

        (await Ann.PostAsync("/v1/reports", new { title = 1, pages = 0 })).Expect(400, "validation-failed").Faults.ShouldBe(["#/title type", "#/pages range"]);
        (await Ann.PostAsync("/v1/reports", "{")).Expect(400, "malformed-json");
        (await Ann.PostAsync("/v1/reports", new { title = "x" }, "Content-Type: text/plain")).Expect(415);
        (await Ann.PostAsync("/v1/reports?color=red", new { title = "x" })).Expect(400, "invalid-parameter");
        (await Backend.User("eve", "customer").PostAsync("/v1/reports", new { title = "x" })).Expect(403);
        (await Backend.Anonymous.PostAsync("/v1/reports", new { title = "x" })).Expect(401);

        (await Backend.CountAsync("mainstay.operations")).ShouldBe(before);
    }

    [Fact]
    public async Task A_repetition_with_the_key_gets_the_same_operation_and_it_is_run_once()
    {
        var first = (await Ann.PostAsync("/v1/reports", new { title = "with a key" }, "Idempotency-Key: one")).Expect(202);
        var at_once = (await Ann.PostAsync("/v1/reports", new { title = "with a key" }, "Idempotency-Key: one")).Expect(202);
        await Ann.EndedAsync(first.Header("Location")!);
        var later = (await Ann.PostAsync("/v1/reports", new { title = "with a key" }, "Idempotency-Key: one")).Expect(202);

        foreach (var repetition in new[] { at_once, later })
        {
            repetition.Text.ShouldBe(first.Text);
            repetition.Header("Location").ShouldBe(first.Header("Location"));
            repetition.Header("Retry-After").ShouldBe(first.Header("Retry-After"));
            repetition.Header("Idempotency-Replayed").ShouldBe("true");
        }
        (await Ann.PostAsync("/v1/reports", new { title = "another" }, "Idempotency-Key: one")).Expect(422, "idempotency-key-reused");
        reports.Desk.Runs("with a key").ShouldBe(1);
        (await Backend.CountAsync("reports where title = 'with a key'")).ShouldBe(1);
    }

    [Fact]
    public async Task Many_repetitions_at_the_same_time_start_one_operation()
    {
        var replies = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => Ann.PostAsync("/v1/reports", new { title = "all at once" }, "Idempotency-Key: together")));

        replies.Select(reply => reply.Expect(202).Header("Location")).Distinct().Count().ShouldBe(1);
        await Ann.EndedAsync(replies[0].Header("Location")!);
        reports.Desk.Runs("all at once").ShouldBe(1);
    }

    [Fact]
    public async Task A_refusal_of_the_handler_is_kept_as_the_problem_and_nothing_was_changed()
    {
        var location = await Ann.BuildAsync("dull", "Request-Id: a-dull-request");
        var ended = await Ann.EndedAsync(location);
        var result = (await Ann.GetAsync(location + "/result")).Expect(422, "too-dull");

        ended.Status().ShouldBe("failed");
        ended.Data.GetProperty("result").ValueKind.ShouldBe(JsonValueKind.Null);
        ended.Data.GetProperty("problem").GetProperty("code").GetString().ShouldBe("too-dull");
        ended.Data.GetProperty("problem").GetProperty("requestId").GetString().ShouldBe("a-dull-request");
        ended.Data.GetProperty("problem").GetRawText().ShouldBe(result.Text);
        ended.Data.GetProperty("attempts").GetInt32().ShouldBe(1);
        (await Backend.CountAsync("reports where title = 'dull'")).ShouldBe(0);
    }

    [Fact]
    public async Task A_violated_constraint_fails_it_with_the_problem_that_a_short_command_would_give()
    {
        await Ann.EndedAsync(await Ann.BuildAsync("twice"));
        var location = await Ann.BuildAsync("twice");

        (await Ann.EndedAsync(location)).Status().ShouldBe("failed");
        (await Ann.GetAsync(location + "/result")).Expect(409, "already-exists");
    }

    [Fact]
    public async Task An_unexpected_exception_is_tried_again_and_then_tells_nothing_of_itself()
    {
        var location = await Ann.BuildAsync("broken");
        Reply ended = null!;
        await Waiting.UntilAsync(async () =>
        {
            await HurryAsync();
            return (ended = await Ann.GetAsync(location)).Status() == "failed";
        });

        reports.Desk.Runs("broken").ShouldBe(3);
        ended.Data.GetProperty("attempts").GetInt32().ShouldBe(3);
        ended.Data.GetProperty("problem").GetProperty("code").GetString().ShouldBe("internal-error");
        ended.Text.ShouldNotContain("paper");
        (await Ann.GetAsync(location + "/result")).Expect(500, "internal-error");
        (await Backend.CountAsync("reports where title = 'broken'")).ShouldBe(0);
        Backend.Logs.Lines.Count(line => line.Error?.Message == "The paper is stuck." && line.Text.Contains("POST /v1/reports", StringComparison.Ordinal)).ShouldBeGreaterThanOrEqualTo(3);
    }

    [Fact]
    public async Task A_failure_that_passes_leaves_one_effect()
    {
        var location = await Ann.BuildAsync("once broken");
        await Waiting.UntilAsync(async () =>
        {
            await HurryAsync();
            return (await Ann.GetAsync(location)).Status() == "succeeded";
        });

        (await Ann.GetAsync(location)).Data.GetProperty("attempts").GetInt32().ShouldBe(2);
        (await Backend.CountAsync("reports where title = 'once broken'")).ShouldBe(1);
    }

    [Fact]
    public async Task A_run_that_takes_longer_than_declared_is_ended_for_good()
    {
        var location = (await Ann.PostAsync("/v1/reports/late", null)).Expect(202).Header("Location")!;

        (await Ann.EndedAsync(location)).Status().ShouldBe("failed");
        (await Ann.GetAsync(location + "/result")).Expect(504, "deadline-exceeded");
    }

    [Fact]
    public async Task Input_from_path_query_and_body_and_the_roles_of_the_caller_reach_the_run()
    {
        var id = Id<Report>.New();
        var named = (await Ann.PostAsync($"/v1/reports/{id}/name", new { title = "Ä \" \\ 😀" })).Expect(202).Header("Location")!;
        var dropped = (await Ann.DeleteAsync($"/v1/reports/{id}/pages?really=true")).Expect(202).Header("Location")!;

        (await Ann.EndedAsync(named)).Data.GetProperty("result").GetString().ShouldBe("Ä \" \\ 😀");
        (await Ann.EndedAsync(dropped)).Status().ShouldBe("succeeded");
        (await Ann.GetAsync(named + "/result")).Expect(200).Data.GetString().ShouldBe("Ä \" \\ 😀");
        (await Ann.GetAsync(dropped + "/result")).Expect(204).Text.ShouldBe("");
        (await Backend.ScalarAsync<bool>("select bool_and(body is null) from mainstay.operations where ended_at is not null")).ShouldBeTrue();
    }

    [Fact]
    public async Task The_status_has_an_ETag_that_changes_with_it()
    {
        var location = await Ann.BuildAsync("slow with a tag");
        await reports.Desk.ArrivedAsync("slow with a tag");
        var running = (await Ann.GetAsync(location)).Expect(200);

        var unchanged = (await Ann.GetAsync(location, $"If-None-Match: {running.ETag}")).Expect(304);
        reports.Desk.LetGo("slow with a tag");
        var ended = await Ann.EndedAsync(location);

        unchanged.Text.ShouldBe("");
        unchanged.Header("Retry-After").ShouldBe("1");
        unchanged.ETag.ShouldBe(running.ETag);
        running.Header("Cache-Control")!.Split(", ").Order().ShouldBe(["no-cache", "private"]);
        ended.ETag.ShouldNotBe(running.ETag);
        (await Ann.GetAsync(location, $"If-None-Match: {running.ETag}")).Expect(200);
        (await Ann.SendAsync("HEAD", location, null)).Expect(200).ETag.ShouldBe(ended.ETag);
    }

    [Fact]
    public async Task Nobody_but_the_caller_who_started_it_sees_an_operation()
    {
        var location = await Ann.BuildAsync("slow and private");
        await reports.Desk.ArrivedAsync("slow and private");

        foreach (var stranger in new[] { Backend.User("bob", "staff"), Backend.User("an", "staff"), Backend.User("Ann", "staff") })
        {
            (await stranger.GetAsync(location)).Expect(404, "not-found");
            (await stranger.GetAsync(location + "/result")).Expect(404, "not-found");
            (await stranger.PostAsync(location + "/cancel", null)).Expect(404, "not-found");
        }
        (await Backend.Anonymous.GetAsync(location)).Expect(401);
        (await Ann.GetAsync(location)).Status().ShouldBe("running");
        reports.Desk.LetGo("slow and private");
        // The same caller with other roles is the same caller.
        (await Backend.User("ann").EndedAsync(location)).Status().ShouldBe("succeeded");
    }

    [Theory]
    [InlineData("op_01h455vb4pex5vsknk084sn02q")]
    [InlineData("op_01H455VB4PEX5VSKNK084SN02Q")]
    [InlineData("report_01h455vb4pex5vsknk084sn02q")]
    [InlineData("op_")]
    [InlineData("1")]
    public async Task An_id_that_no_operation_has_is_not_found(string id)
    {
        (await Ann.GetAsync($"/operations/{id}")).Expect(404, "not-found");
        (await Ann.GetAsync($"/operations/{id}/result")).Expect(404, "not-found");
        (await Ann.PostAsync($"/operations/{id}/cancel", null)).Expect(404, "not-found");
    }

    [Fact]
    public async Task The_addresses_take_no_parameters_and_no_other_methods()
    {
        var location = await Ann.BuildAsync("addressed");

        (await Ann.GetAsync(location + "?fields=id")).Expect(400, "invalid-parameter").Faults.ShouldBe(["fields unknown"]);
        (await Ann.PostAsync(location + "/cancel", new { now = true })).Expect(400, "malformed-request");
        (await Ann.DeleteAsync(location)).Expect(405).Header("Allow").ShouldBe("GET, HEAD, OPTIONS");
    }

    [Fact]
    public async Task The_result_of_an_unfinished_operation_is_to_be_asked_for_later()
    {
        var location = await Ann.BuildAsync("slow result");
        await reports.Desk.ArrivedAsync("slow result");

        (await Ann.GetAsync(location + "/result")).Expect(409, "operation-unfinished").Header("Retry-After").ShouldBe("1");

        reports.Desk.LetGo("slow result");
        await Ann.EndedAsync(location);
    }

    [Fact]
    public async Task Who_wants_to_wait_gets_the_final_answer_when_it_is_there_in_time()
    {
        var created = (await Ann.PostAsync("/v1/reports", new { title = "waited for" }, "Prefer: wait=20")).Expect(201);
        var refused = (await Ann.PostAsync("/v1/reports", new { title = "dull, waited for" }, "Prefer: wait=20")).Expect(422, "too-dull");

        created.Header("Preference-Applied").ShouldBe("wait=20");
        created.Header("Location").ShouldBe("/v1/reports/" + created.Id);
        created.Data.GetProperty("title").GetString().ShouldBe("waited for");
        refused.Header("Preference-Applied").ShouldBe("wait=20");
        (await Ann.GetAsync(created.Header("Location")!)).Expect(200).ETag.ShouldBe(created.ETag);
    }

    [Fact]
    public async Task Who_has_waited_in_vain_gets_the_operation()
    {
        var accepted = (await Ann.PostAsync("/v1/reports", new { title = "slow, waited for" }, "Prefer: respond-async, wait=1")).Expect(202);

        accepted.Header("Preference-Applied").ShouldBe("respond-async, wait=1");
        reports.Desk.LetGo("slow, waited for");
        (await Ann.EndedAsync(accepted.Header("Location")!)).Status().ShouldBe("succeeded");
    }

    [Fact]
    public async Task Nobody_waits_longer_than_a_request_may_take()
    {
        Reply accepted = null!;
        // On a busy machine its time may be over before it is accepted.
        await Waiting.UntilAsync(async () => (accepted = await Ann.PostAsync("/v1/reports/patient", null, "Prefer: wait=99999999")).Status != 504);
        accepted.Expect(202);

        accepted.Header("Preference-Applied").ShouldBeOneOf("wait=1", "wait=0");
        reports.Desk.LetGo("patient");
        await Ann.EndedAsync(accepted.Header("Location")!);
    }

    [Theory]
    [InlineData("respond-async", "respond-async")]
    [InlineData("Respond-Async; foo=1", "respond-async")]
    [InlineData("wait=0", "wait=0")]
    [InlineData("wait=-1", null)]
    [InlineData("handling=strict", null)]
    [InlineData("\"", null)]
    public async Task What_was_preferred_and_heeded_is_said(string prefer, string? applied)
    {
        var accepted = (await Ann.PostAsync("/v1/reports", new { title = $"slow {prefer}" }, $"Prefer: {prefer}")).Expect(202);

        accepted.Header("Preference-Applied").ShouldBe(applied);
        reports.Desk.LetGo($"slow {prefer}");
        await Ann.EndedAsync(accepted.Header("Location")!);
    }

    [Fact]
    public async Task Other_commands_ignore_the_preference_for_an_answer_at_once()
    {
        var answer = (await Ann.PostAsync("/v1/plain", null, "Prefer: respond-async, wait=5")).Expect(200);

        answer.Data.GetString().ShouldBe("plain");
        answer.Header("Preference-Applied").ShouldBeNull();
    }

    [Fact]
    public async Task An_operation_is_forgotten_a_day_after_its_end_and_not_before()
    {
        var location = await Ann.BuildAsync("soon forgotten");
        await Ann.EndedAsync(location);
        (await Backend.ScalarAsync<bool>($"select expires_at - ended_at between interval '23:59:59' and interval '24:00:01' from mainstay.operations where id = '{Reports.IdOf(location)}'")).ShouldBeTrue();

        await Backend.ExecuteAsync($"update mainstay.operations set expires_at = now() where id = '{Reports.IdOf(location)}'");

        (await Ann.GetAsync(location)).Expect(404, "not-found");
        (await Ann.GetAsync(location + "/result")).Expect(404, "not-found");
        (await Ann.PostAsync(location + "/cancel", null)).Expect(404, "not-found");
    }

    private Task HurryAsync() => Backend.ExecuteAsync("update mainstay.operations set due_at = now() where status = 'pending' and due_at > now()");
}
