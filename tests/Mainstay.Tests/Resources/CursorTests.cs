using System.Buffers.Binary;
using System.Buffers.Text;
using System.ComponentModel.DataAnnotations;
using Mainstay.Internal;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Mainstay.Tests;

/// <summary>The keys behind cursors: how they change, how nodes agree on them, and what becomes of cursors of the one before.</summary>
public sealed class CursorTests(PostgresFixture postgres)
{
    private static void Declare(Backend backend) => backend.Resource<Counter>("/v1/counters").Sortable(counter => counter.Value).AllowRead(Policy.Anyone).AllowWrite(Policy.Anyone);

    private static async Task<TestBackend> StartAsync(string database)
    {
        var backend = await TestBackend.StartAsync(database, Declare);
        for (var i = 0; i < 3; i++)
            (await backend.Anonymous.PostAsync("/v1/counters", new { name = "c", value = i })).Expect(201);
        return backend;
    }

    private static async Task<string> CursorAsync(TestBackend backend, string query = "pageSize=1") => (await backend.Anonymous.GetAsync("/v1/counters?" + query)).Expect(200).Meta.GetProperty("nextCursor").GetString()!;

    private static Task<Reply> GoOnAsync(TestBackend backend, string cursor) => backend.Anonymous.GetAsync("/v1/counters?pageSize=1&cursor=" + cursor);

    private static int KeyOf(string cursor) => BinaryPrimitives.ReadInt32BigEndian(Base64Url.DecodeFromChars(cursor).AsSpan(1));

