using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Mainstay.Tests;

public record Counter(Id<Counter> Id, [MaxLength(40)] string Name, int Value);

public record CounterChange(Id<Counter> Id, int By = 1);

public record TwoCounters(Id<Counter> First, Id<Counter> Second);

public record Wanted(string Name, int Limit = 10);

public record Changed(Id<Counter> CounterId);

public sealed class Greeter
{
    public string Greet(string name) => $"Hello, {name}.";
}

/// <summary>A place where handlers and tests meet.</summary>
public sealed class Meeting
{
    public TaskCompletionSource Arrived { get; set; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public TaskCompletionSource Leave { get; set; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task MeetAsync(CancellationToken cancellation)
    {
        Arrived.TrySetResult();
        return Leave.Task.WaitAsync(cancellation);
    }
}

public sealed class OperationFixture(PostgresFixture postgres) : IAsyncLifetime
{
    internal TestBackend Backend { get; private set; } = null!;

    internal Meeting Meeting { get; } = new();

    public async ValueTask InitializeAsync() => Backend = await TestBackend.StartAsync(await postgres.CreateDatabaseAsync() + ";Application Name=test-app", backend =>
    {
        TestSignIn.AddTo(backend);
        backend.Services.AddSingleton<Greeter>().AddSingleton(Meeting);
        var tooMuch = backend.Problem("too-much", 422, "Too much");
        backend.Resource<Counter>("/v1/counters").Unique(counter => counter.Name).Filterable(counter => counter.Value).AllowRead(Policy.Anyone).AllowWrite(Policy.Anyone);
        backend.Event<Changed>("counter.changed");
        backend.On("ignore", (Changed changed, UnitOfWork work) => Task.CompletedTask);
        backend.Command("POST /v1/counters/{id}/add", async (CounterChange input, UnitOfWork work) =>
        {
            var counter = await work.RequireAsync(input.Id);
            if (counter.Value + input.By > 1000)
                throw tooMuch.Because($"{counter.Value} and {input.By} are more than 1000.");
            counter = counter with { Value = counter.Value + input.By };
            work.Update(counter);
            return counter;
        }).Allow(Policy.Anyone).Refuses(tooMuch);
        backend.Command("POST /v1/counters/swap", async (TwoCounters input, UnitOfWork work, Meeting meeting) =>
        {
            var first = await work.LockAsync(input.First);
            await meeting.MeetAsync(work.Cancellation);
            var second = await work.LockAsync(input.Second);
            work.Update(first with { Value = second.Value });
            work.Update(second with { Value = first.Value });
        }).Allow(Policy.Anyone);
        backend.Command("POST /v1/counters/{id}/sum", async (CounterChange input, UnitOfWork work) =>
        {
            var sum = await work.QueryAsync<long>($"select coalesce(sum(value), 0)::bigint from counters where name like 'serial%'");
            var counter = await work.RequireAsync(input.Id);
            work.Update(counter with { Value = (int)sum[0] + 1 });
            return sum[0];
        }).Allow(Policy.Anyone).Isolation(System.Data.IsolationLevel.Serializable);
        backend.Command("POST /v1/slow", async (Wanted input, UnitOfWork work) =>
        {
            work.Insert(new Counter(Id<Counter>.New(), input.Name, 1));
            work.Publish(new Changed(Id<Counter>.New()));
            await work.QueryAsync<string>($"select pg_sleep(5)::text");
        }).Allow(Policy.Anyone).Timeout(TimeSpan.FromMilliseconds(300));
        backend.Command("POST /v1/slow-in-process", async (Wanted input, UnitOfWork work) =>
        {
            work.Insert(new Counter(Id<Counter>.New(), input.Name, 1));
            await Task.Delay(TimeSpan.FromSeconds(5), work.Cancellation);
        }).Allow(Policy.Anyone).Timeout(TimeSpan.FromMilliseconds(200));
        backend.Command("POST /v1/impatient", async (CounterChange input, UnitOfWork work) =>
        {
            await work.LockAsync(input.Id);
        }).Allow(Policy.Anyone).Timeout(TimeSpan.FromSeconds(1));
        backend.Command("POST /v1/broken", async (Wanted input, UnitOfWork work) =>
        {
            work.Insert(new Counter(Id<Counter>.New(), input.Name, 1));
            work.Publish(new Changed(Id<Counter>.New()));
            await work.QueryAsync<int>($"select 1");
            throw new InvalidOperationException("secret 4711 in table counters");
        }).Allow(Policy.Anyone);
        backend.Command("POST /v1/broken-sql", async (Wanted input, UnitOfWork work) => await work.ExecuteAsync($"insert into nowhere values ({input.Name})")).Allow(Policy.Anyone);
        backend.Command("POST /v1/meet", async (Wanted input, UnitOfWork work, Meeting meeting) =>
        {
            work.Insert(new Counter(Id<Counter>.New(), input.Name, 1));
            await work.QueryAsync<int>($"select 1");
            await meeting.MeetAsync(work.Cancellation);
        }).Allow(Policy.Anyone);
        backend.Command("PUT /v1/greetings/{name}", (Wanted input, UnitOfWork work, Greeter greeter, CancellationToken cancellation) => new { text = greeter.Greet(input.Name), input.Limit }).Allow(Policy.Anyone);
        backend.Command("DELETE /v1/greetings/{name}", (Wanted input, UnitOfWork work) => { }).Allow(Policy.Anyone);
        backend.Query("GET /v1/greetings/{name}", (Wanted input, Greeter greeter) => new { text = greeter.Greet(input.Name), input.Limit }).Allow(Policy.Anyone);
        backend.Query("GET /v1/names", (Snapshot snapshot) => snapshot.QueryAsync<string?>($"select * from (values ('a'), (null), ('b')) as t (name)")).Allow(Policy.Anyone);
        backend.Query("GET /v1/counters/{id}/find", (CounterChange input, Snapshot snapshot) => snapshot.FindAsync(input.Id)).Allow(Policy.Anyone);
        backend.Query("GET /v1/slow", (Snapshot snapshot) => snapshot.QueryAsync<string>($"select pg_sleep(5)::text")).Allow(Policy.Anyone).Timeout(TimeSpan.FromMilliseconds(200));
        backend.Query("GET /v1/row-counts", (Snapshot snapshot) => snapshot.QueryAsync<long>($"select count(*) from counters")).Allow(Policy.Anyone);
    });

    public ValueTask DisposeAsync() => Backend?.DisposeAsync() ?? ValueTask.CompletedTask;
}

public sealed class OperationTests(OperationFixture fixture) : IClassFixture<OperationFixture>
{
    private static int _number;

    private TestBackend Backend => fixture.Backend;

    private Caller Anyone => fixture.Backend.Anonymous;

    private static string Name(string what) => $"{what} {Interlocked.Increment(ref _number)}";

    private async Task<string> CounterAsync(string? name = null, int value = 0) => (await Anyone.PostAsync("/v1/counters", new { name = name ?? Name("counter"), value })).Expect(201).Id;

    private async Task<int> ValueAsync(string id) => (await Anyone.GetAsync("/v1/counters/" + id)).Expect(200).Data.GetProperty("value").GetInt32();

    private async Task<bool> LeftNothingAsync(string name) =>
        await Backend.CountAsync($"counters where name = '{name}'") == 0 && await Backend.CountAsync($"mainstay.audit where after ->> 'name' = '{name}'") == 0
        && await Backend.CountAsync("mainstay.jobs") == 0;

    [Fact]
    public async Task Input_comes_from_route_query_and_body_and_services_from_the_application()
    {
        (await Anyone.PutAsync("/v1/greetings/Ada", new { limit = 3 })).Expect(200).Data.GetRawText().ShouldBe("""{"text":"Hello, Ada.","limit":3}""");
        (await Anyone.PutAsync("/v1/greetings/%C3%84da", "{}")).Expect(200).Data.GetRawText().ShouldBe("""{"text":"Hello, Äda.","limit":10}""");
        (await Anyone.GetAsync("/v1/greetings/Ada?limit=4")).Expect(200).Data.GetRawText().ShouldBe("""{"text":"Hello, Ada.","limit":4}""");
        (await Anyone.GetAsync("/v1/greetings/Ada?limit=x&limt=1")).Expect(400, "invalid-parameter").Faults.ShouldBe(["limt unknown", "limit type"]);
        (await Anyone.GetAsync("/v1/greetings/Ada?name=Eve")).Expect(400, "invalid-parameter").Faults.ShouldBe(["name unknown"]);
        (await Anyone.PutAsync("/v1/greetings/Ada?limit=4", "{}")).Expect(400, "invalid-parameter");
        (await Anyone.PutAsync("/v1/greetings/Ada", new { name = "Eve" })).Expect(400, "validation-failed").Faults.ShouldBe(["#/name readOnly"]);
        (await Anyone.PostAsync("/v1/counters/nonsense/add", "{}")).Expect(404, "not-found");
    }

    [Fact]
    public async Task Results_are_200_204_404_or_a_list()
    {
        (await Anyone.DeleteAsync("/v1/greetings/Ada")).Expect(204).Text.ShouldBeEmpty();
        var id = await CounterAsync();
        var added = (await Anyone.PostAsync($"/v1/counters/{id}/add", "{}")).Expect(200);
        added.ETag.ShouldStartWith("\"v2-");
        added.Header("Location").ShouldBeNull();
        (await Anyone.PatchAsync("/v1/counters/" + id, """{"value":5}""", "If-Match: " + added.ETag)).Expect(200);
        (await Anyone.GetAsync($"/v1/counters/{id}/find")).Expect(200);
        (await Anyone.GetAsync("/v1/counters/counter_01h455vb4pex5vsknk084sn02q/find")).Expect(404, "not-found");
        (await Anyone.PostAsync("/v1/counters/counter_01h455vb4pex5vsknk084sn02q/add", "{}")).Expect(404, "not-found");
        var names = (await Anyone.GetAsync("/v1/names")).Expect(200);
        names.Data.GetRawText().ShouldBe("""["a",null,"b"]""");
        names.Meta.GetRawText().ShouldBe("""{"count":3}""");
    }

    [Fact]
    public async Task A_refusal_has_its_code_its_status_and_no_effect()
    {
        var id = await CounterAsync(value: 990);

        var refused = (await Anyone.PostAsync($"/v1/counters/{id}/add", new { by = 11 })).Expect(422, "too-much");

        refused.Json.GetProperty("title").GetString().ShouldBe("Too much");
        refused.Detail.ShouldBe("990 and 11 are more than 1000.");
        (await ValueAsync(id)).ShouldBe(990);
    }

    [Fact]
    public async Task Changes_without_a_lock_are_never_lost()
    {
        var id = await CounterAsync();

        var replies = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => Anyone.PostAsync($"/v1/counters/{id}/add", "{}")));

        (await ValueAsync(id)).ShouldBe(replies.Count(reply => reply.Status == 200));
        replies.ShouldAllBe(reply => reply.Status == 200 || reply.Status == 409);
        replies.Count(reply => reply.Status == 200).ShouldBeGreaterThan(5);
    }

