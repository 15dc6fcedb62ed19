using Npgsql;

namespace Mainstay.Tests;

/// <summary>F51: a unique job, wanted by many at once and while its node dies.</summary>
public sealed class UniqueTests(SharedServer server)
{
    private const int Writers = 50;

    [Fact]
    public async Task Whoever_wants_it_gets_the_same_one_until_it_is_done_wherever_that_is()
    {
        await using var scene = await Scene.CreateAsync(server);
        var victim = await scene.StartAsync(settings => Scene.KeepsItsLease(settings) with { HoldsCalls = true });

        var first = (await Task.WhenAll(Enumerable.Range(0, Writers).Select(_ => EnqueueAsync(scene)))).Distinct().ShouldHaveSingleItem();
        await victim.SaysAsync("called the-one", Scene.Stop);
        await scene.KillAsync(victim);
        (await EnqueueAsync(scene)).ShouldBe(first);
        await scene.SurviveAsync();
        await scene.UntilEmptyAsync();

        (await scene.FateAsync("the-one")).ShouldBe("done 2");
        (await scene.ScalarAsync<long>("select count(*) from mainstay.jobs_done")).ShouldBe(1);
        await scene.ExecuteAsync("delete from sent; delete from calls; delete from mainstay.jobs_done");
        (await EnqueueAsync(scene)).ShouldNotBe(first);
        await scene.UntilEmptyAsync();
        await scene.VerifyAsync();
    }

    /// <summary>Each in a transaction that does something else before.</summary>
    private static async Task<Guid> EnqueueAsync(Scene scene)
    {
        await using var connection = await scene.Source.OpenConnectionAsync(Scene.Stop);
        await using var transaction = await connection.BeginTransactionAsync(Scene.Stop);
        await using var enqueue = new NpgsqlCommand("""select mainstay.enqueue('call', '{"key":"the-one","does":""}', unique_key => 'k')""", connection, transaction);
        var id = (Guid)(await enqueue.ExecuteScalarAsync(Scene.Stop))!;
        await using var note = new NpgsqlCommand("insert into sent (id, key) values ($1, 'the-one') on conflict do nothing", connection, transaction) { Parameters = { new NpgsqlParameter<Guid> { TypedValue = id } } };
        await note.ExecuteNonQueryAsync(Scene.Stop);
        await transaction.CommitAsync(Scene.Stop);
        return id;
    }
}