    private static string WithKey(string cursor, int key)
    {
        var bytes = Base64Url.DecodeFromChars(cursor);
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(1), key);
        return Base64Url.EncodeToString(bytes);
    }

    /// <summary>As if this much time had passed for the keys.</summary>
    private static Task AgeAsync(TestBackend backend, string time) => backend.ExecuteAsync($"update mainstay.keys set starts_at = starts_at - interval '{time}'");

    private static Task<CursorCodec> RenewAsync(TestBackend backend) => backend.Running.Services.Keys.RenewAsync(TestContext.Current.CancellationToken);

    [Fact]
    public async Task Keys_change_without_a_restart_and_cursors_of_the_key_before_go_on_for_a_week()
    {
        await using var backend = await StartAsync(await postgres.CreateDatabaseAsync());
        var first = await CursorAsync(backend);

        await AgeAsync(backend, "29 days 1 hour");
        await RenewAsync(backend);
        KeyOf(await CursorAsync(backend)).ShouldBe(KeyOf(first), "announced, but not in use");
        (await backend.CountAsync("mainstay.keys")).ShouldBe(2);

        await AgeAsync(backend, "1 day");
        await RenewAsync(backend);
        var second = await CursorAsync(backend);
        KeyOf(second).ShouldBe(KeyOf(first) + 1);
        (await GoOnAsync(backend, first)).Expect(200);

        await AgeAsync(backend, "6 days");
        await RenewAsync(backend);
        (await GoOnAsync(backend, first)).Expect(200);

        await AgeAsync(backend, "1 day");
        await RenewAsync(backend);
        (await GoOnAsync(backend, first)).Expect(400, "invalid-cursor").Detail.ShouldContain("older than the 7 days");
        (await GoOnAsync(backend, second)).Expect(200);
        (await backend.CountAsync("mainstay.keys")).ShouldBe(1);
    }

    [Fact]
    public async Task A_database_that_slept_for_months_makes_one_key_and_refuses_nothing_at_once()
    {
        await using var backend = await StartAsync(await postgres.CreateDatabaseAsync());
        var cursor = await CursorAsync(backend);

        await AgeAsync(backend, "400 days");
        for (var i = 0; i < 3; i++)
            await RenewAsync(backend);

        (await backend.CountAsync("mainstay.keys")).ShouldBe(2);
        (await GoOnAsync(backend, cursor)).Expect(200);
        KeyOf(await CursorAsync(backend)).ShouldBe(KeyOf(cursor));
    }

    [Fact]
    public async Task Nodes_that_start_and_renew_at_once_agree_on_the_keys()
    {
        var database = await postgres.CreateDatabaseAsync();
        await using var first = await StartAsync(database);
        await using var second = await TestBackend.StartAsync(database, Declare);
        await AgeAsync(first, "29 days 12 hours");

        await Task.WhenAll(Enumerable.Range(0, 8).Select(i => RenewAsync(i % 2 == 0 ? first : second)));

        (await first.CountAsync("mainstay.keys")).ShouldBe(2);
        await AgeAsync(first, "1 day");
        await RenewAsync(first);
        await RenewAsync(second);
        (await GoOnAsync(second, await CursorAsync(first))).Expect(200);
        (await GoOnAsync(first, await CursorAsync(second))).Expect(200);
    }

    [Fact]
    public async Task A_node_that_meets_a_key_it_has_not_heard_of_looks_once_and_forged_ones_cost_no_more_than_that()
    {
        var database = await postgres.CreateDatabaseAsync();
        await using var fresh = await StartAsync(database);
        await using var proxy = new CountingProxy(database);
        await using var behind = await TestBackend.StartAsync(proxy.ConnectionString + ";Application Name=test-app", Declare);
        foreach (var service in behind.Running.App.Services.GetServices<IHostedService>().OfType<BackgroundService>())
            await service.StopAsync(CancellationToken.None);
        await AgeAsync(fresh, "29 days 1 hour");
        await RenewAsync(fresh);
        await AgeAsync(fresh, "1 day");
        await RenewAsync(fresh);

        (await GoOnAsync(behind, await CursorAsync(fresh))).Expect(200);

        var before = proxy.Turns;
        var forged = Base64Url.EncodeToString((byte[])[1, .. new byte[60]]);
        for (var i = 0; i < 30; i++)
            (await GoOnAsync(behind, WithKey(forged, 100 + i))).Expect(400, "invalid-cursor");
        (await GoOnAsync(behind, WithKey(forged, -1))).Expect(400, "invalid-cursor");
        // The node has looked a moment ago. On a machine so slow that the pause is over, it looks once more.
        (proxy.Turns - before).ShouldBeLessThanOrEqualTo(3);
    }

    [Fact]
    public async Task A_cursor_of_another_database_and_a_second_spelling_are_refused()
    {
        await using var one = await StartAsync(await postgres.CreateDatabaseAsync());
        await using var other = await StartAsync(await postgres.CreateDatabaseAsync());
        var cursor = await CursorAsync(one);

        (await GoOnAsync(one, cursor)).Expect(200);
        (await GoOnAsync(other, cursor)).Expect(400, "invalid-cursor");
        foreach (var spelling in new[] { cursor + "%3D", cursor + "=", "%20" + cursor, cursor + "%0A", cursor.Insert(8, "%0D%0A") })
            (await GoOnAsync(one, spelling)).Expect(400, "invalid-cursor").Detail.ShouldContain("start without one");
        (await GoOnAsync(one, new string('A', 6001))).Expect(400, "invalid-cursor");
    }

    [Fact]
    public async Task A_cursor_from_a_release_that_kept_the_sorted_member_otherwise_is_refused()
    {
        var database = await postgres.CreateDatabaseAsync();
        string cursor;
        await using (var before = await StartAsync(database))
        {
            cursor = await CursorAsync(before, "pageSize=1&sort=value");
            await before.ExecuteAsync("alter table counters alter column value type bigint");
        }
        await using var after = await TestBackend.StartAsync(database, backend => backend.Resource<Long.Counter>("/v1/counters").Sortable(counter => counter.Value).AllowRead(Policy.Anyone));

        (await after.Anonymous.GetAsync("/v1/counters?pageSize=1&sort=value&cursor=" + cursor)).Expect(400, "invalid-cursor").Detail.ShouldContain("release that sorted otherwise");
    }

    [Fact]
    public async Task Page_size_fields_and_count_may_change_from_page_to_page()
    {
        await using var backend = await StartAsync(await postgres.CreateDatabaseAsync());
        var cursor = await CursorAsync(backend, "pageSize=1&sort=-value");

        (await backend.Anonymous.GetAsync($"/v1/counters?pageSize=2&sort=-value&fields=value&cursor={cursor}")).Expect(200).Data.GetArrayLength().ShouldBe(2);
    }

    private static class Long
    {
        public sealed record Counter(Id<Counter> Id, [MaxLength(40)] string Name, long Value);
    }
}