    [Fact]
    public async Task A_serialization_failure_is_retried()
    {
        var ids = new List<string>();
        for (var i = 0; i < 4; i++)
            ids.Add(await CounterAsync(Name("serial")));

        var replies = await Task.WhenAll(ids.Select(id => Anyone.PostAsync($"/v1/counters/{id}/sum", "{}")));

        // One after the other the sums are 0, 1, 3, 7; anything else would be a write skew.
        replies.Select(reply => reply.Expect(200).Data.GetInt64()).Order().ShouldBe([0, 1, 3, 7]);
    }

    [Fact]
    public async Task A_deadlock_is_retried()
    {
        var (one, two) = (await CounterAsync(value: 1), await CounterAsync(value: 2));
        fixture.Meeting.Leave = new(TaskCreationOptions.RunContinuationsAsynchronously);
        fixture.Meeting.Arrived = new(TaskCreationOptions.RunContinuationsAsynchronously);
        var first = Anyone.PostAsync("/v1/counters/swap", new { first = one, second = two });
        await fixture.Meeting.Arrived.Task;
        fixture.Meeting.Arrived = new(TaskCreationOptions.RunContinuationsAsynchronously);
        var second = Anyone.PostAsync("/v1/counters/swap", new { first = two, second = one });
        await fixture.Meeting.Arrived.Task;
        fixture.Meeting.Leave.SetResult();

        (await first).Expect(204);
        (await second).Expect(204);

        (await ValueAsync(one), await ValueAsync(two)).ShouldBe((1, 2));
    }

