using System.Collections.Concurrent;
using Mainstay.Internal;
using Microsoft.Extensions.DependencyInjection;

namespace Mainstay.Tests;

/// <summary>Sagas go forward to their end, or back to their beginning. Each test has its own database.</summary>
public sealed class SagaTests(PostgresFixture postgres) : OwnDatabaseTests(postgres)
{
    private static readonly TimeSpan soon = TimeSpan.FromMilliseconds(20);

    private readonly ConcurrentQueue<string> _calls = new();

    private IEnumerable<string> Effects => _calls.Select(call => call.Split('|')[0]);

    protected override Task PrepareAsync() => Source.ExecuteAsync("create table effects (number bigint generated always as identity, text text not null)");

    [Fact]
    public async Task Steps_are_done_in_order_and_get_what_those_before_them_gave()
    {
        await using var app = await StartAsync(saga => saga
            .Step("reserve", async (Order order, UnitOfWork work) =>
            {
                await work.ExecuteAsync($"insert into effects (text) values ('reserve')");
                return new Reservation(order.Name + "-r");
            })
            .Step("charge", (Order order, Reservation reservation, Outbound outbound) => Call(new Charge($"{order.Name}:{reservation.Number}", 12.5m), $"charge {reservation.Number}", outbound))
            .Step("ship", (Charge charge, UnitOfWork work) => work.ExecuteAsync($"insert into effects (text) values ({$"ship {charge.Id} {charge.Amount}"})")));

        await EnqueueAsync(app, "a");
        var ended = await EndedAsync(app, "a", SagaStatus.Completed);

        (await Source.ScalarAsync<string>("select string_agg(text, ', ' order by number) from effects")).ShouldBe("reserve, ship a:a-r 12.5");
        Effects.ShouldBe(["charge a-r"]);
        ended.Timeline.Select(entry => (entry.Item, entry.Event)).ShouldBe([("reserve", SagaEvent.Done), ("charge", SagaEvent.Done), ("ship", SagaEvent.Done)]);
        ended.Timeline[1].Result!.Value.GetProperty("amount").GetDecimal().ShouldBe(12.5m);
        (await Source.ScalarAsync<long>("select count(*) from mainstay.jobs")).ShouldBe(0);
        (await Source.ScalarAsync<long>("select count(*) from mainstay.sagas")).ShouldBe(0);
    }

    [Fact]
    public async Task What_was_done_is_undone_in_reverse_when_a_step_is_refused()
    {
        var declined = new ProblemType("declined", 409, "Declined");
        await using var app = await StartAsync(saga => saga
            .Step("one", (Order order, Outbound outbound) => Call(new Reservation("r1"), "one", outbound), undo: (Reservation reservation, Outbound outbound) => Call($"undo one {reservation.Number}", outbound))
            .Step("nothing to undo", (Outbound outbound) => Call("nothing", outbound))
            .Step("two", (Outbound outbound) => Call(new Charge("c2", 1), "two", outbound), undo: (Charge charge, Reservation reservation, UnitOfWork work) => work.ExecuteAsync($"insert into effects (text) values ({$"undo two {charge.Id} {reservation.Number}"})"))
            .Step("three", (Outbound outbound) => Fail(declined.Because("No money.")), undo: (Outbound outbound) => Call("undo three", outbound)));

        await EnqueueAsync(app, "a");
        var ended = await EndedAsync(app, "a", SagaStatus.Compensated);

        Effects.ShouldBe(["one", "nothing", "two", "undo one r1"]);
        (await Source.ScalarAsync<string>("select string_agg(text, ', ' order by number) from effects")).ShouldBe("undo two c2 r1");
        ended.Timeline.Select(entry => $"{entry.Item} {entry.Event}").ShouldBe(["one Done", "nothing to undo Done", "two Done", "three Refused", " Turned", "two Undone", "one Undone"]);
        ended.Turned.ShouldBe("'three' was refused: ProblemException: No money.");
    }

