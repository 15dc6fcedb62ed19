using System.Collections.Concurrent;
using Mainstay.Internal;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>Sagas that cannot go on by themselves, and what people decide about them. Each test has its own database.</summary>
public sealed class SagaDecisionTests(PostgresFixture postgres) : OwnDatabaseTests(postgres)
{
    private const string Status = "select coalesce((select status from mainstay.sagas), '')";

    private static readonly TimeSpan soon = TimeSpan.FromMilliseconds(20);
    private static readonly QueueOptions options = new() { PollInterval = TimeSpan.FromMilliseconds(50), Workers = 8 };

    private readonly ConcurrentQueue<string> _calls = new();
    private volatile bool _isBroken = true;

    [Fact]
    public async Task What_cannot_be_undone_stands_until_it_is_retried()
    {
        await using var app = await StartStuckAsync();
        var id = await OpenAsync();

        (await SagasOf(app).FindAsync(id, Stop))!.Next.Select(next => next.Handler).ShouldBe(["order: undo one"]);
        (await SagasOf(app).RetryAsync(id, "still broken", cancellation: Stop)).ShouldBeTrue();
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_dead", 1L);
        await Source.ShouldBecomeAsync(Status, "stuck");
        _isBroken = false;
        (await SagasOf(app).RetryAsync(id, "mended", cancellation: Stop)).ShouldBeTrue();
        await Source.ShouldBecomeAsync("select count(*) from mainstay.sagas_ended where outcome = 'compensated'", 1L);

        _calls.Count(call => call == "undone one").ShouldBe(1);
        (await SagasOf(app).FindAsync(id, Stop))!.Timeline.Select(entry => $"{entry.Item} {entry.Event} {entry.Note}").TakeLast(3).ShouldBe(["one Retried still broken", "one Retried mended", "one Undone "]);
        (await Source.ScalarAsync<string>("select string_agg(action || ' ' || (after ->> 'why'), ', ' order by at) from mainstay.audit where resource = 'mainstay.sagas'")).ShouldBe("retry still broken, retry mended");
        (await SagasOf(app).RetryAsync(id, "again", cancellation: Stop)).ShouldBeFalse();
    }

    [Fact]
    public async Task A_letter_that_is_redriven_or_was_discarded_does_not_lose_the_saga()
    {
        await using var app = await StartStuckAsync();
        var id = await OpenAsync();
        var letters = app.Services.GetRequiredService<DeadLetters>();
        var letter = (await letters.ListAsync(cancellation: Stop)).Single();

        (await letters.DiscardAsync(letter.Id, "by mistake", cancellation: Stop)).ShouldBeTrue();
        (await Source.ScalarAsync<string>(Status)).ShouldBe("stuck");
        (await SagasOf(app).RetryAsync(id, "it is needed", cancellation: Stop)).ShouldBeTrue();
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_dead where discarded_at is null", 1L);
        await Source.ShouldBecomeAsync(Status, "stuck");
        await Source.ExecuteAsync("delete from mainstay.jobs_dead");
        _isBroken = false;
        (await SagasOf(app).RetryAsync(id, "its letter is not kept any more", cancellation: Stop)).ShouldBeTrue();
        await Source.ShouldBecomeAsync("select count(*) from mainstay.sagas_ended", 1L);
    }

    [Fact]
    public async Task A_redriven_letter_takes_the_saga_with_it()
    {
        await using var app = await StartStuckAsync();
        await OpenAsync();
        _isBroken = false;

        var letters = app.Services.GetRequiredService<DeadLetters>();
        (await letters.RedriveAsync((await letters.ListAsync(cancellation: Stop)).Single().Id, "mended", cancellation: Stop)).ShouldBeTrue();

        await Source.ShouldBecomeAsync("select count(*) from mainstay.sagas_ended where outcome = 'compensated'", 1L);
        _calls.ShouldContain("undone one");
    }