    [Theory]
    [InlineData("/v1/slow")]
    [InlineData("/v1/slow-in-process")]
    public async Task Past_its_deadline_a_command_is_504_and_nothing_is_committed(string path)
    {
        var name = Name("slow");

        (await Anyone.PostAsync(path, new { name }, "Idempotency-Key: " + name.Replace(' ', '-'))).Expect(504, "deadline-exceeded");

        (await LeftNothingAsync(name)).ShouldBeTrue();
        (await Anyone.GetAsync("/v1/slow")).Expect(504, "deadline-exceeded");
        // Not at once: the dispatcher, too, is in a transaction for a moment whenever it looks for messages.
        await Backend.UntilAsync("select not exists (select from pg_stat_activity where datname = current_database() and application_name = 'test-app' and state like 'idle in%')");
    }

    [Fact]
    public async Task A_wait_for_a_locked_row_ends_in_409_or_504_and_leaves_the_connection_usable()
    {
        var id = await CounterAsync();
        await using (var other = await Backend.ConnectAsync())
        {
            await using var transaction = await other.BeginTransactionAsync(TestContext.Current.CancellationToken);
            await using (var command = new Npgsql.NpgsqlCommand("select 1 from counters for update", other, transaction))
                await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);

            var replies = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Anyone.PostAsync("/v1/impatient", new { id })));

            replies.ShouldAllBe(reply => reply.Status == 409 || reply.Status == 504);
            replies.Where(reply => reply.Status == 409).ShouldAllBe(reply => reply.Code == "concurrent-update" && reply.Header("Retry-After") == "1");
            (await Anyone.GetAsync("/v1/counters/" + id)).Expect(200);
        }
        (await Anyone.PostAsync("/v1/impatient", new { id })).Expect(204);
        // Not at once: the dispatcher, too, is in a transaction for a moment whenever it looks for messages.
        await Backend.UntilAsync("select not exists (select from pg_stat_activity where datname = current_database() and application_name = 'test-app' and state like 'idle in%')");
    }

    [Fact]
    public async Task A_handler_that_fails_is_a_500_without_details_whose_log_has_them_all()
    {
        var name = Name("broken");

        var reply = (await Anyone.PostAsync("/v1/broken", new { name }, "Request-Id: broken-0001")).Expect(500, "internal-error");

        reply.Text.ShouldNotContain("4711");
        reply.Text.ShouldNotContain("Exception");
        reply.Text.ShouldContain("broken-0001");
        var line = Backend.Logs.Lines.Single(line => line.Error is not null && line.Text.Contains("broken-0001", StringComparison.Ordinal));
        line.Level.ShouldBe(LogLevel.Error);
        line.Error.ShouldBeOfType<InvalidOperationException>().Message.ShouldBe("secret 4711 in table counters");
        line.Error!.StackTrace!.ShouldContain(nameof(OperationFixture));
        (await LeftNothingAsync(name)).ShouldBeTrue();
    }

    [Fact]
    public async Task A_statement_that_is_wrong_is_a_500_without_details_whose_log_has_them_all()
    {
        var reply = (await Anyone.PostAsync("/v1/broken-sql", new { name = "x" }, "Request-Id: broken-0002")).Expect(500, "internal-error");

        reply.Text.ShouldNotContain("nowhere");
        Backend.Logs.Lines.Single(line => line.Error is not null && line.Text.Contains("broken-0002", StringComparison.Ordinal)).Error.ShouldBeOfType<Npgsql.PostgresException>().MessageText.ShouldContain("nowhere");
    }

    [Fact]
    public async Task Connections_that_the_server_has_ended_are_not_noticed_by_any_caller()
    {
        var id = await CounterAsync();
        var name = Name("after kill");
        for (var round = 0; round < 3; round++)
        {
            await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => Anyone.GetAsync("/v1/counters/" + id)));
            await Backend.KillConnectionsAsync();
            (await Anyone.GetAsync("/v1/counters/" + id)).Expect(200);
            await Backend.KillConnectionsAsync();
            (await Anyone.GetAsync("/v1/counters?value=0&pageSize=1")).Expect(200);
            await Backend.KillConnectionsAsync();
            (await Anyone.GetAsync("/v1/row-counts")).Expect(200);
            await Backend.KillConnectionsAsync();
            (await Anyone.PostAsync($"/v1/counters/{id}/add", "{}")).Expect(200);
            await Backend.KillConnectionsAsync();
            (await Anyone.PostAsync("/v1/counters", new { name = $"{name} {round}", value = 0 }, $"Idempotency-Key: after-kill-{round}")).Expect(201);
        }
        (await ValueAsync(id)).ShouldBe(3);
    }

    [Fact]
    public async Task A_handler_whose_connection_dies_runs_again_and_is_applied_once()
    {
        var name = Name("cut");
        fixture.Meeting.Arrived = new(TaskCreationOptions.RunContinuationsAsynchronously);
        fixture.Meeting.Leave = new(TaskCreationOptions.RunContinuationsAsynchronously);
        var call = Anyone.PostAsync("/v1/meet", new { name });
        await fixture.Meeting.Arrived.Task;

        await Backend.KillConnectionsAsync();
        fixture.Meeting.Leave.SetResult();

        (await call).Status.ShouldBeOneOf(204, 503);
        (await Backend.CountAsync($"counters where name = '{name}'")).ShouldBe((await call).Status == 204 ? 1 : 0);
    }

    [Fact]
    public async Task A_column_that_changes_its_type_or_comes_and_goes_is_not_noticed_by_any_caller()
    {
        var id = await CounterAsync();
        async Task EverythingWorksAsync()
        {
            (await Anyone.GetAsync("/v1/counters/" + id)).Expect(200);
            (await Anyone.GetAsync("/v1/counters?pageSize=1")).Expect(200);
            (await Anyone.GetAsync($"/v1/counters/{id}/find")).Expect(200);
            (await Anyone.PostAsync($"/v1/counters/{id}/add", "{}")).Expect(200);
            (await Anyone.PostAsync("/v1/counters", new { name = Name("plan"), value = 0 })).Expect(201);
        }
        for (var i = 0; i < 4; i++)
            await EverythingWorksAsync();
        foreach (var change in new[]
        {
            "alter table counters alter column name type varchar(100)", "alter table counters alter column name type text", "alter table counters add column extra text not null default 'x'",
            "alter table counters drop column extra", "alter table counters alter column value type bigint", "alter table counters alter column value type integer",
        })
        {
            await Backend.ExecuteAsync(change);
            await EverythingWorksAsync();
        }
    }

    [Fact]
    public async Task A_caller_that_goes_away_stops_a_query_but_not_a_command()
    {
        var name = Name("gone");
        fixture.Meeting.Arrived = new(TaskCreationOptions.RunContinuationsAsynchronously);
        fixture.Meeting.Leave = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using (var cancellation = new CancellationTokenSource())
        {
            using var content = new StringContent($$"""{"name":"{{name}}"}""", System.Text.Encoding.UTF8, "application/json");
            var call = Backend.Http.PostAsync(new Uri("/v1/meet", UriKind.Relative), content, cancellation.Token);
            await fixture.Meeting.Arrived.Task;
            await cancellation.CancelAsync();
            await Should.ThrowAsync<OperationCanceledException>(call);
        }
        fixture.Meeting.Leave.SetResult();

        await Backend.UntilAsync($"select count(*) = 1 from counters where name = '{name}'");
    }
}