    [Fact]
    public async Task A_step_that_fails_is_tried_again_with_the_same_key_and_then_given_up()
    {
        await using var app = await StartAsync(saga => saga
            .Step("one", (Outbound outbound) => Call("one", outbound), undo: (Outbound outbound) => Call("undo one", outbound))
            .Step("two", (Outbound outbound) => { _calls.Enqueue($"two|{outbound.Key}"); throw new IOException("Away."); }, undo: (Outbound outbound) => Call("undo two", outbound), step => step.Retry(3, soon, soon)));

        await EnqueueAsync(app, "a");
        var ended = await EndedAsync(app, "a", SagaStatus.Compensated);

        Effects.ShouldBe(["one", "two", "two", "two", "undo one"]);
        _calls.Where(call => call.StartsWith("two", StringComparison.Ordinal)).Distinct().Count().ShouldBe(1);
        _calls.Select(call => call.Split('|')[1]).Distinct().Count().ShouldBe(3);
        ended.Timeline.Single(entry => entry.Event == SagaEvent.Failed).Note.ShouldBe("IOException: Away.");
        (await Source.ScalarAsync<long>("select count(*) from mainstay.jobs_dead")).ShouldBe(0);
    }

    [Fact]
    public async Task A_transaction_that_fails_of_its_own_input_and_output_is_no_outage_of_the_database()
    {
        await using var app = await StartAsync(saga => saga
            .Step("read", async (UnitOfWork work) =>
            {
                _calls.Enqueue("read|");
                await work.ExecuteAsync($"insert into effects (text) values ('read')");
                throw new FileNotFoundException("There is no such file.");
            }, options: step => step.Retry(2, soon, soon)));

        await EnqueueAsync(app, "a");
        var ended = await EndedAsync(app, "a", SagaStatus.Compensated);

        Effects.ShouldBe(["read", "read"]);
        ended.Timeline[0].Note.ShouldBe("FileNotFoundException: There is no such file.");
        (await Source.ScalarAsync<long>("select count(*) from effects")).ShouldBe(0);
    }

    [Fact]
    public async Task A_first_step_that_takes_too_long_or_puts_itself_off_is_treated_like_any_other()
    {
        Task<PlainApplication> WithinAsync(TimeSpan timeout) => StartAsync(saga => saga
            .Step("one", async (Order order, UnitOfWork work) =>
            {
                _calls.Enqueue($"{order.Name}|");
                work.Execute($"insert into effects (text) values ('one')");
                if (order.Name == "late")
                    await Task.Delay(Timeout.InfiniteTimeSpan, work.Cancellation);
                if (_calls.Count(call => call.StartsWith(order.Name, StringComparison.Ordinal)) == 1)
                    throw new SnoozeException(soon);
            }, undo: (Order order, UnitOfWork work) => work.Execute($"insert into effects (text) values ('undone')"), options: step => step.Retry(2, soon, soon).Timeout(timeout)));

        SagaInstance late;
        await using (var hasty = await WithinAsync(TimeSpan.FromSeconds(1)))
        {
            await EnqueueAsync(hasty, "late");
            late = await EndedAsync(hasty, "late", SagaStatus.Compensated);
        }
        await using (var patient = await WithinAsync(TimeSpan.FromSeconds(30)))
        {
            await EnqueueAsync(patient, "sleepy");
            await EndedAsync(patient, "sleepy", SagaStatus.Completed);
        }

        Effects.ShouldBe(["late", "late", "sleepy", "sleepy"]);
        late.Timeline.Select(entry => (entry.Item, entry.Event)).ShouldBe([("one", SagaEvent.Failed), (null, SagaEvent.Turned)]);
        late.Timeline[0].Note.ShouldBe("TimeoutException: The run did not end within 00:00:01.");
        (await Source.ScalarAsync<string>("select string_agg(text, ', ') from effects")).ShouldBe("one");
    }

