using System.Collections.Concurrent;
using System.Text.Json;
using Mainstay.Internal;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>F4, F5, F6, F57: transactions of others that end late, in another order, or not at all.</summary>
public sealed class OpenTransactionTests(SharedServer server)
{
    private static CancellationToken Stop => Scene.Stop;

    [Fact]
    public async Task Jobs_that_are_committed_in_another_order_than_written_are_all_done()
    {
        await using var scene = await Scene.CreateAsync(server);
        await scene.StartAsync();
        await using var connection = await scene.Source.OpenConnectionAsync(Stop);
        await using var early = await connection.BeginTransactionAsync(Stop);
        await SendAsync(connection, "early");
        for (var i = 0; i < 200; i++)
            await scene.SendAsync("write", $"late-{i}");
        await scene.UntilEmptyAsync();

        await early.CommitAsync(Stop);

        await scene.UntilEmptyAsync();
        (await scene.FateAsync("early")).ShouldBe("done 1");
        await scene.VerifyAsync();
    }

    [Fact]
    public async Task A_transaction_that_never_ends_keeps_back_its_own_job_only_and_a_rollback_leaves_none()
    {
        await using var scene = await Scene.CreateAsync(server);
        await scene.StartAsync();
        await using (var connection = await scene.Source.OpenConnectionAsync(Stop))
        {
            await using var endless = await connection.BeginTransactionAsync(Stop);
            await SendAsync(connection, "endless");
            for (var i = 0; i < 200; i++)
                await scene.SendAsync("write", $"job-{i}");

            await scene.UntilEmptyAsync();
            (await scene.ScalarAsync<long>("select count(*) from mainstay.jobs_done where attempt = 1")).ShouldBe(200);
            await endless.RollbackAsync(Stop);
        }

        await scene.SendAsync("write", "afterwards");
        await scene.UntilEmptyAsync();
        (await scene.ScalarAsync<long>("select count(*) from effects")).ShouldBe(201);
        await scene.VerifyAsync();
    }

    /// <summary>Under a transaction that does not end, nothing that is gone can be removed. The server itself says of each claim what it has read to find its jobs.</summary>
    [Fact]
    public async Task What_a_claim_reads_stays_the_same_however_long_a_transaction_is_open()
    {
        const int Gone = 900, Jobs = 100, PagesMost = 20;
        await using var scene = await Scene.CreateAsync(server);
        await scene.SetAsync(("session_preload_libraries", "auto_explain"), ("auto_explain.log_min_duration", "0"), ("auto_explain.log_analyze", "on"), ("auto_explain.log_buffers", "on"),
            ("auto_explain.log_timing", "off"), ("auto_explain.log_format", "json"), ("auto_explain.log_level", "notice"));
        await using var connection = await scene.Source.OpenConnectionAsync(Stop);
        await using var endless = await connection.BeginTransactionAsync(Stop);
        await SendAsync(connection, "endless");
        await scene.SendAllAsync("write", "gone", Gone);
        var node = scene.Worker();
        var claims = new ConcurrentQueue<ExplainedClaim>();
        node.Wire.Noticed += notice =>
        {
            if (ExplainedClaim.Read(notice) is { Jobs: > 0 } claim)
                claims.Enqueue(claim);
        };

        node.Start();
        await scene.UntilEmptyAsync();

        // More when the machine was so busy that the node gave back what it had claimed.
        claims.Sum(claim => claim.Jobs).ShouldBeGreaterThanOrEqualTo(Gone);
        claims.Clear();
        // Slow ones, so that the node polls between its claims.
        var began = TimeProvider.System.GetTimestamp();
        await scene.SendAllAsync("write", "job", Jobs, "sleep:0.05");
        await scene.UntilEmptyAsync();
        var seconds = TimeProvider.System.GetElapsedTime(began).TotalSeconds;

        // To step over all that is gone takes twice as much. That is wanted once a second, by a poll perhaps, and then by the claim that takes what it has found.
        claims.Sum(claim => claim.Jobs).ShouldBeGreaterThanOrEqualTo(Jobs);
        claims.Count(claim => claim.Pages > PagesMost).ShouldBeLessThanOrEqualTo((int)(2 * seconds) + 2, string.Join(", ", claims.Select(claim => $"{claim.Jobs} by {claim.Pages}")));
        await endless.RollbackAsync(Stop);
        await scene.VerifyAsync();
    }

