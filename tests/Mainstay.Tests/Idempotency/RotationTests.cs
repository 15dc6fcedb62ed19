using System.ComponentModel.DataAnnotations;
using System.Data;
using Mainstay.Internal;
using Npgsql;

namespace Mainstay.Tests;

public record Stamp(Id<Stamp> Id, [MaxLength(60)] string Text);

public record StampText([MaxLength(60)] string Text);

/// <summary>Two nodes whose receipts change places whenever a test wants.</summary>
public sealed class RotationFixture(PostgresFixture postgres) : IAsyncLifetime
{
    internal TestBackend First { get; private set; } = null!;

    internal TestBackend Second { get; private set; } = null!;

    internal Meeting Meeting { get; private set; } = new();

    internal int MayPass;

    public async ValueTask InitializeAsync()
    {
        var database = await postgres.CreateDatabaseAsync();
        First = await TestBackend.StartAsync(database, Declare);
        Second = await TestBackend.StartAsync(database, Declare);
        await First.RestAsync();
        await Second.RestAsync();
    }

    private void Declare(Backend backend)
    {
        TestSignIn.AddTo(backend);
        backend.Resource<Stamp>("/v1/stamps").AllowRead(Policy.Anyone).AllowWrite(Policy.SignedIn);
        foreach (var level in new[] { IsolationLevel.ReadCommitted, IsolationLevel.RepeatableRead, IsolationLevel.Serializable })
            backend.Command($"POST /v1/slow/{level.ToString().ToLowerInvariant()}", async (StampText input, UnitOfWork work) =>
            {
                await work.QueryAsync<long>($"select count(*) from stamps");
                if (Interlocked.Decrement(ref MayPass) == 0)
                    await Meeting.MeetAsync(work.Cancellation);
                var stamp = new Stamp(Id<Stamp>.New(), input.Text);
                work.Insert(stamp);
                return stamp;
            }).Allow(Policy.SignedIn).Isolation(level);
    }

    /// <summary>As if a lifetime had gone by since receipts changed places, and everything before had expired.</summary>
    internal Task ComeOfAgeAsync() => First.ExecuteAsync("""
        update mainstay.receipts_since set at = at - interval '25 hours';
        update mainstay.receipts_before set expires_at = now() - interval '1 second';
        """);

    internal Task<bool> RotateAsync(TestBackend node) => node.Running.Services.Receipts.RotateAsync(TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        if (First is not null)
            await First.DisposeAsync();
        if (Second is not null)
            await Second.DisposeAsync();
    }
}

public sealed class RotationTests(RotationFixture nodes) : IClassFixture<RotationFixture>
{
    private Task<Reply> StampAsync(TestBackend node, string text, string key) => node.User("ann").PostAsync("/v1/stamps", new { text }, $"Idempotency-Key: {key}");

    private Task<long> StampsAsync(string text) => nodes.First.CountAsync($"stamps where text = '{text}'");

    [Fact]
    public async Task A_key_is_remembered_across_the_change_and_gone_after_the_next()
    {
        var before = (await StampAsync(nodes.First, "kept", "kept")).Expect(201);
        (await nodes.RotateAsync(nodes.First)).ShouldBeFalse("it is not time");
        await nodes.ComeOfAgeAsync();

        (await nodes.RotateAsync(nodes.Second)).ShouldBeTrue();

        var after = (await StampAsync(nodes.Second, "kept", "kept")).Expect(201);
        (after.Text, after.ETag, after.Header("Location"), after.Header("Idempotency-Replayed")).ShouldBe((before.Text, before.ETag, before.Header("Location"), "true"));
        (await StampAsync(nodes.First, "other", "kept")).Expect(422, "idempotency-key-reused");
        (await StampsAsync("kept")).ShouldBe(1);

        await nodes.First.ExecuteAsync("update mainstay.receipts_since set at = at - interval '25 hours'");
        (await nodes.RotateAsync(nodes.First)).ShouldBeFalse("what is before has not expired");
        await nodes.ComeOfAgeAsync();
        (await nodes.RotateAsync(nodes.First)).ShouldBeTrue();
        (await nodes.First.CountAsync("(select key from mainstay.receipts union all select key from mainstay.receipts_before) as kept where key = 'kept'")).ShouldBe(0);
        (await StampAsync(nodes.First, "kept", "kept")).Expect(201).Header("Idempotency-Replayed").ShouldBeNull();
    }