    [Fact]
    public async Task A_step_whose_outcome_is_unknown_is_undone_where_that_is_wanted()
    {
        var declined = new ProblemType("declined", 409, "Declined");
        await using var app = await StartAsync(saga => saga
            .Step("charge", (Order order, Outbound outbound) => order.Name == "refused" ? Fail<Charge>(declined.Because("No.")) : Fail<Charge>(new TimeoutException("No answer.")),
                undo: (Order order, Charge? charge, Outbound outbound) => Call($"undo {order.Name} {charge?.Id ?? "unknown"}", outbound), step => step.Retry(2, soon, soon).UndoIfUnknown()));

        await EnqueueAsync(app, "silent");
        await EnqueueAsync(app, "refused");
        await EndedAsync(app, "silent", SagaStatus.Compensated);
        await EndedAsync(app, "refused", SagaStatus.Compensated);

        Effects.ShouldBe(["undo silent unknown"]);
    }

    [Fact]
    public async Task Branches_are_taken_once_and_what_they_give_may_be_missing()
    {
        await using var app = await StartAsync(saga => saga
            .When("is large", (Order order) => order.Total > 100,
                then => then.Step("check", (Order order, Outbound outbound) => Call(new Reservation("checked"), $"check {order.Name}", outbound)),
                otherwise => otherwise.Step("wave through", (Order order, Outbound outbound) => Call($"wave {order.Name}", outbound)))
            .Step("ship", (Order order, Reservation? check, Outbound outbound) => Call($"ship {order.Name} {check?.Number ?? "unchecked"}", outbound)));

        await EnqueueAsync(app, "small", 10);
        await EndedAsync(app, "small", SagaStatus.Completed);
        await EnqueueAsync(app, "large", 1000);
        var ended = await EndedAsync(app, "large", SagaStatus.Completed);

        Effects.ShouldBe(["wave small", "ship small unchecked", "check large", "ship large checked"]);
        ended.Timeline.Select(entry => $"{entry.Item} {entry.Event}").ShouldBe(["is large Then", "check Done", "ship Done"]);
    }

    [Fact]
    public async Task Steps_together_run_at_the_same_time_and_all_of_them_are_waited_for()
    {
        var (first, second) = (new TaskCompletionSource(), new TaskCompletionSource());
        await using var app = await StartAsync(saga => saga
            .Together(together => together
                .Step("left", async (Outbound outbound) => { first.SetResult(); await second.Task.WaitAsync(outbound.Cancellation); return new Reservation("left"); })
                .Step("right", async (Outbound outbound) => { second.SetResult(); await first.Task.WaitAsync(outbound.Cancellation); return new Charge("right", 1); }))
            .Step("after", (Reservation left, Charge right, Outbound outbound) => Call($"after {left.Number} {right.Id}", outbound)));

        await EnqueueAsync(app, "a");
        await EndedAsync(app, "a", SagaStatus.Completed);

        Effects.ShouldBe(["after left right"]);
    }

    [Fact]
    public async Task When_one_of_several_fails_the_others_are_ended_first_and_undone()
    {
        var (failed, tried) = (new TaskCompletionSource(), new TaskCompletionSource());
        await using var app = await StartAsync(saga => saga
            .Together(together => together
                .Step("slow", async (Outbound outbound) => { await failed.Task.WaitAsync(outbound.Cancellation); return new Reservation("slow"); }, undo: (Reservation slow, Outbound outbound) => Call($"undo {slow.Number}", outbound))
                .Step("failing", async (Outbound outbound) => { await tried.Task.WaitAsync(outbound.Cancellation); throw new IOException("Away."); }, options: step => step.Retry(1))
                .Step("delayed", (Outbound outbound) => { tried.TrySetResult(); return Fail(new IOException("Later.")); }, undo: (Outbound outbound) => Call("undo delayed", outbound), step => step.On<IOException>(RetryRule.After(TimeSpan.FromHours(1))))));

        await EnqueueAsync(app, "a");
        await Source.ShouldBecomeAsync("select coalesce((select (state ->> 'turned') is not null and status = 'compensating' from mainstay.sagas), false)", true);
        failed.SetResult();
        var ended = await EndedAsync(app, "a", SagaStatus.Compensated);

        Effects.ShouldBe(["undo slow"]);
        ended.Timeline.Select(entry => $"{entry.Item} {entry.Event}").Order().ShouldBe(new[] { " Turned", "delayed Failed", "failing Failed", "slow Done", "slow Undone" }.Order());
    }

