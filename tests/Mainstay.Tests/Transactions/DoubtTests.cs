namespace Mainstay.Tests;

/// <summary>The connection breaks during the commit of a keyed request, and the database stays away until the request's time is over.</summary>
public sealed class DoubtFixture(PostgresFixture postgres) : IAsyncLifetime
{
    internal CountingProxy Proxy { get; private set; } = null!;

    internal TestBackend Backend { get; private set; } = null!;

    internal Npgsql.NpgsqlDataSource Direct { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        var database = await postgres.CreateDatabaseAsync();
        Direct = Npgsql.NpgsqlDataSource.Create(database);
        Proxy = new CountingProxy(database);
        Backend = await TestBackend.StartAsync(Proxy.ConnectionString, backend =>
        {
            TestSignIn.AddTo(backend);
            backend.Resource<Counter>("/v1/counters").AllowRead(Policy.Anyone);
            foreach (var (path, timeout) in new[] { ("short", TimeSpan.FromSeconds(1)), ("long", TimeSpan.FromSeconds(10)) })
                backend.Command($"POST /v1/{path}", (Wanted input, UnitOfWork work) => work.Insert(new Counter(Id<Counter>.New(), input.Name, 1))).Allow(Policy.SignedIn).Timeout(timeout);
        });
    }

    public async ValueTask DisposeAsync()
    {
        if (Backend is not null)
            await Backend.DisposeAsync();
        if (Proxy is not null)
            await Proxy.DisposeAsync();
        if (Direct is not null)
            await Direct.DisposeAsync();
    }
}

public sealed class DoubtTests(DoubtFixture fixture) : IClassFixture<DoubtFixture>
{
    /// <summary>The attempts after the broken commit meet a database that is away, or run out of time. Neither may say that nothing was changed.</summary>
    [Theory]
    [InlineData("short", true)]
    [InlineData("short", false)]
    [InlineData("long", true)]
    [InlineData("long", false)]
    public async Task A_commit_in_doubt_stays_in_doubt_until_the_end_and_the_key_finds_out(string path, bool arrived)
    {
        var ann = fixture.Backend.User("ann");
        await Waiting.UntilAsync(async () => (await ann.PostAsync($"/v1/{path}", new { name = "warm" })).Status == 204);

        var (name, round, cuts) = ("", 0, fixture.Proxy.Cuts);
        Reply inDoubt = null!;
        // Once more where a busy machine lets its time be over before the wire is cut.
        await Waiting.UntilAsync(async () =>
        {
            name = $"doubt-{path}-{arrived}-{++round}";
            if (arrived)
                fixture.Proxy.CutAfter(name, forGood: true);
            else
                fixture.Proxy.CutBefore(name, forGood: true);
            inDoubt = await ann.PostAsync($"/v1/{path}", new { name }, $"Idempotency-Key: {name}");
            return fixture.Proxy.Cuts > cuts;
        });
        fixture.Proxy.IsDown = false;

        inDoubt.Expect(503, "outcome-unknown").Header("Retry-After").ShouldBe("1");
        inDoubt.Detail.ShouldNotContain("Nothing was changed");
        var count = $"select count(*) from counters where name = '{name}'";
        (await fixture.Direct.ScalarAsync<long>(count)).ShouldBe(arrived ? 1 : 0);
        Reply? repeated = null;
        var tries = 0;
        await Waiting.UntilAsync(async () =>
        {
            tries++;
            return (repeated = await ann.PostAsync($"/v1/{path}", new { name }, $"Idempotency-Key: {name}")).Status == 204;
        });
        // Of several tries one may have been committed without an answer.
        if (arrived || tries == 1)
            repeated!.Header("Idempotency-Replayed").ShouldBe(arrived ? "true" : null);
        (await fixture.Direct.ScalarAsync<long>(count)).ShouldBe(1);
    }
}
