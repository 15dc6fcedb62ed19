using Mainstay.Internal;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>The months of the audit trail, with a database clock that tests move.</summary>
public sealed class AuditPartitionTests(PostgresFixture postgres) : IAsyncLifetime
{
    private const string Months = "select string_agg(relname, ' ' order by relname) from pg_inherits join pg_class on oid = inhrelid where inhparent = 'mainstay.audit'::regclass and relname ~ '[0-9]$'";

    private TestBackend _backend = null!;

    public async ValueTask InitializeAsync()
    {
        _backend = await TestBackend.StartAsync(await postgres.CreateDatabaseAsync(), backend =>
        {
            TestSignIn.AddTo(backend);
            backend.Resource<Stamp>("/v1/stamps").AllowRead(Policy.Anyone).AllowWrite(Policy.SignedIn);
        });
        await _backend.RestAsync();
    }

    public ValueTask DisposeAsync() => _backend.DisposeAsync();

    private Task SetClockAsync(string now) => _backend.ExecuteAsync($"create or replace function mainstay.now() returns timestamptz language sql stable parallel safe as $$ select timestamptz '{now}' $$");

    private AuditPartitions Keeping(TimeSpan? retention = null) => new(_backend.Running.Services.Database, retention);

    private async Task StampAsync(string text) => (await _backend.User("ann").PostAsync("/v1/stamps", new { text })).Expect(201);

    private Task<string> PlaceOf(string text) => _backend.ScalarAsync<string>($"select relname::text from mainstay.audit a join pg_class c on c.oid = a.tableoid where after ->> 'text' = '{text}'");

    private async Task<(int Added, int Dropped)> KeepAsync(AuditPartitions partitions)
    {
        while (true)
            try
            {
                return await partitions.KeepAsync(TestContext.Current.CancellationToken);
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.LockNotAvailable)
            {
                // Another one was at it, or somebody was writing into the rest, for longer than it waits.
            }
    }

    [Fact]
    public async Task A_new_database_has_this_month_and_the_next_two()
    {
        await StampAsync("now");

        var present = await _backend.ScalarAsync<string>("select string_agg(to_char(date_trunc('month', now() at time zone 'UTC') + make_interval(months => ahead), '\"audit_\"YYYY_MM'), ' ' order by ahead) from generate_series(0, 2) ahead");
        (await _backend.ScalarAsync<string>(Months)).ShouldBe(present);
        (await PlaceOf("now")).ShouldBe(present.Split(' ')[0]);
        (await KeepAsync(Keeping())).ShouldBe((0, 0));
    }

    [Fact]
    public async Task A_month_that_nobody_has_made_takes_over_what_was_written_meanwhile()
    {
        await SetClockAsync("2031-03-31 23:59:59.999999Z");
        await StampAsync("last of March");
        await SetClockAsync("2031-04-01 00:00:00Z");
        await StampAsync("first of April");
        (await PlaceOf("last of March")).ShouldBe("audit_default");

        var kept = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => KeepAsync(Keeping())));

        kept.Sum(done => done.Added).ShouldBe(4);
        (await PlaceOf("last of March")).ShouldBe("audit_2031_03");
        (await PlaceOf("first of April")).ShouldBe("audit_2031_04");
        (await _backend.ScalarAsync<string>(Months)).ShouldEndWith("audit_2031_03 audit_2031_04 audit_2031_05 audit_2031_06");
        (await _backend.CountAsync("mainstay.audit_default")).ShouldBe(0);
        (await _backend.CountAsync("mainstay.audit")).ShouldBe(2);
    }

    [Fact]
    public async Task Writers_lose_nothing_while_months_are_made_and_dropped()
    {
        await SetClockAsync("2032-01-15 12:00:00Z");
        var writing = Enumerable.Range(0, 200).Select(i => StampAsync($"w{i}")).ToArray();
        var keeping = new[] { KeepAsync(Keeping()), KeepAsync(Keeping(TimeSpan.FromDays(30))) };

        await Task.WhenAll(writing);
        await Task.WhenAll(keeping);
        await KeepAsync(Keeping());

        (await _backend.CountAsync("mainstay.audit_2032_01")).ShouldBe(200);
        (await _backend.CountAsync("mainstay.audit")).ShouldBe(200);
    }

    [Fact]
    public async Task Months_are_dropped_when_all_of_them_is_old_enough()
    {
        await SetClockAsync("2033-01-31 12:00:00Z");
        await KeepAsync(Keeping());
        await StampAsync("old");
        await SetClockAsync("2033-03-02 00:00:00Z");
        await StampAsync("young");

        await KeepAsync(Keeping(TimeSpan.FromDays(30)));
        (await PlaceOf("old")).ShouldBe("audit_2033_01");
        await SetClockAsync("2033-03-03 00:00:00Z");
        var (_, dropped) = await KeepAsync(Keeping(TimeSpan.FromDays(30)));

        dropped.ShouldBe(1);
        (await _backend.ScalarAsync<string>(Months)).ShouldBe("audit_2033_02 audit_2033_03 audit_2033_04 audit_2033_05");
        (await _backend.ScalarAsync<string>("select string_agg(after ->> 'text', ' ') from mainstay.audit")).ShouldBe("young");
    }

    /// <summary>A role that may write the trail, or read everything, cannot make it disappear.</summary>
    [Fact]
    public async Task Only_the_owner_drops_months()
    {
        (await _backend.ScalarAsync<bool>("select has_function_privilege('mainstay.drop_audit_partitions(interval)', 'execute')")).ShouldBeTrue();
        (await _backend.ScalarAsync<bool>("select has_function_privilege('pg_write_all_data', 'mainstay.drop_audit_partitions(interval)', 'execute')")).ShouldBeFalse();
        (await _backend.ScalarAsync<bool>("select has_function_privilege('pg_write_all_data', 'mainstay.add_audit_partitions()', 'execute')")).ShouldBeTrue();
    }

    [Theory, InlineData("soon"), InlineData("00:30:00"), InlineData("40000.00:00:00")]
    public async Task A_retention_that_makes_no_sense_refuses_the_start(string retention)
    {
        var message = await TestBackend.RefuseAsync(_backend.ConnectionString, _ => { }, "--Mainstay:Audit:Retention", retention);

        message.ShouldContain("MST2701");
        message.ShouldContain($"'{retention}'");
    }
}