    [Fact]
    public async Task A_key_that_has_expired_before_the_next_change_starts_afresh()
    {
        (await StampAsync(nodes.First, "expired", "expired")).Expect(201);
        await nodes.ComeOfAgeAsync();
        (await nodes.RotateAsync(nodes.First)).ShouldBeTrue();
        await nodes.First.ExecuteAsync("update mainstay.receipts_before set expires_at = now() - interval '1 second' where key = 'expired'");

        (await StampAsync(nodes.First, "expired", "expired")).Expect(201).Header("Idempotency-Replayed").ShouldBeNull();
        (await StampAsync(nodes.Second, "expired", "expired")).Expect(201).Header("Idempotency-Replayed").ShouldBe("true");

        (await StampsAsync("expired")).ShouldBe(2);
    }

    [Fact]
    public async Task Receipts_do_not_change_places_while_one_is_being_written()
    {
        (await StampAsync(nodes.First, "straddling", "straddling-original")).Expect(201);
        await using var other = await nodes.First.ConnectAsync();
        await using var transaction = await other.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await using (var command = new NpgsqlCommand("insert into mainstay.receipts select scope, 'straddling', fingerprint, status, headers, body, expires_at from mainstay.receipts where key = 'straddling-original'", other, transaction))
            await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        await nodes.ComeOfAgeAsync();

        (await Should.ThrowAsync<PostgresException>(() => nodes.RotateAsync(nodes.Second))).SqlState.ShouldBe(PostgresErrorCodes.LockNotAvailable);
        await transaction.CommitAsync(TestContext.Current.CancellationToken);
        (await nodes.RotateAsync(nodes.Second)).ShouldBeTrue();

        (await StampAsync(nodes.Second, "straddling", "straddling")).Expect(201).Header("Idempotency-Replayed").ShouldBe("true");
        (await StampsAsync("straddling")).ShouldBe(1);
    }

    /// <summary>The transaction of the first call began to look before the second one was committed and receipts changed places.</summary>
    [Theory, InlineData("readcommitted"), InlineData("repeatableread"), InlineData("serializable")]
    public async Task A_transaction_with_an_old_view_overlooks_no_key(string isolation)
    {
        var key = $"old-view-{isolation}";
        Task<Reply> Slow(TestBackend node) => node.User("ann").PostAsync($"/v1/slow/{isolation}", new { text = key }, $"Idempotency-Key: {key}");
        var round = nodes.Meeting;
        round.Arrived = new(TaskCreationOptions.RunContinuationsAsynchronously);
        round.Leave = new(TaskCreationOptions.RunContinuationsAsynchronously);
        nodes.MayPass = 1;
        var slow = Slow(nodes.First);
        await round.Arrived.Task.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);

        var fast = (await Slow(nodes.Second)).Expect(201);
        await nodes.ComeOfAgeAsync();
        (await nodes.RotateAsync(nodes.Second)).ShouldBeTrue();
        round.Leave.SetResult();

        var late = (await slow).Expect(201);
        (late.Text, late.Header("Idempotency-Replayed")).ShouldBe((fast.Text, "true"));
        (await StampsAsync(key)).ShouldBe(1);
    }

    [Fact]
    public async Task Twelve_repetitions_on_two_nodes_while_receipts_change_places_are_one_effect()
    {
        var changes = 0;
        for (var round = 0; round < 40; round++)
        {
            var key = $"race-{round}";
            await nodes.ComeOfAgeAsync();

            var stamping = Enumerable.Range(0, 12).Select(i => StampAsync(i % 2 == 0 ? nodes.First : nodes.Second, key, key)).ToArray();
            var rotating = new[] { RotateUntilDoneAsync(nodes.First), RotateUntilDoneAsync(nodes.Second) };
            var replies = await Task.WhenAll(stamping);
            changes += (await Task.WhenAll(rotating)).Count(isDone => isDone);

            replies.ShouldAllBe(reply => reply.Status == 201);
            replies.Select(reply => reply.Text).Distinct().ShouldHaveSingleItem();
            replies.Count(reply => reply.Header("Idempotency-Replayed") is null).ShouldBe(1);
            (await StampsAsync(key)).ShouldBe(1);
        }
        changes.ShouldBe(40);

        // One of the two nodes does it; the other one finds it done.
        async Task<bool> RotateUntilDoneAsync(TestBackend node)
        {
            while (true)
                try
                {
                    return await nodes.RotateAsync(node);
                }
                catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.LockNotAvailable)
                {
                    // Somebody was writing for longer than it waits. The sweeper comes again in a minute, the test at once.
                }
        }
    }

    /// <summary>Otherwise an application that may only read and write rows could not keep house.</summary>
    [Fact]
    public async Task What_changes_tables_runs_with_the_rights_of_their_owner() =>
        (await nodes.First.ScalarAsync<string>("select string_agg(proname, ' ' order by proname) from pg_proc where pronamespace = 'mainstay'::regnamespace and prosecdef and proconfig = '{\"search_path=pg_catalog, pg_temp\"}'"))
            .ShouldBe("add_audit_partitions drop_audit_partitions rotate_receipts");
}
