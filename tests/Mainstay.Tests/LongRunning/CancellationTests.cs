namespace Mainstay.Tests;

public sealed class CancellationTests(ReportsFixture reports) : IClassFixture<ReportsFixture>
{
    private TestBackend Backend => reports.Backend;

    private Caller Ann => reports.Ann;

    [Fact]
    public async Task What_has_not_begun_is_cancelled_at_once_and_never_begins()
    {
        // Its second try stays far away.
        await Backend.ExecuteAsync("""
            create function postpone() returns trigger language plpgsql as 'begin new.due_at := now() + interval ''1 hour''; return new; end';
            create trigger postpones before update on mainstay.operations for each row when (old.status = 'running' and new.status = 'pending') execute function postpone()
            """);
        var location = await Ann.BuildAsync("broken before");
        await Waiting.UntilAsync(async () => (await Ann.GetAsync(location)).Data is var data && data.GetProperty("attempts").GetInt32() == 1 && data.GetProperty("status").GetString() == "pending");

        // It waits for its second try.
        var cancelled = (await Ann.PostAsync(location + "/cancel", null, "Idempotency-Key: cancel-once")).Expect(200);

        cancelled.Status().ShouldBe("cancelled");
        (await Ann.PostAsync(location + "/cancel", null, "Idempotency-Key: cancel-once")).Expect(200).Text.ShouldBe(cancelled.Text);
        (await Ann.PostAsync(location + "/cancel", null)).Expect(409, "operation-ended");
        (await Ann.GetAsync(location + "/result")).Expect(409, "operation-cancelled").Header("Retry-After").ShouldBeNull();
        (await Ann.GetAsync(location)).Data.GetProperty("endedAt").GetString().ShouldNotBeNull();
        reports.Desk.Runs("broken before").ShouldBe(1);
    }

    [Fact]
    public async Task A_running_handler_is_cancelled_and_what_it_did_is_rolled_back()
    {
        var location = await Ann.BuildAsync("slow to cancel");
        await reports.Desk.ArrivedAsync("slow to cancel");

        var accepted = (await Ann.PostAsync(location + "/cancel", null)).Expect(202);
        var ended = await Ann.EndedAsync(location);

        accepted.Header("Location").ShouldBe(location);
        accepted.Status().ShouldBe("running");
        accepted.Data.GetProperty("cancelRequestedAt").GetString().ShouldNotBeNull();
        ended.Status().ShouldBe("cancelled");
        (await Ann.GetAsync(location + "/result")).Expect(409, "operation-cancelled");
        (await Backend.CountAsync("reports where title = 'slow to cancel'")).ShouldBe(0);
        (await Backend.CountAsync("mainstay.audit where after->>'title' = 'slow to cancel'")).ShouldBe(0);
    }

    [Fact]
    public async Task Conditions_are_neither_lost_on_the_way_to_a_run_nor_ignored_by_its_cancellation()
    {
        var body = new { title = "conditional" };
        (await Ann.PostAsync("/v1/reports", body, "If-Match: \"v1\"")).Expect(412, "precondition-failed");
        (await Ann.PostAsync("/v1/reports", body, "If-Unmodified-Since: Sat, 31 Jan 2026 09:30:00 GMT")).Expect(412, "precondition-failed");
        (await Backend.CountAsync("reports where title = 'conditional'")).ShouldBe(0);

        var location = await Ann.BuildAsync("slow to be cancelled on a condition");
        await reports.Desk.ArrivedAsync("slow to be cancelled on a condition");
        (await Ann.PostAsync(location + "/cancel", null, "If-Match: \"other\"")).Expect(412, "precondition-failed");
        (await Ann.PostAsync(location + "/cancel", null, "If-Unmodified-Since: Sat, 31 Jan 2026 09:30:00 GMT")).Expect(428, "precondition-required");
        (await Ann.GetAsync(location)).Expect(200).Data.GetProperty("cancelRequestedAt").ValueKind.ShouldBe(System.Text.Json.JsonValueKind.Null);

        (await Ann.PostAsync(location + "/cancel", null)).Expect(202);
        (await Ann.EndedAsync(location)).Status().ShouldBe("cancelled");
    }

    [Fact]
    public async Task A_handler_that_does_not_listen_cannot_commit_any_more()
    {
        var location = await Ann.BuildAsync("deaf to cancel");
        await reports.Desk.ArrivedAsync("deaf to cancel");

        (await Ann.PostAsync(location + "/cancel", null)).Expect(202);
        (await Ann.PostAsync(location + "/cancel", null)).Expect(202);
        (await Ann.GetAsync(location)).Status().ShouldBe("running");
        reports.Desk.LetGo("deaf to cancel");

        (await Ann.EndedAsync(location)).Status().ShouldBe("cancelled");
        (await Backend.CountAsync("reports where title = 'deaf to cancel'")).ShouldBe(0);
    }

    [Fact]
    public async Task What_has_ended_is_not_cancelled()
    {
        var succeeded = await Ann.BuildAsync("too late to cancel");
        var failed = await Ann.BuildAsync("dull, too late");
        await Ann.EndedAsync(succeeded);
        await Ann.EndedAsync(failed);

        (await Ann.PostAsync(succeeded + "/cancel", null)).Expect(409, "operation-ended").Detail.ShouldContain("succeeded");
        (await Ann.PostAsync(failed + "/cancel", null)).Expect(409, "operation-ended").Detail.ShouldContain("failed");
        (await Ann.GetAsync(succeeded)).Status().ShouldBe("succeeded");
    }

    [Fact]
    public async Task Whoever_waits_for_what_is_cancelled_meanwhile_is_told()
    {
        var waiting = Ann.PostAsync("/v1/reports", new { title = "slow, waited and cancelled" }, "Prefer: wait=20");
        await reports.Desk.ArrivedAsync("slow, waited and cancelled");
        var id = await Backend.ScalarAsync<Guid>("select id from mainstay.operations where status = 'running' and convert_from(body, 'UTF8') like '%waited and cancelled%'");

        (await Ann.PostAsync($"/operations/{Internal.TypeId.Format("op", id)}/cancel", null)).Expect(202);

        (await waiting).Expect(409, "operation-cancelled");
    }
}
