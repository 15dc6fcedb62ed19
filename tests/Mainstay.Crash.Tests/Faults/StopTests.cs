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
        await node.LogsAsync("Application is shutting down", Stop);
        var stops = TimeProvider.System.GetTimestamp();
        var late = new List<string>();
        await Wait.UntilAsync("what goes on is cancelled", Scene.Patience, async () =>
        {
            var key = $"late-{Guid.CreateVersion7()}";
            var isLate = node.HasSaid("cancelled wait-0") || TimeProvider.System.GetElapsedTime(stops) > TimeSpan.FromSeconds(LongForm.Limit(0.5));
            await scene.SendAsync("call", key);
            if (isLate)
                late.Add(key);
            return node.HasSaid("cancelled wait-0") && late.Count > 0;
        }, Stop, () => node.LastWords);
        (await node.ExitAsync(TimeSpan.FromSeconds(45), Stop)).ShouldBe(0, node.LastWords);

        TimeProvider.System.GetElapsedTime(began).TotalSeconds.ShouldBeLessThan(LongForm.Limit(drain.TotalSeconds + 1));
        (await scene.ScalarAsync<long>("select count(*) from mainstay.jobs where state <> 0 or attempt > 0 or crashes > 0")).ShouldBe(0);
        (await CountAsync(scene, "jobs_done", "soon")).ShouldBe(Jobs / 2);
        (await CountAsync(scene, "jobs", "wait")).ShouldBe(Jobs / 2);
        // What came when the signal did may have been taken and done. What came a while later has not, although half of its places were free by then.
        foreach (var key in late)
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
        var node = await scene.StartAsync(settings => settings with { Workers = Jobs, Drain = drain });
        for (var i = 0; i < Jobs / 2; i++)
        {
            await node.SaysAsync($"called soon-{i}", Stop);
            await node.SaysAsync($"called wait-{i}", Stop);
        }
        return node;
    }
}