    [Fact]
    public async Task A_step_that_was_done_and_cannot_be_recorded_makes_the_saga_stand_and_is_not_undone_as_if_it_had_failed()
    {
        var isBroken = true;
        await using var app = await StartAsync(saga => saga
            .Step("charge", (Outbound outbound) => Call(new Charge("c", 1), "charge", outbound), undo: (Outbound outbound) => Call("undo charge", outbound), step => step.Retry(3, soon, soon))
            .When("is dear", (Charge charge) => isBroken ? throw new InvalidOperationException("A mistake in the condition.") : charge.Amount > 5, then => then.Step("ask", (Outbound outbound) => Call("ask", outbound))));

        await EnqueueAsync(app, "a");
        await Source.ShouldBecomeAsync("select coalesce((select status from mainstay.sagas), '')", "stuck");
        Effects.ShouldBe(["charge"]);
        (await Source.ScalarAsync<string>("select errors -> -1 ->> 'error' from mainstay.jobs_dead")).ShouldContain("MST3108: 'ship order: charge' was done");

        isBroken = false;
        (await app.Services.GetRequiredService<Sagas>().RetryAsync(await Source.ScalarAsync<Guid>("select id from mainstay.sagas"), "mended", cancellation: Stop)).ShouldBeTrue();
        await EndedAsync(app, "a", SagaStatus.Completed);

        Effects.ShouldBe(["charge", "charge"]);
        _calls.Distinct().Count().ShouldBe(1);
    }

    [Fact]
    public async Task A_step_that_was_done_is_recorded_when_another_step_holds_the_saga_for_long()
    {
        await using var app = await StartAsync(saga => saga
            .Step("charge", (Outbound outbound) => Call(new Charge("c", 1), "charge", outbound), undo: (Outbound outbound) => Call("undo charge", outbound), step => step.Retry(1)));
        // As if somebody had held the row for as long as one waits for it.
        await Source.ExecuteAsync("""
            create sequence waits;
            create function out_of_time() returns trigger language plpgsql as $$
            begin
                if nextval('waits') = 1 then
                    raise exception 'canceling statement due to lock timeout' using errcode = '55P03';
                end if;
                return old;
            end $$;
            create trigger holds before delete on mainstay.sagas for each row execute function out_of_time();
            """);

        await EnqueueAsync(app, "a");
        var ended = await EndedAsync(app, "a", SagaStatus.Completed);

        Effects.ShouldBe(["charge"]);
        ended.Timeline.Select(entry => $"{entry.Item} {entry.Event}").ShouldBe(["charge Done"]);
        (await Source.ScalarAsync<long>("select last_value from waits")).ShouldBe(2);
    }

    [Fact]
    public async Task A_step_that_was_done_is_not_given_up_as_if_it_had_failed_whatever_keeps_it_from_being_recorded()
    {
        await using var app = await StartAsync(saga => saga
            .Step("charge", (Outbound outbound) => Call(new Charge("c", 1), "charge", outbound), undo: (Outbound outbound) => Call("undo charge", outbound), step => step.Retry(1)));
        await Source.ExecuteAsync("""
            create function refuse() returns trigger language plpgsql as $$ begin raise exception 'Not now.' using errcode = '55000'; end $$;
            create trigger refuses before delete on mainstay.sagas for each row execute function refuse();
            """);

        await EnqueueAsync(app, "a");
        await Source.ShouldBecomeAsync("select coalesce((select status from mainstay.sagas), '')", "stuck");

        Effects.ShouldBe(["charge"]);
        (await Source.ScalarAsync<string>("select errors -> -1 ->> 'error' from mainstay.jobs_dead")).ShouldContain("MST3108: 'ship order: charge' was done");
    }

