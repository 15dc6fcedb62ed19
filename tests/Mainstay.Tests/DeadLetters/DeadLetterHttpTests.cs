namespace Mainstay.Tests;

/// <summary>Dead letters over HTTP, for operators. Each test has its own database.</summary>
public sealed class DeadLetterHttpTests(PostgresFixture postgres)
{
    [Fact]
    public async Task Without_operators_there_is_nothing_under_internal()
    {
        await using var backend = await StartAsync(null);

        (await backend.User("ann", "operator").GetAsync("/internal/dead-letters")).Expect(404, "not-found");
    }

    [Fact]
    public async Task Only_operators_are_admitted()
    {
        await using var backend = await StartAsync(Policy.Role("operator"));

        (await backend.Anonymous.GetAsync("/internal/dead-letters")).Expect(401, "unauthenticated");
        (await backend.User("ann", "customer").GetAsync("/internal/dead-letters")).Expect(403, "forbidden");
        (await backend.User("ann", "customer").PostAsync("/internal/redrives", new { why = "x" })).Expect(403, "forbidden");
        (await backend.User("ann", "operator").GetAsync("/internal/dead-letters")).Expect(200).Data.GetArrayLength().ShouldBe(0);
        (await backend.Anonymous.GetAsync("/openapi.json")).Expect(200).Text.ShouldNotContain("internal/");
    }

    [Fact]
    public async Task Operators_that_could_be_anybody_refuse_the_start()
    {
        var connectionString = await postgres.CreateDatabaseAsync();

        (await TestBackend.RefuseAsync(connectionString, backend => backend.AllowOperators(Policy.Anyone))).ShouldContain("MST2520");
        (await TestBackend.RefuseAsync(connectionString, backend => backend.AllowOperators(Policy.For<Order>((order, user) => order.Owner == user.Id)))).ShouldContain("MST1308");
    }

    [Fact]
    public async Task An_operator_finds_mends_and_redrives_a_letter()
    {
        await using var backend = await StartAsync(Policy.Role("operator"));
        var ann = backend.User("ann", "operator");
        await BuryAsync(backend, 45, "Broken mail.");
        await BuryAsync(backend, 1, "Other.");

        var all = await ann.WalkAsync("/internal/dead-letters?pageSize=20&error=MAIL&handler=write&reason=failed&from=2026-01-01T00:00:00Z");
        var id = all[0].GetProperty("id").GetString();
        var letter = (await ann.GetAsync($"/internal/dead-letters/{id}")).Expect(200);
        (await ann.PostAsync($"/internal/dead-letters/{id}/redrive", new { why = "mended", payload = new { txt = 1 } })).Expect(400, "validation-failed").Faults.ShouldBe(["#/payload/txt unknown", "#/payload/text required"]);
        (await ann.PostAsync($"/internal/dead-letters/{id}/redrive", new { why = " " })).Expect(400, "validation-failed").Faults.ShouldBe(["#/why pattern"]);
        var redriven = (await ann.PostAsync($"/internal/dead-letters/{id}/redrive", new { why = "mended", payload = new { text = "new" } }, "Idempotency-Key: \"k1\"")).Expect(200);
        await backend.UntilAsync("select exists (select from effects where text = 'new')");
        var again = (await ann.PostAsync($"/internal/dead-letters/{id}/redrive", new { why = "mended", payload = new { text = "new" } }, "Idempotency-Key: \"k1\"")).Expect(200);

        all.Count.ShouldBe(45);
        letter.Data.GetProperty("payload").GetProperty("text").GetString().ShouldBe("x");
        letter.Data.GetProperty("errors")[0].GetProperty("error").GetString().ShouldBe("Broken mail.");
        redriven.Data.GetProperty("isRedriven").GetBoolean().ShouldBeTrue();
        again.Text.ShouldBe(redriven.Text);
        (await ann.PostAsync($"/internal/dead-letters/{id}/redrive", new { why = "once more" })).Expect(404, "not-found");
        (await backend.ScalarAsync<string>("select operation || ' ' || actor || ' ' || (after ->> 'why') from mainstay.audit where resource = 'mainstay.jobs_dead'")).ShouldBe("POST /internal/dead-letters/{id}/redrive ann mended");
        (await backend.CountAsync("effects")).ShouldBe(1);
    }

