using Npgsql;

namespace Mainstay.Tests;

/// <summary>F18, F19: the server is lost, and another one takes its place.</summary>
public sealed class FailoverTests(DisturbedServer server) : IClassFixture<DisturbedServer>
{
    private const int Orders = 60;

    private static CancellationToken Stop => Scene.Stop;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_a_synchronous_standby_has_acknowledged_is_there_and_an_asynchronous_one_loses_whole_transactions_only(bool isSynchronous)
    {
        await using var scene = await Scene.CreateAsync(server);
        await using var standby = await Standby.FollowAsync(server, isSynchronous, Stop);
        await using var promoted = NpgsqlDataSource.Create(standby.Of(scene.Database));
        var node = await scene.StartAsync();

        for (var i = 0; i < Orders; i++)
            node.Tell($"order order-{i} then");
        await node.SaysAsync("ordered order-10", Stop);
        server.Processes.Signal(Signals.Kill);
        node.Wire.LeadTo(standby.Of(scene.Database));
        node.Wire.BreakAll();

        // It can be read and not be written yet.
        await node.OrderUntilAsync("not ordered", "early", Stop);
        await standby.PromoteAsync();
        var promotedAt = TimeProvider.System.GetTimestamp();
        await node.OrderUntilAsync("ordered", "late", Stop);
        TimeProvider.System.GetElapsedTime(promotedAt).TotalSeconds.ShouldBeLessThan(LongForm.Limit(10));
        await Wait.UntilAsync("every order is answered", Scene.Patience,
            () => Task.FromResult(Enumerable.Range(0, Orders).All(i => node.HasSaid($"ordered order-{i}") || node.HasSaid($"not ordered order-{i}"))), Stop, () => node.LastWords);
        await Wait.UntilAsync("no job is open", Scene.Patience, async () => await ScalarAsync(promoted, "select count(*) from mainstay.jobs") == 0, Stop, () => node.LastWords);

        for (var i = 0; isSynchronous && i < Orders; i++)
            if (node.HasSaid($"ordered order-{i}"))
                (await ScalarAsync(promoted, $"select count(*) from effects where key in ('order-{i}', 'order-{i}-next')")).ShouldBe(2, $"order-{i} was acknowledged");
        await scene.VerifyAsync(standby.Of(scene.Database));
    }

    private static async Task<long> ScalarAsync(NpgsqlDataSource source, string sql)
    {
        await using var command = source.CreateCommand(sql);
        return (long)(await command.ExecuteScalarAsync(Stop))!;
    }
}
