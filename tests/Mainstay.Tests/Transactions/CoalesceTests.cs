using System.ComponentModel.DataAnnotations;
using Mainstay.Internal;

namespace Mainstay.Tests;

public record Purse(Id<Purse> Id, [MaxLength(60)] string Owner);

public record Coin(Id<Coin> Id, Id<Purse> PurseId, [MaxLength(60)] string Name, decimal? Weight, DateTimeOffset At);

public record Echo(Id<Echo> Id, [MaxLength(60)] string Name);

public record Mint([MaxLength(60)] string Name, bool Looks = false);

public record Minted(string Name);

/// <summary>A mint whose command is coalesced, behind a wire that can be cut.</summary>
public sealed class MintFixture(PostgresFixture postgres) : IAsyncLifetime
{
    internal CountingProxy Proxy { get; private set; } = null!;

    internal TestBackend Backend { get; private set; } = null!;

    /// <summary>Another connection, which no test cuts.</summary>
    internal Npgsql.NpgsqlDataSource Direct { get; private set; } = null!;

    internal GroupCommits Group => Backend.Running.Model.Operations.OfType<CommandOperation>().Single(command => command.Name == "POST /v1/mint").Group!;

    public async ValueTask InitializeAsync()
    {
        var database = await postgres.CreateDatabaseAsync();
        Direct = Npgsql.NpgsqlDataSource.Create(database);
        Proxy = new CountingProxy(database);
        Backend = await TestBackend.StartAsync(Proxy.ConnectionString, backend =>
        {
            TestSignIn.AddTo(backend);
            backend.Resource<Purse>("/v1/purses").AllowRead(Policy.Anyone).AllowWrite(Policy.SignedIn).Coalesce();
            backend.Resource<Coin>("/v1/coins").Unique(coin => coin.Name).BelongsTo(coin => coin.PurseId).AllowRead(Policy.Anyone);
            backend.Resource<Echo>("/v1/echoes").AllowRead(Policy.Anyone);
            backend.Event<Minted>("coin.minted");
            backend.On("echo", (Minted minted, UnitOfWork work) => work.Insert(new Echo(Id<Echo>.New(), minted.Name)));
            backend.Command("POST /v1/mint", async (Mint input, UnitOfWork work) =>
            {
                if (input.Looks)
                    await work.FindAsync(Id<Purse>.New());
                var purse = new Purse(Id<Purse>.New(), work.User.Id);
                var coin = new Coin(Id<Coin>.New(), purse.Id, input.Name, input.Looks ? null : 3.5m, work.Now);
                work.Insert(purse);
                work.Insert(coin);
                work.Publish(new Minted(input.Name));
                return coin;
            }).Allow(Policy.SignedIn).Coalesce();
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

public sealed class CoalesceTests(MintFixture mint) : IClassFixture<MintFixture>
{
    private Caller Ann => mint.Backend.User("ann");

    private Task<Reply> MintAsync(string name, string? key = null, bool looks = false) =>
        Ann.PostAsync("/v1/mint", new { name, looks }, key is null ? [] : [$"Idempotency-Key: {key}"]);

    /// <summary>
    /// Makes calls that are sure to meet in one group: the commit of a first one is held up until all others wait behind it. The first one's name is the group's with
    /// "-first".
    /// </summary>
    private Task<Reply[]> TogetherAsync(string name, params Func<Task<Reply>>[] calls) => TogetherAsync(name, calls.Length, calls);

    private async Task<Reply[]> TogetherAsync(string name, int waiting, params Func<Task<Reply>>[] calls)
    {
        await using var holding = await mint.Direct.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await using var transaction = await holding.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await using (var hold = new Npgsql.NpgsqlCommand("lock table mainstay.receipts in share mode", holding, transaction))
            await hold.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        var first = MintAsync($"{name}-first", $"{name}-first");
        await Waiting.UntilAsync(async () => await mint.Direct.ScalarAsync<bool>("select exists (select from pg_locks where not granted and database = (select oid from pg_database where datname = current_database()))"));
        var others = calls.Select(call => call()).ToArray();
        await Waiting.UntilAsync(() => Task.FromResult(mint.Group.Waiting == waiting));
        await transaction.CommitAsync(TestContext.Current.CancellationToken);
        (await first).Expect(201);
        return await Task.WhenAll(others);
    }

    private Func<Task<Reply>> Minting(string name, string? key = null, bool looks = false) => () => MintAsync(name, key, looks);

    private Task<long> CountAsync(string table) => mint.Direct.ScalarAsync<long>($"select count(*) from {table}");

    /// <summary>Of every coin whose name begins so: one receipt where it had a key, one entry for each row, and one delivered message.</summary>
    private async Task ExpectCompleteAsync(string prefix)
    {
        (await CountAsync($"coins c where name like '{prefix}%' and 2 <> (select count(*) from mainstay.audit a where a.row_id in (c.id, c.purse_id) and a.action = 'insert' and a.operation = 'POST /v1/mint' and a.actor = 'ann')")).ShouldBe(0);
        (await CountAsync($"coins c where name like '{prefix}%' and not exists (select from mainstay.audit a where a.row_id = c.id and a.after ->> 'name' = c.name and a.request_id is not null)")).ShouldBe(0);
        (await CountAsync($"(select request_id from mainstay.audit where resource = 'coins' and after ->> 'name' like '{prefix}%' group by request_id having count(*) <> 1) as shared")).ShouldBe(0);
        await Waiting.UntilAsync(async () => await mint.Direct.ScalarAsync<bool>($"select (select count(*) from echoes where name like '{prefix}%') >= (select count(*) from coins where name like '{prefix}%')"));
        (await CountAsync($"(select name from echoes where name like '{prefix}%' group by name having count(*) <> 1) as twice")).ShouldBe(0);
        (await CountAsync($"echoes where name like '{prefix}%' and name not in (select name from coins)")).ShouldBe(0);
    }

    [Fact]
    public async Task Calls_that_come_while_one_is_being_committed_share_one_commit_and_each_has_its_own_answer()
    {
        var replies = await TogetherAsync("share", [.. Enumerable.Range(0, 40).Select(i => Minting($"share-{i}", i % 4 == 0 ? null : $"share-{i}", looks: false))]);

        replies.Select((reply, i) => reply.Expect(201).Data.GetProperty("name").GetString() == $"share-{i}").ShouldAllBe(isOwn => isOwn);
        (await CountAsync("coins where name like 'share-%'")).ShouldBe(41);
        // What one transaction wrote has one number; the purses and receipts of the group are of the same one.
        (await mint.Direct.ScalarAsync<long>("select count(distinct xmin::text) from coins where name like 'share-%' and name <> 'share-first'")).ShouldBe(1);
        (await CountAsync("coins c join purses p on p.id = c.purse_id where c.name like 'share-%' and p.xmin <> c.xmin")).ShouldBe(0);
        (await CountAsync("mainstay.receipts r join coins c on c.name = r.key where r.key like 'share-%' and r.xmin = c.xmin")).ShouldBe(31);
        await ExpectCompleteAsync("share-");
        foreach (var (i, reply) in replies.Index().Where(pair => pair.Index % 4 != 0))
        {
            var replay = (await MintAsync($"share-{i}", $"share-{i}")).Expect(201);
            (replay.Text, replay.Header("Idempotency-Replayed"), replay.Header("Location"), replay.ETag).ShouldBe((reply.Text, "true", reply.Header("Location"), reply.ETag));
        }
    }

    [Fact]
    public async Task One_that_is_refused_spoils_nothing_for_the_others_and_is_told_what_it_would_have_been_told_alone()
    {
        (await MintAsync("mixed-taken")).Expect(201);
        var alone = (await MintAsync("mixed-taken")).Expect(409, "already-exists");

        var replies = await TogetherAsync("mixed", [Minting("mixed-taken", "mixed-taken"), Minting("mixed-twin", "twin-1"), Minting("mixed-twin", "twin-2"), .. Enumerable.Range(0, 15).Select(i => Minting($"mixed-{i}", $"mixed-{i}"))]);

        replies[0].Expect(409, "already-exists").Detail.ShouldBe(alone.Detail);
        replies[0].Json.GetProperty("errors").GetRawText().ShouldBe(alone.Json.GetProperty("errors").GetRawText());
        replies[1..3].Select(reply => reply.Status).Order().ShouldBe([201, 409]);
        replies[3..].ShouldAllBe(reply => reply.Status == 201);
        (await CountAsync("coins where name like 'mixed-%'")).ShouldBe(18);
        await ExpectCompleteAsync("mixed-");
        // The refusal is an outcome too, and kept.
        (await MintAsync("mixed-taken", "mixed-taken")).Expect(409, "already-exists").Header("Idempotency-Replayed").ShouldBe("true");
    }

    [Fact]
    public async Task One_key_twice_in_a_group_is_executed_once_and_replayed_once()
    {
        var replies = await TogetherAsync("double", Minting("double-a", "double"), Minting("double-a", "double"), Minting("double-b", "double"), Minting("double-c", "double-c"));

        replies[3].Expect(201);
        var answered = replies[..3].Where(reply => reply.Status == 201).ToArray();
        answered.Select(reply => reply.Text).Distinct().ShouldHaveSingleItem();
        answered.Count(reply => reply.Header("Idempotency-Replayed") is null).ShouldBe(1);
        replies[..3].Where(reply => reply.Status != 201).ShouldAllBe(reply => reply.Status == 422 && reply.Code == "idempotency-key-reused");
        (await CountAsync("coins where name in ('double-a', 'double-b')")).ShouldBe(1);
        await ExpectCompleteAsync("double-");
    }

    [Fact]
    public async Task A_used_key_in_a_group_is_replayed_and_the_others_are_committed()
    {
        var before = (await MintAsync("used", "used")).Expect(201);

        var replies = await TogetherAsync("usedgroup", Minting("used", "used"), Minting("usedgroup-1", "usedgroup-1"), Minting("usedgroup-2"));

        replies[0].Expect(201).Text.ShouldBe(before.Text);
        replies[0].Header("Idempotency-Replayed").ShouldBe("true");
        replies[1..].ShouldAllBe(reply => reply.Status == 201 && reply.Header("Idempotency-Replayed") == null);
        await ExpectCompleteAsync("usedgroup-");
    }

    [Fact]
    public async Task A_handler_that_reads_is_committed_alone()
    {
        Task<Reply> reading = null!;
        var replies = await TogetherAsync("reading", Minting("reading-1"), Minting("reading-2"), () =>
        {
            reading = MintAsync("reading-looks", looks: true);
            return MintAsync("reading-3");
        });
        (await reading).Expect(201);

        replies.ShouldAllBe(reply => reply.Status == 201);
        (await mint.Direct.ScalarAsync<long>("select count(distinct xmin::text) from coins where name in ('reading-1', 'reading-2', 'reading-3')")).ShouldBe(1);
        (await mint.Direct.ScalarAsync<bool>("select (select xmin from coins where name = 'reading-looks') <> (select xmin from coins where name = 'reading-1')")).ShouldBeTrue();
        await ExpectCompleteAsync("reading-");
    }

    [Fact]
    public async Task A_lock_that_one_of_them_needs_holds_up_only_that_one()
    {
        await using var holding = await mint.Direct.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await using var transaction = await holding.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await using (var hold = new Npgsql.NpgsqlCommand("with purse as (insert into purses (id, owner) values (gen_random_uuid(), 'x') returning id) insert into coins (id, purse_id, name, at) select gen_random_uuid(), id, 'locked-held', now() from purse", holding, transaction))
            await hold.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        Task<Reply> held = null!;

        var replies = await TogetherAsync("locked", 4, Minting("locked-1"), Minting("locked-2", "locked-2"), () =>
        {
            held = MintAsync("locked-held", "locked-held");
            return MintAsync("locked-3");
        });

        replies.ShouldAllBe(reply => reply.Status == 201);
        held.IsCompleted.ShouldBeFalse();
        await transaction.RollbackAsync(TestContext.Current.CancellationToken);
        (await held).Expect(201);
        await ExpectCompleteAsync("locked-");
    }

    /// <summary>The answer to the group's commit is lost, or the commit itself. With a key the caller gets its one effect; without, the truth that nobody knows.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_connection_that_breaks_in_the_commit_of_a_group_leaves_each_call_what_it_would_have_had_alone(bool arrived)
    {
        var name = $"cut{arrived}";
        if (arrived)
            mint.Proxy.CutAfter($"{name}-7");
        else
            mint.Proxy.CutBefore($"{name}-7");

        var replies = await TogetherAsync(name, [.. Enumerable.Range(0, 8).Select(i => Minting($"{name}-{i}", i < 6 ? $"{name}-{i}" : null))]);

        replies[..6].ShouldAllBe(reply => reply.Status == 201);
        replies[..6].Count(reply => reply.Header("Idempotency-Replayed") is not null).ShouldBe(arrived ? 6 : 0);
        replies[6..].ShouldAllBe(reply => reply.Status == 503 && reply.Code == "outcome-unknown");
        (await CountAsync($"coins where name like '{name}-_'")).ShouldBe(arrived ? 8 : 6);
        await ExpectCompleteAsync($"{name}-");
    }

    [Fact]
    public async Task Connections_that_are_ended_between_groups_are_replaced_without_anybody_noticing()
    {
        (await MintAsync("ended-before")).Expect(201);
        await mint.Direct.ScalarAsync<long>("select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = current_database() and application_name = 'test'");

        var replies = await Task.WhenAll(Enumerable.Range(0, 30).Select(i => MintAsync($"ended-{i}", $"ended-{i}")));

        replies.ShouldAllBe(reply => reply.Status == 201);
        (await CountAsync("coins where name like 'ended-%'")).ShouldBe(31);
    }

    [Fact]
    public async Task A_call_whose_time_is_over_while_it_waits_leaves_and_nothing_of_it_is_committed()
    {
        var services = mint.Backend.Running.Services;
        var group = new GroupCommits(services.Database);
        using var late = new CancellationTokenSource();
        await using var holding = await mint.Direct.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await using var transaction = await holding.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await using (var hold = new Npgsql.NpgsqlCommand("lock table purses in share mode", holding, transaction))
            await hold.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        Task<bool> InsertAsync(string owner, CancellationToken cancellation) => services.Transactor.RunAsync(
            new TransactionRequest(User.System("test"), new Origin("test", "test", null, null, null, null), Deadline.After(TimeSpan.FromMinutes(1), TimeProvider.System), cancellation) { Group = group },
            work =>
            {
                work.Insert(new Purse(Id<Purse>.New(), owner));
                return Task.FromResult(new Completed<bool>(true));
            });
        var first = InsertAsync("time-first", CancellationToken.None);
        await Waiting.UntilAsync(async () => await mint.Direct.ScalarAsync<bool>("select exists (select from pg_locks where not granted and database = (select oid from pg_database where datname = current_database()))"));
        var leaving = InsertAsync("time-late", late.Token);
        var staying = InsertAsync("time-staying", CancellationToken.None);
        await Waiting.UntilAsync(() => Task.FromResult(group.Waiting == 2));

        await late.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(leaving);
        await transaction.CommitAsync(TestContext.Current.CancellationToken);
        await first;
        await staying;

        (await mint.Direct.ScalarAsync<string>("select string_agg(owner, ' ' order by owner) from purses where owner like 'time-%'")).ShouldBe("time-first time-staying");
    }

    [Fact]
    public async Task In_a_crowd_with_repetitions_refusals_and_readers_every_answer_is_true()
    {
        var replies = await Task.WhenAll(Enumerable.Range(0, 400).Select(i => (i % 10) switch
        {
            0 => MintAsync("crowd-same", $"crowd-same-{i}"),
            1 => MintAsync($"crowd-{i - (i % 20)}-pair", $"crowd-{i - (i % 20)}-pair"),
            2 => MintAsync($"crowd-{i}-looks", $"crowd-{i}", looks: true),
            3 => MintAsync($"crowd-{i}"),
            _ => MintAsync($"crowd-{i}", $"crowd-{i}"),
        }));

        replies.ShouldAllBe(reply => reply.Status == 201 || (reply.Status == 409 && reply.Code == "already-exists"));
        replies.Where((_, i) => i % 10 == 0).Count(reply => reply.Status == 201).ShouldBe(1);
        replies.Where((_, i) => i % 10 != 0).ShouldAllBe(reply => reply.Status == 201);
        var made = replies.Where(reply => reply.Status == 201 && reply.Header("Idempotency-Replayed") is null).Select(reply => reply.Data.GetProperty("name").GetString()).ToArray();
        made.ShouldBeUnique();
        (await CountAsync("coins where name like 'crowd-%'")).ShouldBe(made.Length);
        (await mint.Direct.ScalarAsync<long>("select count(distinct xmin::text) from coins where name like 'crowd-%'")).ShouldBeLessThan(made.Length);
        await ExpectCompleteAsync("crowd-");
    }

    [Fact]
    public async Task Creations_of_a_resource_can_be_coalesced_too()
    {
        var replies = await Task.WhenAll(Enumerable.Range(0, 100).Select(i => Ann.PostAsync("/v1/purses", new { owner = $"created-{i}" }, $"Idempotency-Key: created-{i}")));

        replies.ShouldAllBe(reply => reply.Status == 201);
        (await CountAsync("purses p join mainstay.audit a on a.row_id = p.id where p.owner like 'created-%' and a.operation = 'POST /v1/purses'")).ShouldBe(100);
        (await mint.Direct.ScalarAsync<long>("select count(distinct xmin::text) from purses where owner like 'created-%'")).ShouldBeLessThan(100);
    }

    [Fact]
    public async Task A_start_refuses_to_coalesce_what_cannot_be()
    {
        var message = await TestBackend.RefuseAsync(mint.Backend.ConnectionString, backend =>
        {
            TestSignIn.AddTo(backend);
            backend.Query("GET /v1/nothing", (Snapshot snapshot) => 1).Allow(Policy.Anyone).Coalesce();
            backend.Command("POST /v1/strict", (UnitOfWork work) => { }).Allow(Policy.SignedIn).Isolation(System.Data.IsolationLevel.Serializable).Coalesce();
            backend.Command("POST /v1/long", (UnitOfWork work) => { }).Allow(Policy.SignedIn).LongRunning().Coalesce();
        });

        foreach (var name in new[] { "'GET /v1/nothing'", "'POST /v1/strict'", "'POST /v1/long'" })
            message.ShouldContain($"{name} is declared with Coalesce");
        message.ShouldContain("MST1023");
    }
}

/// <summary>On a mint of its own, where nothing is delivered: that would be counted too.</summary>
public sealed class CoalesceRoundTripTests(MintFixture mint) : IClassFixture<MintFixture>
{
    [Fact]
    public async Task Who_comes_alone_is_committed_in_one_round_trip()
    {
        await mint.Backend.RestAsync();
        for (var i = 0; i < 4; i++)
            await MintAsync($"alone-{i}");
        var before = mint.Proxy.Turns;

        await MintAsync("alone");

        (mint.Proxy.Turns - before).ShouldBe(1);
    }

    private async Task MintAsync(string name) => (await mint.Backend.User("ann").PostAsync("/v1/mint", new { name, looks = false }, $"Idempotency-Key: {name}")).Expect(201);
}