    /// <summary>Tables of the history can neither be made nor dropped while somebody reads it, and who waits for that must not make everybody else wait.</summary>
    [Fact]
    public async Task Somebody_who_reads_the_history_holds_up_no_node()
    {
        await using var scene = await Scene.CreateAsync(server);
        await using var connection = await scene.Source.OpenConnectionAsync(Stop);
        await scene.ExecuteAsync("do $$ begin execute (select coalesce(string_agg('drop table ' || child.oid::regclass, ';'), 'select') from pg_inherits join pg_class child on child.oid = inhrelid where inhparent = 'mainstay.jobs_done'::regclass and relname <> 'jobs_done_default'); end $$");
        await using var report = await connection.BeginTransactionAsync(Stop);
        await using (var read = new NpgsqlCommand("select count(*) from mainstay.jobs_done", connection, report))
            await read.ExecuteScalarAsync(Stop);

        await scene.StartAsync();
        await scene.SendAsync("write", "job");

        await scene.UntilEmptyAsync();
        (await scene.FateAsync("job")).ShouldBe("done 1");
        await scene.VerifyAsync();
    }

    /// <summary>A day that is over can only be dropped when nobody reads it. Whoever wants to drop it does not wait for that: everybody who writes history would wait behind.</summary>
    [Fact]
    public async Task A_day_that_is_over_is_dropped_when_nobody_reads_it_and_nobody_is_held_up_until_then()
    {
        const string HeldUp = "Partitions of the history could not be made or dropped";
        const string Old = "select to_regclass('mainstay.jobs_done_' || to_char((now() at time zone 'UTC')::date - 100, 'YYYYMMDD')) is not null";
        await using var scene = await Scene.CreateAsync(server);
        // Those of the days to come are there, so that nobody has to wait for any but the old one.
        await scene.ExecuteAsync(QueueSql.AddPartitions);
        await scene.ExecuteAsync("select mainstay.add_partition(parent, (now() at time zone 'UTC')::date - 100) from unnest(array['jobs_done', 'jobs_dead', 'inbox']) parent");
        // The server says who waits for a lock for longer than a second, or four. Whoever drops gives up after a tenth of one.
        await scene.SetAsync(("log_lock_waits", "on"), ("deadlock_timeout", LongForm.Limit(1) + "s"));
        await scene.SendAllAsync("write", "job", 300);
        await using (var connection = await scene.Source.OpenConnectionAsync(Stop))
        {
            await using var report = await connection.BeginTransactionAsync(Stop);
            await using (var read = new NpgsqlCommand("select count(*) from mainstay.jobs_done", connection, report))
                await read.ExecuteScalarAsync(Stop);

            var node = await scene.StartAsync();
            await node.LogsAsync(HeldUp, Stop);
            await scene.UntilEmptyAsync();

            (await scene.ScalarAsync<bool>(Old)).ShouldBeTrue();
            (await scene.ScalarAsync<long>("select count(*) from mainstay.jobs_done where attempt = 1")).ShouldBe(300);
        }

        // Whoever begins tries it once, and gives up again when somebody happens to hold a table just then.
        var isThere = true;
        for (var tries = 0; isThere && tries < 10; tries++)
        {
            var next = await scene.StartAsync();
            await Wait.UntilAsync("the day is gone, or held again", Scene.Patience, async () => !(isThere = await scene.ScalarAsync<bool>(Old)) || next.HasLogged(HeldUp), Stop, () => next.LastWords);
        }
        isThere.ShouldBeFalse();
        server.Log.ShouldNotContain("still waiting for");
        await scene.VerifyAsync();
    }

    private static async Task SendAsync(NpgsqlConnection connection, string key)
    {
        await using var command = new NpgsqlCommand($$"""insert into sent (id, key) values (mainstay.enqueue('write', '{"key":"{{key}}","does":""}'), '{{key}}')""", connection);
        await command.ExecuteNonQueryAsync(Stop);
    }
}

/// <summary>A claim as <c>auto_explain</c> shows it: how many jobs it got, and how many pages it looked at to find them, in the order of those that are ready.</summary>
internal sealed record ExplainedClaim(long Jobs, long Pages)
{
    /// <returns>Null when the notice is about something else.</returns>
    public static ExplainedClaim? Read(string notice)
    {
        if (notice.IndexOf('{', StringComparison.Ordinal) is var at && at < 0 || !notice.Contains("duration: ", StringComparison.Ordinal))
            return null;
        using var explained = JsonDocument.Parse(notice[at..notice.IndexOf('\0', at)]);
        if (!explained.RootElement.GetProperty("Query Text").GetString()!.Contains(Statements.Of("claim"), StringComparison.Ordinal))
            return null;
        var plan = explained.RootElement.GetProperty("Plan");
        return new ExplainedClaim((long)plan.GetProperty("Actual Rows").GetDouble(), PagesOf(plan));
    }

    private static long PagesOf(JsonElement plan) =>
        plan.TryGetProperty("Index Name", out var index) && index.GetString() == "jobs_ready_idx"
            ? plan.GetProperty("Shared Hit Blocks").GetInt64() + plan.GetProperty("Shared Read Blocks").GetInt64()
            : plan.TryGetProperty("Plans", out var parts) ? parts.EnumerateArray().Sum(PagesOf) : 0;
}
