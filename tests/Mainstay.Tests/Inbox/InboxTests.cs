using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>Messages from outside, which come more than once. Each test has its own database.</summary>
public sealed class InboxTests(PostgresFixture postgres) : OwnDatabaseTests(postgres)
{
    protected override Task PrepareAsync() => Source.ExecuteAsync($"create table effects (id bigint generated always as identity, text text not null); {ShopContext.Tables}");

    [Fact]
    public async Task Of_many_that_arrive_at_once_on_several_nodes_one_is_handled_and_all_get_its_answer()
    {
        await using var one = await StartAsync();
        await using var other = await StartAsync();
        // What comes before a day has its partition is kept with the rest.
        await Source.ShouldBecomeAsync("select to_regclass('mainstay.inbox_' || to_char(now() at time zone 'UTC', 'YYYYMMDD')) is not null", true);

        var answers = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => (i % 2 == 0 ? one : other).Services.GetRequiredService<Inbox>().ReceiveAsync("payments", "evt_1", async work =>
        {
            await work.ExecuteAsync($"insert into effects (text) values ('handled')");
            work.Enqueue(new Write("enqueued"));
            return new Accepted((await work.QueryAsync<long>($"select max(id) from effects"))[0], ["a", "b"]);
        }, Stop)));

        answers.Select(answer => $"{answer.Number} {string.Join(',', answer.Parts)}").Distinct().ShouldHaveSingleItem().ShouldEndWith(" a,b");
        await Source.ShouldBecomeAsync("select string_agg(text, ', ' order by text) from effects", "enqueued, handled");
        (await Source.ScalarAsync<long>("select count(*) from mainstay.inbox")).ShouldBe(1);
        (await Source.ScalarAsync<long>("select count(*) from mainstay.inbox_default")).ShouldBe(0);
    }

    [Fact]
    public async Task The_same_id_of_another_source_is_another_message()
    {
        await using var app = await StartAsync();
        var inbox = app.Services.GetRequiredService<Inbox>();

        (await inbox.ReceiveAsync("payments", "1", work => Task.FromResult("payment"), Stop)).ShouldBe("payment");
        (await inbox.ReceiveAsync("parcels", "1", work => Task.FromResult("parcel"), Stop)).ShouldBe("parcel");
        (await inbox.ReceiveAsync("payments", "1", work => Task.FromResult("again"), Stop)).ShouldBe("payment");
        (await inbox.ReceiveAsync("payments", "2", work => Task.FromResult<string?>(null), Stop)).ShouldBeNull();
        (await inbox.ReceiveAsync("payments", "2", work => Task.FromResult<string?>("again"), Stop)).ShouldBeNull();
    }

    [Fact]
    public async Task What_fails_was_not_received()
    {
        await using var app = await StartAsync();
        var inbox = app.Services.GetRequiredService<Inbox>();

        await Should.ThrowAsync<InvalidOperationException>(() => inbox.ReceiveAsync<int>("payments", "1", async work =>
        {
            await work.ExecuteAsync($"insert into effects (text) values ('failed')");
            throw new InvalidOperationException("Not today.");
        }, Stop));

        (await inbox.ReceiveAsync("payments", "1", work => Task.FromResult(2), Stop)).ShouldBe(2);
        (await Source.ScalarAsync<long>("select count(*) from effects")).ShouldBe(0);
    }

    [Fact]
    public async Task A_message_is_received_in_the_transaction_of_the_application()
    {
        await using var app = await StartAsync();
        var inbox = app.Services.GetRequiredService<Inbox>();
        await using var shop = new ShopContext(new DbContextOptionsBuilder<ShopContext>().UseNpgsql(ConnectionString).Options);
        async Task<bool> ReceiveAsync(bool commits)
        {
            await using var transaction = await shop.Database.BeginTransactionAsync(Stop);
            var isNew = await inbox.TryReceiveAsync("payments", "1", transaction.GetDbTransaction(), Stop);
            if (isNew)
                shop.Orders.Add(new ShopOrder { Product = "tea", Quantity = 1 });
            await shop.SaveChangesAsync(Stop);
            if (commits)
                await transaction.CommitAsync(Stop);
            shop.ChangeTracker.Clear();
            return isNew;
        }

        (await ReceiveAsync(commits: false)).ShouldBeTrue();
        (await ReceiveAsync(commits: true)).ShouldBeTrue();
        (await ReceiveAsync(commits: true)).ShouldBeFalse();

        (await Source.ScalarAsync<long>("select count(*) from orders")).ShouldBe(1);
    }

    [Fact]
    public async Task The_second_of_two_transactions_waits_for_the_first_and_finds_its_message()
    {
        await using var app = await StartAsync();
        var inbox = app.Services.GetRequiredService<Inbox>();
        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using var first = await connection.BeginTransactionAsync(Stop);
        (await inbox.TryReceiveAsync("payments", "1", first, Stop)).ShouldBeTrue();

        var second = inbox.ReceiveAsync("payments", "1", work => Task.FromResult("handled twice"), Stop);
        await Source.ShouldBecomeAsync("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and wait_event = 'advisory' and datname = current_database()", 1L);
        await first.CommitAsync(Stop);

        (await second).ShouldBeNull();
    }

    [Fact]
    public async Task A_view_that_could_be_old_is_refused()
    {
        await using var app = await StartAsync();
        var inbox = app.Services.GetRequiredService<Inbox>();
        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using var transaction = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, Stop);

        (await Should.ThrowAsync<ConfigurationException>(() => inbox.TryReceiveAsync("payments", "1", transaction, Stop))).Code.ShouldBe("MST2802");
    }

    [Fact]
    public async Task A_source_that_is_not_declared_is_refused()
    {
        await using var app = await StartAsync();
        var inbox = app.Services.GetRequiredService<Inbox>();

        (await Should.ThrowAsync<ConfigurationException>(() => inbox.ReceiveAsync("payment", "1", work => Task.FromResult(1), Stop))).Message.ShouldStartWith("MST2801: 'payment' is not declared as a source of messages. Did you mean 'payments'?");
        await Should.ThrowAsync<ArgumentOutOfRangeException>(() => inbox.ReceiveAsync("payments", new string('x', 501), work => Task.FromResult(1), Stop));
    }

    [Fact]
    public async Task A_message_is_counted_when_its_transaction_is_committed_and_not_before()
    {
        var source = $"payments-{Guid.CreateVersion7():N}";
        using var counted = new CountedMessages(source);
        await using var app = await StartAsync(source);
        var inbox = app.Services.GetRequiredService<Inbox>();

        await Should.ThrowAsync<InvalidOperationException>(() => inbox.ReceiveAsync<int>(source, "1", work => throw new InvalidOperationException("Not today."), Stop));
        counted.Outcomes.ShouldBeEmpty();
        await inbox.ReceiveAsync(source, "1", work =>
        {
            counted.Outcomes.ShouldBeEmpty();
            return Task.FromResult(1);
        }, Stop);
        counted.Outcomes.ShouldBe(["accepted"]);
        await inbox.ReceiveAsync(source, "1", work => Task.FromResult(2), Stop);
        counted.Outcomes.ShouldBe(["accepted", "duplicate"]);
    }

    [Fact]
    public async Task A_message_that_comes_again_when_its_time_is_over_is_new_and_counted_as_late()
    {
        var source = $"payments-{Guid.CreateVersion7():N}";
        using var counted = new CountedMessages(source);
        await using var app = await StartAsync(source);
        var inbox = app.Services.GetRequiredService<Inbox>();
        await Source.ExecuteAsync($"""
            insert into mainstay.inbox (source, message, received_at, answer)
            select '{source}', 'after ' || hours, now() - hours * interval '1 hour', '1' from unnest(array[167, 169, 191, 193]) hours
            """);

        (await inbox.ReceiveAsync(source, "after 167", work => Task.FromResult(2), Stop)).ShouldBe(1);
        (await inbox.ReceiveAsync(source, "after 169", work => Task.FromResult(2), Stop)).ShouldBe(2);
        (await inbox.ReceiveAsync(source, "after 169", work => Task.FromResult(3), Stop)).ShouldBe(2);
        (await inbox.ReceiveAsync(source, "after 193", work => Task.FromResult(2), Stop)).ShouldBe(2);
        await using (var connection = await Source.OpenConnectionAsync(Stop))
        {
            await using var transaction = await connection.BeginTransactionAsync(Stop);
            (await inbox.TryReceiveAsync(source, "after 191", transaction, Stop)).ShouldBeTrue();
            await transaction.CommitAsync(Stop);
        }

        counted.Outcomes.ShouldBe(["duplicate", "late", "duplicate", "accepted", "late"]);
    }

    [Fact]
    public async Task Messages_are_forgotten_after_their_time_and_dropped_by_the_day()
    {
        await using (var app = await StartAsync())
            await app.Services.GetRequiredService<Inbox>().ReceiveAsync("payments", "old", work => Task.FromResult(1), Stop);
        await Source.ExecuteAsync("""
            select mainstay.add_partition('inbox', (now() at time zone 'UTC')::date - 9);
            insert into mainstay.inbox (source, message, received_at, answer) values ('payments', 'older', now() - interval '9 days', '1');
            delete from mainstay.inbox where message = 'old';
            insert into mainstay.inbox (source, message, received_at, answer) values ('payments', 'old', now() - interval '169 hours', '1');
            """);

        await using var next = await StartAsync();

        await Source.ShouldBecomeAsync("select count(*) from mainstay.inbox where message = 'older'", 0L);
        (await Source.ScalarAsync<bool>("select to_regclass('mainstay.inbox_' || to_char((now() at time zone 'UTC')::date - 9, 'YYYYMMDD')) is null")).ShouldBeTrue();
        (await next.Services.GetRequiredService<Inbox>().ReceiveAsync("payments", "old", work => Task.FromResult(2), Stop)).ShouldBe(2);
    }

    [Fact]
    public async Task A_command_of_a_backend_receives_in_its_unit_of_work()
    {
        await using var backend = await TestBackend.StartAsync(ConnectionString, declared =>
        {
            declared.Inbox("payments");
            declared.Command("POST /v1/payments", async (Paid input, UnitOfWork work, Inbox inbox) =>
            {
                if (await inbox.TryReceiveAsync("payments", input.EventId, work))
                    await work.ExecuteAsync($"insert into effects (text) values ({input.EventId})");
                return new Accepted(1, []);
            }).Allow(Policy.Anyone);
        });

        for (var i = 0; i < 3; i++)
            (await backend.Anonymous.PostAsync("/v1/payments", new { eventId = "evt_1" })).Expect(200);

        (await backend.CountAsync("effects")).ShouldBe(1);
    }

    private Task<PlainApplication> StartAsync(string source = "payments") => PlainApplication.StartAsync(ConnectionString, services => services
        .AddInbox(inbox => inbox.Source(source).Source("parcels"))
        .AddJobs(jobs => jobs.Job<Write>("write", (Write job, UnitOfWork work) => work.ExecuteAsync($"insert into effects (text) values ({job.Text})"))));

    private sealed record Write(string Text);

    /// <summary>How the messages of a source were counted, in order.</summary>
    private sealed class CountedMessages : IDisposable
    {
        private readonly MeterListener _listener;

        public CountedMessages(string source)
        {
            _listener = new MeterListener
            {
                InstrumentPublished = (instrument, listener) =>
                {
                    if (instrument.Name == "mainstay.inbox.messages")
                        listener.EnableMeasurementEvents(instrument);
                },
            };
            _listener.SetMeasurementEventCallback<long>((_, value, tags, _) =>
            {
                var tagged = tags.ToArray().ToDictionary();
                if ((string)tagged["mainstay.source"]! == source)
                    Outcomes.Enqueue((string)tagged["mainstay.outcome"]!);
            });
            _listener.Start();
        }

        public ConcurrentQueue<string> Outcomes { get; } = [];

        public void Dispose() => _listener.Dispose();
    }
}

public sealed record Accepted(long Number, IReadOnlyList<string> Parts);

public sealed record Paid(string EventId);