    [Fact]
    public async Task A_text_that_PostgreSQL_cannot_read_again_is_kept_in_no_saga()
    {
        await using var app = await StartAsync(saga => saga.By(order => order.Name)
            .Step("number", (Order order, UnitOfWork work) => new Reservation(order.Name == "inside" ? "\0" : "1"), options: step => step.Retry(1))
            .Step("charge", (Order order, Outbound outbound) => Call(new Charge(order.Name == "outside" ? "\0" : @"\u0000", 1), "charge", outbound), options: step => step.Retry(1))
            .Wait<Paid>("paid", paid => paid.Order.TrimEnd('\0'), TimeSpan.FromHours(1)));

        await EnqueueAsync(app, "inside");
        (await EndedAsync(app, "inside", SagaStatus.Compensated)).Timeline[0].Note!.ShouldContain("MST3109");
        await EnqueueAsync(app, "outside");
        await Source.ShouldBecomeAsync("select coalesce((select status from mainstay.sagas), '')", "stuck");
        (await Source.ScalarAsync<string>("select errors -> -1 ->> 'error' from mainstay.jobs_dead")).ShouldSatisfyAllConditions(error => error.ShouldContain("MST3108"), error => error.ShouldContain("MST3109"));
        await PublishAsync(app, new Paid("early\0", 1));
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs where handler = 'ship order: paid' and errors -> -1 ->> 'error' like '%MST3109%'", 1L);
        await EnqueueAsync(app, "waits");
        await Source.ShouldBecomeAsync("select count(*) from mainstay.sagas where status = 'waiting' and state -> 'log' -> 1 -> 'result' ->> 'id' = '\\u0000'", 1L);
        await PublishAsync(app, new Paid("waits\0", 1));
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs where handler = 'ship order: paid' and errors -> -1 ->> 'error' like '%MST3109%'", 2L);

        (await Source.ScalarAsync<long>("select count(*) from mainstay.saga_events")).ShouldBe(0);
    }

    [Fact]
    public async Task An_event_does_not_wait_for_the_first_step_of_the_saga_that_it_is_for()
    {
        var gate = new TaskCompletionSource();
        await using var app = await StartAsync(saga => saga.By(order => order.Name)
            .Step("pack", async (UnitOfWork work) =>
            {
                await work.ExecuteAsync($"insert into effects (text) values ('pack')");
                _calls.Enqueue("pack|");
                await gate.Task.WaitAsync(work.Cancellation);
            })
            .Wait<Paid>("paid", paid => paid.Order, TimeSpan.FromHours(1))
            .Step("ship", (Paid paid, Outbound outbound) => Call($"ship {paid.Amount}", outbound)));

        await EnqueueAsync(app, "a");
        await Waiting.UntilAsync(() => Task.FromResult(!_calls.IsEmpty));
        await PublishAsync(app, new Paid("a", 3));
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs where handler = 'ship order: paid' and state = 2 and attempt = 0 and fence > 0", 1L);
        gate.SetResult();
        await EndedAsync(app, "a", SagaStatus.Completed);

        Effects.ShouldBe(["pack", "ship 3"]);
    }

    [Fact]
    public async Task What_begins_nothing_leaves_the_events_that_are_kept()
    {
        await using var app = await StartAsync(saga => saga.By(order => order.Name).Wait<Paid>("paid", paid => paid.Order, TimeSpan.FromHours(1)));
        await EnqueueAsync(app, "a");
        await Source.ShouldBecomeAsync("select count(*) from mainstay.sagas where status = 'waiting'", 1L);
        await Source.ExecuteAsync("""insert into mainstay.saga_events (saga, key, item, payload) values ('ship order', 'a', 'paid', '{"order":"a","amount":4}')""");

        await EnqueueAsync(app, "a");
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_done where handler = 'ship order'", 2L);
        (await Source.ScalarAsync<long>("select count(*) from mainstay.saga_events")).ShouldBe(1);

        await PublishAsync(app, new Paid("a", 3));
        await EndedAsync(app, "a", SagaStatus.Completed);
        await EnqueueAsync(app, "a");
        await Source.ShouldBecomeAsync("select count(*) from mainstay.sagas_ended where outcome = 'completed'", 2L);
        (await Source.ScalarAsync<long>("select count(*) from mainstay.saga_events")).ShouldBe(0);
    }