    [Fact]
    public async Task What_cannot_be_undone_is_skipped()
    {
        await using var app = await StartStuckAsync();
        var id = await OpenAsync();

        (await SagasOf(app).SkipAsync(id, "two", "not there", cancellation: Stop)).ShouldBeFalse();
        (await SagasOf(app).SkipAsync(id, "one", "given back by hand", cancellation: Stop)).ShouldBeTrue();
        await Source.ShouldBecomeAsync("select count(*) from mainstay.sagas_ended where outcome = 'compensated'", 1L);

        (await SagasOf(app).FindAsync(id, Stop))!.Timeline[^1].ShouldSatisfyAllConditions(entry => entry.Event.ShouldBe(SagaEvent.Skipped), entry => entry.Note.ShouldBe("given back by hand"));
        (await Source.ScalarAsync<long>("select count(*) from mainstay.jobs_dead where discarded_at is null")).ShouldBe(0);
    }

    [Fact]
    public async Task A_step_that_waits_for_its_retry_is_skipped_with_what_it_would_have_given()
    {
        await using var app = await StartAsync(saga => saga
            .Step("charge", (Outbound outbound) => Task.FromException<Charge>(new IOException("Away.")), options: step => step.On<IOException>(RetryRule.After(TimeSpan.FromHours(1))))
            .Step("ship", (Charge charge, Outbound outbound) => { _calls.Enqueue($"ship {charge.Id}"); return Task.CompletedTask; }));
        await EnqueueAsync(app);
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs where handler = 'order: charge' and state = 2", 1L);
        var id = await OpenAsync("running");

        (await Should.ThrowAsync<ProblemException>(() => SagasOf(app).SkipAsync(id, "charge", "paid in cash", cancellation: Stop))).Type.Code.ShouldBe("validation-failed");
        (await Should.ThrowAsync<ProblemException>(() => SagasOf(app).SkipAsync(id, "charge", "paid in cash", """{"id":5}""", cancellation: Stop))).Type.Code.ShouldBe("validation-failed");
        (await SagasOf(app).SkipAsync(id, "charge", "paid in cash", """{"id":"cash"}""", cancellation: Stop)).ShouldBeTrue();
        await Source.ShouldBecomeAsync("select count(*) from mainstay.sagas_ended where outcome = 'completed'", 1L);

        _calls.ShouldBe(["ship cash"]);
    }

    [Fact]
    public async Task One_that_waits_goes_back_when_somebody_says_so()
    {
        await using var app = await StartAsync(saga => saga.By(order => order.Name)
            .Step("one", (Outbound outbound) => Task.CompletedTask, undo: (Outbound outbound) => { _calls.Enqueue("undone one"); return Task.CompletedTask; })
            .Wait<Paid>("paid", paid => paid.Order, TimeSpan.FromHours(1)));
        await EnqueueAsync(app);
        var id = await OpenAsync("waiting");

        (await SagasOf(app).CompensateAsync(id, "the customer has changed her mind", User.System("ada"), Stop)).ShouldBeTrue();
        await Source.ShouldBecomeAsync("select count(*) from mainstay.sagas_ended where outcome = 'compensated'", 1L);

        _calls.ShouldBe(["undone one"]);
        (await SagasOf(app).FindAsync(id, Stop))!.Timeline.Select(entry => $"{entry.Item} {entry.Event}").ShouldBe(["one Done", " Turned", "paid Withdrawn", "one Undone"]);
        (await SagasOf(app).CompensateAsync(id, "again", cancellation: Stop)).ShouldBeFalse();
    }

