namespace Mainstay.Tests;

/// <summary>F48, F49: a node is told to stop while it is busy.</summary>
public sealed class StopTests(SharedServer server)
{
    private const int Jobs = 40;

    private static readonly TimeSpan drain = TimeSpan.FromSeconds(4);

    private static CancellationToken Stop => Scene.Stop;

    [Fact]
    public async Task A_busy_node_ends_what_ends_in_time_and_gives_back_the_rest_and_no_attempt_is_lost()
    {
        await using var scene = await Scene.CreateAsync(server);
        var node = await BusyAsync(scene);

        var began = TimeProvider.System.GetTimestamp();
        node.Signal(Signals.Terminate);
        var sent = new List<(string Key, long At)>();
        await Wait.UntilAsync("what goes on is cancelled", Scene.Patience, async () =>
        {
            var isOver = node.HasSaid("cancelled wait-0");
            sent.Add(($"late-{Guid.CreateVersion7()}", TimeProvider.System.GetTimestamp()));
            await scene.SendAsync("call", sent[^1].Key);
            return isOver;
        }, Stop, () => node.LastWords);
        var over = sent[^1].At;
        (await node.ExitAsync(TimeSpan.FromSeconds(45), Stop)).ShouldBe(0, node.LastWords);

        TimeProvider.System.GetElapsedTime(began).TotalSeconds.ShouldBeLessThan(LongForm.Limit(drain.TotalSeconds + 1));
        (await scene.ScalarAsync<long>("select count(*) from mainstay.jobs where state <> 0 or attempt > 0 or crashes > 0")).ShouldBe(0);
        (await CountAsync(scene, "jobs_done", "soon")).ShouldBe(Jobs / 2);
        (await CountAsync(scene, "jobs", "wait")).ShouldBe(Jobs / 2);
        // What came when the signal did may have been taken and done. What came later has not, although half of its places were free by then: it cancels what goes on when it has taken nothing for that long.
        foreach (var (key, _) in sent.Where(late => TimeProvider.System.GetElapsedTime(late.At, over) < drain - TimeSpan.FromSeconds(0.5)))
            (await scene.FateAsync(key)).ShouldBe("open 0 0 state 0");
        await scene.VerifyAsync();
    }

    [Theory]
    [InlineData(Signals.Terminate)]
    [InlineData(Signals.Kill)]
    public async Task A_node_that_is_ended_for_good_while_it_ends_in_order_leaves_everything_to_the_next(int signal)
    {
        await using var scene = await Scene.CreateAsync(server);
        var node = await BusyAsync(scene);

        node.Signal(Signals.Terminate);
        await node.SaysAsync("cancelled wait-0", Stop);
        node.Signal(signal);
        await node.ExitAsync(TimeSpan.FromSeconds(45), Stop);
        await scene.ShortenLeaseAsync(node);
        await scene.ExecuteAsync("""update mainstay.jobs set payload = json_build_object('key', payload ->> 'key', 'does', '')""");
        await scene.SurviveAsync();

        await scene.UntilEmptyAsync();
        (await scene.ScalarAsync<long>("select count(*) from mainstay.jobs_done")).ShouldBe(Jobs);
        await scene.VerifyAsync();
    }

    private static Task<long> CountAsync(Scene scene, string table, string name) => scene.ScalarAsync<long>($"select count(*) from mainstay.{table} join sent using (id) where key like '{name}-%'");

    /// <summary>A node in the middle of many calls: half of them end soon, the others when they are cancelled.</summary>
    private static async Task<WorkerProcess> BusyAsync(Scene scene)
    {
        for (var i = 0; i < Jobs / 2; i++)
        {
            await scene.SendAsync("call", $"soon-{i}", "late:1");
            await scene.SendAsync("call", $"wait-{i}", "wait");
        }
        // Past the wire, which may get no time: what is given back has to be recorded before the node gives up waiting for that.
        var node = await scene.StartAsync(settings => Scene.KeepsItsLease(settings) with { ConnectionString = scene.Database, Workers = Jobs, Drain = drain });
        for (var i = 0; i < Jobs / 2; i++)
        {
            await node.SaysAsync($"called soon-{i}", Stop);
            await node.SaysAsync($"called wait-{i}", Stop);
        }
        return node;
    }
}
