using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;

namespace Mainstay.Tests;

public record Note(Id<Note> Id, string Text, int Copies);

public record Noted(Id<Note> NoteId, string Text);

public record Hook(Func<Noted, UnitOfWork, Task> HandleAsync)
{
    public Func<Noted, UnitOfWork, Task> Now { get; set; } = HandleAsync;
}

/// <summary>Each test has its own database: what is delivered in one would be counted in the other.</summary>
public sealed class DeliveryTests(PostgresFixture postgres)
{
    private static async Task CopyAsync(Noted noted, UnitOfWork work)
    {
        var note = await work.LockAsync(noted.NoteId);
        work.Update(note with { Copies = note.Copies + 1 });
    }

    private static Action<Backend> Declare(Hook hook, int attempts = 10, int timeoutSeconds = 30) => backend =>
    {
        backend.Services.AddSingleton(hook);
        backend.Resource<Note>("/v1/notes").AllowRead(Policy.Anyone).AllowWrite(Policy.Anyone);
        backend.Event<Noted>("note.noted");
        backend.On("copy", (Noted noted, UnitOfWork work, Hook inner) => inner.Now(noted, work)).Retry(attempts).Timeout(TimeSpan.FromSeconds(timeoutSeconds));
        backend.Command("POST /v1/notes/write", (Wanted input, UnitOfWork work) =>
        {
            var note = new Note(Id<Note>.New(), input.Name, 0);
            work.Insert(note);
            work.Publish(new Noted(note.Id, note.Text));
            return note;
        }).Allow(Policy.Anyone);
    };

    private static async Task SettledAsync(TestBackend backend, bool hurries = true) => await Waiting.UntilAsync(async () =>
    {
        if (hurries)
            await backend.ExecuteAsync("update mainstay.jobs set due_at = now() where state = 2 and due_at > now()");
        return await backend.ScalarAsync<bool>("select not exists (select from mainstay.jobs)");
    });

    [Fact]
    public async Task An_event_is_delivered_once_and_its_effect_is_traced_to_the_request()
    {
        await using var backend = await TestBackend.StartAsync(await postgres.CreateDatabaseAsync(), Declare(new Hook(CopyAsync)));

        var note = (await backend.Anonymous.PostAsync("/v1/notes/write", new { name = "a" }, "Request-Id: write-the-note")).Expect(201);
        await SettledAsync(backend);

        (await backend.Anonymous.GetAsync("/v1/notes/" + note.Id)).Data.GetProperty("copies").GetInt32().ShouldBe(1);
        (await backend.ScalarAsync<string>("select handler || ' ' || attempt from mainstay.jobs_done")).ShouldBe("copy 1");
        (await backend.ScalarAsync<string>("select string_agg(actor || ' ' || action || ' ' || coalesce(request_id, '-'), ', ' order by id) from mainstay.audit")).ShouldBe("anonymous insert write-the-note, system update write-the-note");
    }

    [Fact]
    public async Task A_handler_that_fails_is_tried_again_and_leaves_nothing_of_the_failed_tries()
    {
        var tries = 0;
        var hook = new Hook(async (noted, work) =>
        {
            await CopyAsync(noted, work);
            await work.QueryAsync<int>($"select 1");
            if (Interlocked.Increment(ref tries) < 4)
                throw new InvalidOperationException("not yet");
        });
        await using var backend = await TestBackend.StartAsync(await postgres.CreateDatabaseAsync(), Declare(hook));

        var note = (await backend.Anonymous.PostAsync("/v1/notes/write", new { name = "a" })).Expect(201);
        await SettledAsync(backend);

        tries.ShouldBe(4);
        (await backend.Anonymous.GetAsync("/v1/notes/" + note.Id)).Data.GetProperty("copies").GetInt32().ShouldBe(1);
    }

    [Fact]
    public async Task Poison_becomes_a_dead_letter_that_says_why_and_the_rest_goes_on()
    {
        var hook = new Hook((noted, work) => noted.Text == "poison" ? throw new InvalidOperationException("cannot stand it") : CopyAsync(noted, work));
        await using var backend = await TestBackend.StartAsync(await postgres.CreateDatabaseAsync(), Declare(hook, attempts: 3));

        (await backend.Anonymous.PostAsync("/v1/notes/write", new { name = "poison" })).Expect(201);
        var note = (await backend.Anonymous.PostAsync("/v1/notes/write", new { name = "fine" })).Expect(201);
        await SettledAsync(backend);

        (await backend.ScalarAsync<string>("select attempt || ' ' || reason || ' ' || jsonb_array_length(errors) || ' ' || (errors -> 2 ->> 'error') from mainstay.jobs_dead")).ShouldBe("3 failed 3 InvalidOperationException: cannot stand it");
        (await backend.Anonymous.GetAsync("/v1/notes/" + note.Id)).Data.GetProperty("copies").GetInt32().ShouldBe(1);
    }