    [Fact]
    public async Task A_step_that_has_taken_its_processes_with_it_makes_the_saga_stand_and_can_be_undone()
    {
        await using var app = await StartAsync(saga => saga
            .Step("one", (Outbound outbound) => Task.CompletedTask, undo: (Outbound outbound) => { _calls.Enqueue("undone one"); return Task.CompletedTask; })
            .Step("two", (Outbound outbound) => Task.FromException(new IOException("Away.")), options: step => step.On<IOException>(RetryRule.After(TimeSpan.FromHours(1)))));
        await EnqueueAsync(app);
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs where handler = 'order: two' and state = 2", 1L);
        // As if three processes had died with it.
        await Source.ExecuteAsync("""
            with gone as (delete from mainstay.jobs returning *)
            insert into mainstay.jobs_dead (id, handler, attempt, crashes, fence, created_at, dead_at, reason, message, payload, origin)
            select id, handler, attempt, 3, fence, created_at, now(), 'crashed', message, payload, origin from gone
            """);
        var id = await OpenAsync();

        (await SagasOf(app).CompensateAsync(id, "no courier", cancellation: Stop)).ShouldBeTrue();
        await Source.ShouldBecomeAsync("select count(*) from mainstay.sagas_ended where outcome = 'compensated'", 1L);

        _calls.ShouldBe(["undone one"]);
        (await Source.ScalarAsync<long>("select count(*) from mainstay.jobs_dead where discarded_at is null")).ShouldBe(0);
    }

    [Fact]
    public async Task Whoever_buries_a_step_does_not_wait_for_another_and_the_saga_stands_all_the_same()
    {
        void Declare(SagaDeclaration<Order> saga) => saga
            .Step("one", (Outbound outbound) => Task.FromException(new IOException("Away.")), options: step => step.On<IOException>(RetryRule.After(TimeSpan.FromHours(1))));
        await using var app = await StartAsync(Declare);
        await EnqueueAsync(app);
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs where handler = 'order: one' and state = 2", 1L);

        await using (var connection = await Source.OpenConnectionAsync(Stop))
        await using (await connection.BeginTransactionAsync(Stop))
        {
            await using var hold = new NpgsqlCommand("select id from mainstay.sagas for no key update", connection);
            await hold.ExecuteScalarAsync(Stop);
            await Source.ExecuteAsync("""
                set lock_timeout = '5s';
                with gone as (delete from mainstay.jobs returning *)
                insert into mainstay.jobs_dead (id, handler, attempt, crashes, fence, created_at, dead_at, reason, message, payload, origin)
                select id, handler, attempt, 3, fence, created_at, now() - interval '2 days', 'crashed', message, payload, origin from gone
                """);
            (await Source.ScalarAsync<string>("select status from mainstay.sagas")).ShouldBe("running");
        }
        // Also when no node has run for long since then.
        await using var other = await StartAsync(Declare);

        await Source.ShouldBecomeAsync("select status from mainstay.sagas", "stuck");
    }