    [Fact]
    public async Task A_letter_that_is_open_again_already_is_no_mistake()
    {
        await using var backend = await StartAsync(Policy.Role("operator"));
        var ann = backend.User("ann", "operator");
        await BuryAsync(backend, 1, "Broken.", "nobody declares this");
        var id = await backend.ScalarAsync<Guid>("select id from mainstay.jobs_dead");

        (await ann.PostAsync($"/internal/dead-letters/{id}/redrive", new { why = "x" })).Expect(200).Data.GetProperty("isRedriven").GetBoolean().ShouldBeTrue();
        (await ann.PostAsync($"/internal/dead-letters/{id}/redrive", new { why = "x" })).Expect(200).Data.GetProperty("isRedriven").GetBoolean().ShouldBeFalse();

        (await backend.CountAsync("mainstay.jobs")).ShouldBe(1);
    }

    [Fact]
    public async Task A_redrive_of_many_is_previewed_begun_followed_and_stopped()
    {
        await using var backend = await StartAsync(Policy.Role("operator"));
        var ann = backend.User("ann", "operator");
        await BuryAsync(backend, 30, "Broken mail.");

        var preview = (await ann.GetAsync("/internal/redrives/preview?error=mail")).Expect(200).Data;
        var begun = (await ann.PostAsync("/internal/redrives", new { handler = "write", error = "mail", perSecond = 1, why = "the mailer is back" })).Expect(200);
        await backend.UntilAsync("select redriven > 0 from mainstay.redrives");
        var stopped = (await ann.PostAsync($"/internal/redrives/{begun.Id}/stop", new { why = "too early" })).Expect(200).Data;

        preview.GetProperty("count").GetInt32().ShouldBe(30);
        preview.GetProperty("groups")[0].GetProperty("handler").GetString().ShouldBe("write");
        preview.GetProperty("sample").GetArrayLength().ShouldBe(10);
        begun.Data.GetProperty("found").GetInt32().ShouldBe(30);
        begun.Data.GetProperty("startedBy").GetString().ShouldBe("ann");
        stopped.GetProperty("status").GetString().ShouldBe("stopped");
        (await ann.GetAsync($"/internal/redrives/{begun.Id}")).Expect(200).Data.GetProperty("redriven").GetInt32().ShouldBeLessThan(30);
        (await ann.GetAsync("/internal/redrives")).Expect(200).Data.GetArrayLength().ShouldBe(1);
        (await ann.PostAsync("/internal/redrives", new { perSecond = 0, why = "x" })).Expect(400, "validation-failed").Faults.ShouldBe(["#/perSecond range"]);
        (await ann.GetAsync($"/internal/redrives/{Guid.CreateVersion7()}")).Expect(404, "not-found");
    }

    [Fact]
    public async Task Letters_are_discarded_and_restored_one_by_one_and_by_filter()
    {
        await using var backend = await StartAsync(Policy.Role("operator"));
        var ann = backend.User("ann", "operator");
        await BuryAsync(backend, 4, "Broken.");
        var id = await backend.ScalarAsync<Guid>("select id from mainstay.jobs_dead limit 1");

        (await ann.PostAsync($"/internal/dead-letters/{id}/discard", new { why = "not wanted" })).Expect(200).Data.GetProperty("discardedAt").GetString().ShouldNotBeNull();
        (await ann.PostAsync($"/internal/dead-letters/{id}/restore", new { why = "wanted" })).Expect(200).Data.GetProperty("discardedAt").GetString().ShouldBeNull();
        (await ann.PostAsync("/internal/dead-letters/discard", new { handler = "write", why = "none wanted" })).Expect(200).Data.GetProperty("count").GetInt32().ShouldBe(4);
        (await ann.GetAsync("/internal/dead-letters")).Expect(200).Data.GetArrayLength().ShouldBe(0);
        (await ann.GetAsync("/internal/dead-letters?discarded=true")).Expect(200).Data.GetArrayLength().ShouldBe(4);
        (await ann.PostAsync("/internal/dead-letters/restore", new { why = "all wanted" })).Expect(200).Data.GetProperty("count").GetInt32().ShouldBe(4);
        (await ann.PostAsync($"/internal/dead-letters/{Guid.CreateVersion7()}/discard", new { why = "x" })).Expect(404, "not-found");
    }