    [Fact]
    public async Task A_step_that_puts_itself_off_does_not_hold_up_the_way_back()
    {
        var asleep = new TaskCompletionSource();
        await using var app = await StartAsync(saga => saga
            .Together(together => together
                .Step("asleep", (Outbound outbound) => { asleep.TrySetResult(); throw new SnoozeException(TimeSpan.FromHours(6)); })
                .Step("failing", async (Outbound outbound) => { await asleep.Task.WaitAsync(outbound.Cancellation); throw new IOException("Away."); }, options: step => step.Retry(1))));

        await EnqueueAsync(app, "a");

        (await EndedAsync(app, "a", SagaStatus.Compensated)).Timeline.Select(entry => entry.Event).ShouldContain(SagaEvent.Turned);
    }

    [Fact]
    public async Task It_waits_for_an_event_and_hands_it_on()
    {
        await using var app = await StartAsync(saga => saga.By(order => order.Name)
            .Wait<Paid>("paid", paid => paid.Order, TimeSpan.FromHours(1))
            .Step("ship", (Paid paid, Outbound outbound) => Call($"ship {paid.Order} {paid.Amount}", outbound)));

        await EnqueueAsync(app, "a");
        await Source.ShouldBecomeAsync("select count(*) from mainstay.sagas where status = 'waiting'", 1L);
        (await Source.ScalarAsync<string>("select string_agg(handler || ' ' || state, ', ') from mainstay.jobs")).ShouldBe("ship order: end of paid 2");
        await PublishAsync(app, new Paid("other", 1));
        await PublishAsync(app, new Paid("a", 7));
        await EndedAsync(app, "a", SagaStatus.Completed);

        Effects.ShouldBe(["ship a 7"]);
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs", 0L);
        await Source.ShouldBecomeAsync("select coalesce(string_agg(key, ', '), '') from mainstay.saga_events", "other");
    }

    [Fact]
    public async Task An_event_that_comes_before_the_wait_or_before_the_saga_is_kept_and_the_first_counts()
    {
        var gate = new TaskCompletionSource();
        await using var app = await StartAsync(saga => saga.By(order => order.Name)
            .Step("pack", async (Outbound outbound) => { await gate.Task.WaitAsync(outbound.Cancellation); })
            .Wait<Paid>("paid", paid => paid.Order, TimeSpan.FromHours(1))
            .Step("ship", (Paid paid, Outbound outbound) => Call($"ship {paid.Order} {paid.Amount}", outbound)));

        await PublishAsync(app, new Paid("early", 1));
        await Source.ShouldBecomeAsync("select count(*) from mainstay.saga_events", 1L);
        await PublishAsync(app, new Paid("early", 2));
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_done", 2L);
        await EnqueueAsync(app, "early");
        await EnqueueAsync(app, "packing");
        await Source.ShouldBecomeAsync("select count(*) from mainstay.sagas", 2L);
        await PublishAsync(app, new Paid("packing", 3));
        await Source.ShouldBecomeAsync("select count(*) from mainstay.sagas where state::text like '%\"received\"%'", 2L);
        gate.SetResult();
        await EndedAsync(app, "early", SagaStatus.Completed);
        await EndedAsync(app, "packing", SagaStatus.Completed);

        Effects.Order().ShouldBe(["ship early 1", "ship packing 3"]);
        (await Source.ScalarAsync<long>("select count(*) from mainstay.saga_events")).ShouldBe(0);
    }