    [Fact]
    public async Task To_wait_for_another_step_of_the_saga_is_no_attempt()
    {
        await using var app = await StartAsync(saga => saga.By(order => order.Name)
            .Wait<Paid>("paid", paid => paid.Order, TimeSpan.FromHours(1))
            .Step("ship", (Order order, UnitOfWork work) => { _calls.Enqueue("ship"); }, options: step => step.Retry(1).Timeout(TimeSpan.FromMilliseconds(400))));
        await EnqueueAsync(app);
        await OpenAsync("waiting");

        await using (var connection = await Source.OpenConnectionAsync(Stop))
        await using (await connection.BeginTransactionAsync(Stop))
        {
            await using var hold = new NpgsqlCommand("select id from mainstay.sagas for no key update", connection);
            await hold.ExecuteScalarAsync(Stop);
            await Source.ExecuteAsync("""
                insert into mainstay.jobs (id, handler, message, payload) select gen_random_uuid(), 'order: ship', id, json_build_object('saga', id) from mainstay.sagas
                """);
            await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs where handler = 'order: ship' and state = 2 and attempt = 0 and fence > 0", 1L);
        }

        // The saga does not have it, so it only ends.
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs where handler = 'order: ship'", 0L);
        (await Source.ScalarAsync<long>("select count(*) from mainstay.jobs_dead")).ShouldBe(0);
        _calls.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_step_that_goes_on_from_what_it_knows_finds_out_in_its_commit_that_somebody_has_decided_otherwise()
    {
        Sagas? sagas = null;
        await using var app = await StartAsync(saga => saga
            .Step("one", (UnitOfWork work) => _calls.Enqueue("one"), undo: (UnitOfWork work) => _calls.Enqueue("undone one"))
            .Step("two", async (UnitOfWork work) =>
            {
                _calls.Enqueue("two");
                work.Execute($"insert into mainstay.saga_events (saga, key, item, payload) values ('order', 'effect', 'two', 'null')");
                (await sagas!.CompensateAsync((await sagas.ListAsync(cancellation: Stop)).Single().Id, "not any more", cancellation: Stop)).ShouldBeTrue();
            }, undo: (UnitOfWork work) => _calls.Enqueue("undone two")));
        sagas = SagasOf(app);

        await EnqueueAsync(app);
        await Source.ShouldBecomeAsync("select count(*) from mainstay.sagas_ended where outcome = 'compensated'", 1L);

        _calls.ShouldBe(["one", "two", "undone one"]);
        (await Source.ScalarAsync<long>("select count(*) from mainstay.saga_events")).ShouldBe(0);
        var ended = (await sagas.ListAsync(new SagaFilter { Status = SagaStatus.Compensated }, cancellation: Stop)).Single();
        (await sagas.FindAsync(ended.Id, Stop))!.Timeline.Select(entry => $"{entry.Item} {entry.Event}").ShouldBe(["one Done", " Turned", "two Withdrawn", "one Undone"]);
    }

    [Fact]
    public async Task A_step_that_is_tried_again_is_shown_with_its_attempts_and_its_last_error()
    {
        await using var app = await StartAsync(saga => saga
            .Step("charge", (Outbound outbound) => Task.FromException(new IOException("Away.")), options: step => step.On<IOException>(RetryRule.After(TimeSpan.FromHours(1)))));
        await EnqueueAsync(app);
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs where attempt = 1 and state = 2", 1L);
        await Source.ExecuteAsync("update mainstay.jobs set due_at = now()");
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs where attempt = 2 and state = 2", 1L);

        var shown = (await SagasOf(app).FindAsync(await OpenAsync("running"), Stop))!;

        var next = shown.Next.ShouldHaveSingleItem();
        (next.Item, next.Handler, next.Attempts).ShouldBe(("charge", "order: charge", 2));
        next.LastError!.ShouldSatisfyAllConditions(error => error.Attempt.ShouldBe(2), error => error.Error.ShouldBe("IOException: Away."));
        next.DueAt.ShouldNotBeNull();
        shown.Timeline.ShouldBeEmpty();
    }

    [Fact]
    public async Task Instances_go_by_the_version_with_which_they_began()
    {
        static void First(SagaDeclaration<Order> saga, ConcurrentQueue<string> calls) => saga.By(order => order.Name)
            .Wait<Paid>("paid", paid => paid.Order, TimeSpan.FromHours(1)).Step("ship", (Order order, Outbound outbound) => { calls.Enqueue($"one ships {order.Name}"); return Task.CompletedTask; });

        await using (var app = await StartAsync(saga => First(saga, _calls)))
        {
            await EnqueueAsync(app, "a");
            await OpenAsync("waiting");
        }
        var refused = await Should.ThrowAsync<ConfigurationException>(() => StartAsync(saga => saga.By(order => order.Name)
            .Wait<Paid>("paid", paid => paid.Order, TimeSpan.FromHours(1)).Step("pack", (Outbound outbound) => Task.CompletedTask).Step("ship", (Outbound outbound) => Task.CompletedTask)));
        refused.Message.ShouldContain("MST3105");
        refused.Message.ShouldContain("""Saga<Order>("order", version: 2)""");

        await using var both = await PlainApplication.StartAsync(ConnectionString, services => services
            .AddOutbox(outbox => outbox.Event<Paid>("order.paid"))
            .AddJobs(jobs =>
            {
                First(jobs.Saga<Order>("order"), _calls);
                jobs.Saga<Order>("order", version: 2).By(order => order.Name).Wait<Paid>("paid", paid => paid.Order, TimeSpan.FromHours(1))
                    .Step("ship", (Order order, Outbound outbound) => { _calls.Enqueue($"two ships {order.Name}"); return Task.CompletedTask; })
                    .Step("thank", (Outbound outbound) => Task.CompletedTask);
            }, options));
        await EnqueueAsync(both, "b");
        await Source.ShouldBecomeAsync("select count(*) from mainstay.sagas where status = 'waiting' and version = 2", 1L);
        await PublishAsync(both, "a");
        await PublishAsync(both, "b");
        await Source.ShouldBecomeAsync("select count(*) from mainstay.sagas_ended where outcome = 'completed'", 2L);

        _calls.Order().ShouldBe(["one ships a", "two ships b"]);
    }

    [Fact]
    public async Task Events_find_instances_of_older_versions_by_the_keys_of_those()
    {
        void First(SagaDeclaration<Order> saga) => saga.By(order => order.Name)
            .Wait<Paid>("paid", paid => paid.Order, TimeSpan.FromHours(1)).Step("ship", (Order order, Outbound outbound) => { _calls.Enqueue($"one ships {order.Name}"); return Task.CompletedTask; });

        await using (var app = await StartAsync(First))
        {
            await EnqueueAsync(app);
            await OpenAsync("waiting");
        }
        await using var both = await PlainApplication.StartAsync(ConnectionString, services => services
            .AddOutbox(outbox => outbox.Event<Paid>("order.paid"))
            .AddJobs(jobs =>
            {
                First(jobs.Saga<Order>("order"));
                jobs.Saga<Order>("order", version: 2).By(order => "new " + order.Name).Wait<Paid>("money", paid => "new " + paid.Order, TimeSpan.FromHours(1))
                    .Step("ship", (Order order, Outbound outbound) => { _calls.Enqueue($"two ships {order.Name}"); return Task.CompletedTask; });
            }, options));

        await PublishAsync(both, "a");
        await Source.ShouldBecomeAsync("select count(*) from mainstay.sagas_ended", 1L);
        await PublishAsync(both, "early");
        await Source.ShouldBecomeAsync("select count(*) from mainstay.saga_events where key = 'new early'", 1L);
        await EnqueueAsync(both, "early");
        await Source.ShouldBecomeAsync("select count(*) from mainstay.sagas_ended where version = 2", 1L);

        _calls.ShouldBe(["one ships a", "two ships early"]);
    }

    [Fact]
    public async Task One_that_is_stuck_stays_so_while_something_else_of_it_moves()
    {
        var gate = new TaskCompletionSource();
        await using var app = await StartAsync(saga => saga.Together(together => together
            .Step("dies", async (Outbound outbound) => await Task.Delay(Timeout.InfiniteTimeSpan, outbound.Cancellation))
            .Step("goes on", async (Outbound outbound) => await gate.Task.WaitAsync(outbound.Cancellation))));
        await EnqueueAsync(app);
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs where state = 1 and handler like 'order: %'", 2L);
        // As if three processes had died with one of them.
        await Source.ExecuteAsync("""
            with gone as (delete from mainstay.jobs where handler = 'order: dies' returning *)
            insert into mainstay.jobs_dead (id, handler, attempt, crashes, fence, created_at, dead_at, reason, message, payload, origin)
            select id, handler, attempt, 3, fence, created_at, now(), 'crashed', message, payload, origin from gone
            """);
        (await OpenAsync()).ShouldNotBe(Guid.Empty);

        gate.SetResult();
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs where handler = 'order: goes on'", 0L);

        (await Source.ScalarAsync<string>(Status)).ShouldBe("stuck");
        (await SagasOf(app).SkipAsync(await OpenAsync(), "dies", "done by hand", cancellation: Stop)).ShouldBeTrue();
        await Source.ShouldBecomeAsync("select count(*) from mainstay.sagas_ended where outcome = 'completed'", 1L);
    }

    [Fact]
    public async Task Declarations_that_cannot_work_are_refused_all_at_once()
    {
        var refused = await Should.ThrowAsync<ConfigurationException>(() => PlainApplication.StartAsync(ConnectionString, services => services
            .AddOutbox(outbox => outbox.Event<Paid>("order.paid"))
            .AddJobs(jobs =>
            {
                jobs.Saga<Order>("empty");
                jobs.Saga<Charge>("same names").Step("a", (Outbound outbound) => Task.CompletedTask).Step("a", (Outbound outbound) => Task.CompletedTask);
                jobs.Saga<Paid>("no key").Wait<Paid>("paid", paid => paid.Order, TimeSpan.FromHours(1));
                jobs.Saga<Early>("asks too early").Step("a", (Charge charge, Outbound outbound) => Task.CompletedTask).Step("b", (Outbound outbound) => Task.FromResult(new Charge("x")));
                jobs.Saga<Sure>("sure").When("maybe", (Sure sure) => sure.Is, then => then.Step("b", (Outbound outbound) => Task.FromResult(new Charge("x")))).Step("a", (Charge charge, Outbound outbound) => Task.CompletedTask);
                jobs.Saga<Once>("unknown").Step("a", (UnitOfWork work) => Task.CompletedTask, undo: (UnitOfWork work) => Task.CompletedTask, step => step.UndoIfUnknown());
            }, options)));

        foreach (var part in new[] { "'empty' has no steps", "'same names' has two items 'a'", "'no key' waits for 'paid'", "'asks too early: a' takes Charge", "'a' asks for Charge of 'b', which is not there in every instance", "says UndoIfUnknown of 'a'" })
            refused.Message.ShouldContain(part);
    }

    private async Task<PlainApplication> StartStuckAsync()
    {
        var app = await StartAsync(saga => saga
            .Step("one", (Outbound outbound) => Task.CompletedTask, undo: (Outbound outbound) =>
            {
                if (_isBroken)
                    throw new IOException("The other side is away.");
                _calls.Enqueue("undone one");
                return Task.CompletedTask;
            }, step => step.Undo(undo => undo.Retry(2, soon, soon)))
            .Step("two", (Outbound outbound) => Task.FromException(new IOException("Away.")), options: step => step.Retry(1)));
        await EnqueueAsync(app);
        await Source.ShouldBecomeAsync(Status, "stuck");
        return app;
    }

    private async Task<Guid> OpenAsync(string status = "stuck")
    {
        await Source.ShouldBecomeAsync(Status, status);
        return await Source.ScalarAsync<Guid>("select id from mainstay.sagas");
    }

    private static Sagas SagasOf(PlainApplication app) => app.Services.GetRequiredService<Sagas>();

    private Task<PlainApplication> StartAsync(Action<SagaDeclaration<Order>> declare) => PlainApplication.StartAsync(ConnectionString, services => services
        .AddOutbox(outbox => outbox.Event<Paid>("order.paid"))
        .AddJobs(jobs => declare(jobs.Saga<Order>("order")), options));

    private static Task<Guid> EnqueueAsync(PlainApplication app, string name = "a") => app.Services.GetRequiredService<Jobs>().EnqueueAsync(new Order(name), cancellation: Stop);

    private async Task PublishAsync(PlainApplication app, string order)
    {
        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using var transaction = await connection.BeginTransactionAsync(Stop);
        await app.Services.GetRequiredService<Outbox>().PublishAsync(new Paid(order), transaction, Stop);
        await transaction.CommitAsync(Stop);
        app.Services.GetRequiredService<Outbox>().Wake();
    }

    private sealed record Order(string Name);

    private sealed record Paid(string Order);

    private sealed record Charge(string Id);

    private sealed record Early(string Name);

    private sealed record Sure(bool Is);

    private sealed record Once(string Name);
}