    [Fact]
    public async Task Operators_ask_whether_the_queues_are_as_they_must_be()
    {
        await using var backend = await StartAsync(Policy.Role("operator"));
        var ann = backend.User("ann", "operator");
        (await backend.User("ann", "customer").GetAsync("/internal/queues/verify")).Expect(403, "forbidden");

        var sound = (await ann.GetAsync("/internal/queues/verify")).Expect(200).Data;
        await backend.ExecuteAsync("alter table mainstay.jobs drop constraint jobs_due_check; insert into mainstay.jobs (id, handler, state, payload) values (gen_random_uuid(), 'elsewhere', 2, '{}')");
        var unsound = (await ann.GetAsync("/internal/queues/verify")).Expect(200).Data;

        sound.GetProperty("isSound").GetBoolean().ShouldBeTrue();
        unsound.GetProperty("isSound").GetBoolean().ShouldBeFalse();
        unsound.GetProperty("findings")[0].GetProperty("check").GetString().ShouldBe("due-time-of-delayed");
        unsound.GetProperty("findings")[0].GetProperty("nextStep").GetString().ShouldNotBeNullOrEmpty();
    }

    [Fact]
    public async Task A_cursor_belongs_to_its_filters()
    {
        await using var backend = await StartAsync(Policy.Role("operator"));
        var ann = backend.User("ann", "operator");
        await BuryAsync(backend, 3, "Broken.");
        var cursor = (await ann.GetAsync("/internal/dead-letters?pageSize=1")).Expect(200).Meta.GetProperty("nextCursor").GetString();

        (await ann.GetAsync($"/internal/dead-letters?pageSize=2&cursor={cursor}")).Expect(200).Data.GetArrayLength().ShouldBe(2);
        (await ann.GetAsync($"/internal/dead-letters?handler=write&cursor={cursor}")).Expect(400, "invalid-cursor");
        (await ann.GetAsync("/internal/dead-letters?cursor=abc")).Expect(400, "invalid-cursor");
        (await ann.GetAsync("/internal/dead-letters?handlr=write&pageSize=101")).Expect(400, "invalid-parameter").Faults.ShouldBe(["handlr unknown", "pageSize range"]);
    }

    private async Task<TestBackend> StartAsync(Policy? operators)
    {
        var connectionString = await postgres.CreateDatabaseAsync();
        var started = await TestBackend.StartAsync(connectionString, backend =>
        {
            TestSignIn.AddTo(backend);
            if (operators is not null)
                backend.AllowOperators(operators);
            backend.Job<Write>("write", (Write job, UnitOfWork work) => work.ExecuteAsync($"insert into effects (text) values ({job.Text})"));
        }, "--Mainstay:Queues:PollInterval", "00:00:00.1");
        await started.ExecuteAsync("create table effects (text text not null)");
        return started;
    }

    private static Task BuryAsync(TestBackend backend, int count, string error, string handler = "write") => backend.ExecuteAsync($$"""
        insert into mainstay.jobs_dead (id, handler, attempt, crashes, fence, created_at, dead_at, reason, payload, errors)
        select gen_random_uuid(), '{{handler}}', 1, 0, 1, now(), now() - interval '1 minute', 'failed', '{"text":"x"}', jsonb_build_array(jsonb_build_object('attempt', 1, 'at', now(), 'error', '{{error}}'))
        from generate_series(1, {{count}})
        """);

    private sealed record Write(string Text);

    private sealed record Order(Id<Order> Id, string Owner);
}