    [Fact]
    public async Task A_handler_past_its_timeout_is_tried_again()
    {
        var tries = 0;
        var hook = new Hook(async (noted, work) =>
        {
            if (Interlocked.Increment(ref tries) == 1)
                await Task.Delay(TimeSpan.FromSeconds(60), work.Cancellation);
            await CopyAsync(noted, work);
        });
        await using var backend = await TestBackend.StartAsync(await postgres.CreateDatabaseAsync(), Declare(hook, timeoutSeconds: 5));

        (await backend.Anonymous.PostAsync("/v1/notes/write", new { name = "a" })).Expect(201);
        await SettledAsync(backend);

        tries.ShouldBeGreaterThanOrEqualTo(2);
    }

    [Fact]
    public async Task A_message_whose_node_stopped_in_the_middle_is_delivered_by_the_next_start()
    {
        var meeting = new Meeting();
        var hook = new Hook(async (noted, work) =>
        {
            await CopyAsync(noted, work);
            await work.QueryAsync<int>($"select 1");
            await meeting.MeetAsync(work.Cancellation);
        });
        var database = await postgres.CreateDatabaseAsync();
        string id;
        await using (var first = await TestBackend.StartAsync(database, Declare(hook), "--Mainstay:Queues:Drain=00:00:00"))
        {
            id = (await first.Anonymous.PostAsync("/v1/notes/write", new { name = "a" })).Expect(201).Id;
            await meeting.Arrived.Task;
        }
        await using var second = await TestBackend.StartAsync(database, Declare(new Hook(CopyAsync)));

        await SettledAsync(second);
        (await second.ScalarAsync<int>("select attempt from mainstay.jobs_done")).ShouldBe(1);

        (await second.Anonymous.GetAsync("/v1/notes/" + id)).Data.GetProperty("copies").GetInt32().ShouldBe(1);
        (await second.CountAsync("mainstay.audit where action = 'update'")).ShouldBe(1);
    }

    [Fact]
    public async Task Two_nodes_share_the_work_and_apply_nothing_twice()
    {
        var database = await postgres.CreateDatabaseAsync();
        var handled = new ConcurrentBag<string>();
        var begun = new ConcurrentBag<string>();
        var both = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Hook Node(string name) => new(async (noted, work) =>
        {
            begun.Add(name);
            if (begun.Distinct().Count() == 2)
                both.TrySetResult();
            await both.Task.WaitAsync(work.Cancellation);       // so that none of them does all of it
            await CopyAsync(noted, work);
            handled.Add(name);
        });
        await using var one = await TestBackend.StartAsync(database, Declare(Node("one")));
        await using var two = await TestBackend.StartAsync(database, Declare(Node("two")));

        await Task.WhenAll(Enumerable.Range(0, 40).Select(async i => (await (i % 2 == 0 ? one : two).Anonymous.PostAsync("/v1/notes/write", new { name = $"{i}" })).Expect(201)));
        await SettledAsync(one);

        (await one.ScalarAsync<long>("select count(*) from notes where copies = 1")).ShouldBe(40);
        handled.Distinct().Count().ShouldBe(2);
        (await one.CountAsync("mainstay.audit where action = 'update'")).ShouldBe(40);
    }

    [Fact]
    public async Task A_message_of_a_subscription_that_only_a_newer_node_has_waits_for_that_node()
    {
        var database = await postgres.CreateDatabaseAsync();
        await using var older = await TestBackend.StartAsync(database, Declare(new Hook(CopyAsync)));
        await older.ExecuteAsync("""
            insert into mainstay.jobs (id, handler, payload) values ('01890a5d-ac96-774b-bcce-b302099a8057', 'of the next release', '{"noteId":"note_01h455vb4pex5vsknk084sn02q","text":"x"}')
            """);

        (await older.Anonymous.PostAsync("/v1/notes/write", new { name = "a" })).Expect(201);
        await older.UntilAsync("select count(*) = 1 from mainstay.jobs");

        (await older.ScalarAsync<int>("select attempt from mainstay.jobs")).ShouldBe(0);
    }
}