    [Theory]
    [InlineData(SagaLate.Compensate, "book, undo book")]
    [InlineData(SagaLate.Continue, "book, ship unpaid")]
    public async Task An_event_that_does_not_come_in_time(SagaLate late, string effects)
    {
        await using var app = await StartAsync(saga => saga.By(order => order.Name)
            .Step("book", (Outbound outbound) => Call("book", outbound), undo: (Outbound outbound) => Call("undo book", outbound))
            .Wait<Paid>("paid", paid => paid.Order, TimeSpan.FromMilliseconds(100), late)
            .Step("ship", (Order order, Paid? paid, Outbound outbound) => Call($"ship {(paid is null ? "unpaid" : "paid")}", outbound), options: _ => { }));

        await EnqueueAsync(app, "a");
        await EndedAsync(app, "a", late == SagaLate.Continue ? SagaStatus.Completed : SagaStatus.Compensated);

        string.Join(", ", Effects).ShouldBe(effects);
    }

    [Fact]
    public async Task One_that_is_not_done_in_time_goes_back_also_while_a_retry_is_far_off()
    {
        await using var app = await StartAsync(saga => saga
            .Step("book", (Outbound outbound) => Call("book", outbound), undo: (Outbound outbound) => Call("undo book", outbound))
            .Step("ship", (Outbound outbound) => { _calls.Enqueue("ship|"); throw new IOException("Away."); }, undo: (Outbound outbound) => Call("undo ship", outbound), step => step.Retry(10, TimeSpan.FromHours(1), TimeSpan.FromHours(2)).UndoIfUnknown())
            .Within(TimeSpan.FromSeconds(4)));      // time enough to come to the second step

        await EnqueueAsync(app, "a");
        var ended = await EndedAsync(app, "a", SagaStatus.Compensated);

        Effects.First().ShouldBe("book");
        Effects.TakeLast(2).ShouldBe(["undo ship", "undo book"]);
        ended.Turned.ShouldBe("It has not come to its end within 00:00:04.");
    }

    [Fact]
    public async Task While_one_of_a_key_is_open_no_other_begins()
    {
        await using var app = await StartAsync(saga => saga.By(order => order.Name).Wait<Paid>("paid", paid => paid.Order, TimeSpan.FromHours(1)));

        await EnqueueAsync(app, "a");
        await EnqueueAsync(app, "a");
        await EnqueueAsync(app, "b");
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_done", 3L);
        (await Source.ScalarAsync<long>("select count(*) from mainstay.sagas")).ShouldBe(2);

        await PublishAsync(app, new Paid("a", 1));
        await EndedAsync(app, "a", SagaStatus.Completed);
        await EnqueueAsync(app, "a");
        await Source.ShouldBecomeAsync("select count(*) from mainstay.sagas", 2L);
    }

    [Fact]
    public async Task While_one_of_a_key_is_open_no_other_begins_also_where_no_event_is_waited_for()
    {
        var gate = new TaskCompletionSource();
        await using var app = await StartAsync(saga => saga.By(order => order.Name).Step("pack", async (Order order, Outbound outbound) =>
        {
            _calls.Enqueue($"pack {order.Name}|");
            await gate.Task.WaitAsync(outbound.Cancellation);
        }));

        await EnqueueAsync(app, "a");
        await Source.ShouldBecomeAsync("select count(*) from mainstay.sagas", 1L);
        await EnqueueAsync(app, "a");
        await EnqueueAsync(app, "b");
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs_done", 3L);
        (await Source.ScalarAsync<long>("select count(*) from mainstay.sagas")).ShouldBe(2);
        gate.SetResult();
        await EndedAsync(app, "a", SagaStatus.Completed);
        await EndedAsync(app, "b", SagaStatus.Completed);

        Effects.Order().ShouldBe(["pack a", "pack b"]);
    }

    [Fact]
    public async Task One_that_has_begun_goes_on_in_the_slot_of_its_step_before_another_begins()
    {
        await using var app = await StartAsync(saga => saga
            .Step("one", (Order order, UnitOfWork work) => work.Execute($"insert into effects (text) values ({$"{order.Name}1"})"))
            .Step("two", (Order order, Outbound outbound) => Call($"{order.Name}2", outbound))
            .Step("three", (Order order, UnitOfWork work) => work.Execute($"insert into effects (text) values ({$"{order.Name}3"})")), workers: 1);

        await app.Services.GetRequiredService<Jobs>().EnqueueManyAsync([new Order("a", 1), new Order("b", 1), new Order("c", 1)], cancellation: Stop);
        await Source.ShouldBecomeAsync("select count(*) from mainstay.sagas_ended where outcome = 'completed'", 3L);

        (await Source.ScalarAsync<string>("select string_agg(text, ' ' order by number) from effects")).ShouldBe("a1 a3 b1 b3 c1 c3");
        Effects.ShouldBe(["a2", "b2", "c2"]);
    }

    [Fact]
    public async Task An_event_of_the_application_begins_one()
    {
        await using var app = await PlainApplication.StartAsync(ConnectionString, services => services
            .AddOutbox(outbox => outbox.Event<Paid>("paid"))
            .AddJobs(jobs => jobs.Saga<Paid>("thank").Step("say it", (Paid paid, Outbound outbound) => Call($"thanks for {paid.Amount}", outbound)), Options));

        await PublishAsync(app, new Paid("a", 3));
        await Source.ShouldBecomeAsync("select count(*) from mainstay.sagas_ended where outcome = 'completed'", 1L);

        Effects.ShouldBe(["thanks for 3"]);
    }

    private static readonly QueueOptions Options = new() { PollInterval = TimeSpan.FromMilliseconds(50), Workers = 8 };

    private Task<PlainApplication> StartAsync(Action<SagaDeclaration<Order>> declare, int? workers = null)
    {
        return PlainApplication.StartAsync(ConnectionString, services => services
            .AddOutbox(outbox => outbox.Event<Paid>("order.paid"))
            .AddJobs(jobs => declare(jobs.Saga<Order>("ship order")), Options with { Workers = workers ?? Options.Workers }));
    }

    private async Task<SagaInstance> EndedAsync(PlainApplication app, string name, SagaStatus outcome)
    {
        var sagas = app.Services.GetRequiredService<Sagas>();
        SagaInstance? ended = null;
        await Waiting.UntilAsync(async () =>
        {
            foreach (var found in await sagas.ListAsync(new SagaFilter { Saga = "ship order", Status = outcome }, cancellation: Stop))
                if (await sagas.FindAsync(found.Id, Stop) is { } instance && instance.Input.GetProperty("name").GetString() == name)
                    ended = instance;
            return ended is not null;
        });
        return ended!;
    }

    private Task Call(string what, Outbound outbound)
    {
        _calls.Enqueue($"{what}|{outbound.Key}");
        return Task.CompletedTask;
    }

    private Task<T> Call<T>(T result, string what, Outbound outbound)
    {
        _calls.Enqueue($"{what}|{outbound.Key}");
        return Task.FromResult(result);
    }

    private static Task Fail(Exception error) => Task.FromException(error);

    private static Task<T> Fail<T>(Exception error) => Task.FromException<T>(error);

    private static Task<Guid> EnqueueAsync(PlainApplication app, string name, decimal total = 1) => app.Services.GetRequiredService<Jobs>().EnqueueAsync(new Order(name, total), cancellation: Stop);

    private async Task PublishAsync(PlainApplication app, Paid paid)
    {
        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using var transaction = await connection.BeginTransactionAsync(Stop);
        await app.Services.GetRequiredService<Outbox>().PublishAsync(paid, transaction, Stop);
        await transaction.CommitAsync(Stop);
        app.Services.GetRequiredService<Outbox>().Wake();
    }

    private sealed record Order(string Name, decimal Total);

    private sealed record Paid(string Order, int Amount);

    private sealed record Reservation(string Number);

    private sealed record Charge(string Id, decimal Amount);
}
