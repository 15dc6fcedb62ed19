namespace Mainstay.Tests;

/// <summary>F11, F12: a node that sleeps beyond its lease, wakes up and goes on where it was.</summary>
public sealed class StoppedNodeTests(SharedServer server)
{
    private static CancellationToken Stop => Scene.Stop;

    /// <summary>It sleeps beyond the end of its lease, and must not lose that before, because the machine is busy.</summary>
    private static NodeSettings Sleeper(NodeSettings settings) => settings with { Lease = TimeSpan.FromSeconds(10), Timeout = TimeSpan.FromMinutes(2) };

    /// <summary>A job that was born leased, and whose commit was answered when the lease was over, gives its slot back: else this node would have none when it has happened twice.</summary>
    [Fact]
    public async Task What_was_born_in_a_lease_that_is_over_keeps_no_slot()
    {
        await using var scene = await Scene.CreateAsync(server);
        var sleeper = await scene.StartAsync(settings => settings with { Workers = 2, Lease = TimeSpan.FromSeconds(1) });
        for (var i = 0; i < 2; i++)
        {
            var point = sleeper.Wire.Hold(Statements.Of("commit"), Moment.After);
            await scene.SendAsync("write", $"job-{i}", "then");
            var held = await point.ReachedAsync(Stop);
            sleeper.Signal(Signals.Stop);
            await scene.UntilAsync("its lease is over", "select not exists (select from mainstay.nodes where lease_until > mainstay.now())");
            held.Continue();
            sleeper.Signal(Signals.Continue);
            await scene.UntilEmptyAsync();
        }

        await scene.SendAsync("write", "afterwards");
        await scene.UntilEmptyAsync();
        await scene.VerifyAsync();
    }

    [Fact]
    public async Task The_commit_of_a_node_that_overslept_is_refused_and_the_node_is_good_again()
    {
        await using var scene = await Scene.CreateAsync(server);
        var sleeper = await scene.StartAsync(Sleeper);
        var point = sleeper.Wire.Hold(Statements.Of("complete"), Moment.Before);
        await scene.SendAsync("write", "job");

        var held = await point.ReachedAsync(Stop);
        sleeper.Signal(Signals.Stop);
        var survivor = await scene.SurviveAsync();
        await scene.UntilEmptyAsync();
        sleeper.Signal(Signals.Continue);
        held.Continue();

        await sleeper.LogsAsync("its effect was refused", Stop);
        (await scene.FateAsync("job")).ShouldBe("done 2");
        await survivor.StopAsync(Stop);
        await scene.SendAsync("write", "afterwards");
        await scene.UntilEmptyAsync();
        await scene.VerifyAsync();
    }

    /// <summary>Its row is deleted, but not yet for good: nobody can take it back, and what decides is whether the rest of the commit arrives.</summary>
    [Theory]
    [InlineData(true, "done 1")]
    [InlineData(false, "done 2")]
    public async Task A_commit_that_was_half_way_is_made_by_one_of_the_two(bool arrives, string fate)
    {
        await using var scene = await Scene.CreateAsync(server);
        var sleeper = await scene.StartAsync(Sleeper);
        var point = sleeper.Wire.Hold(Statements.Of("commit"), Moment.Before);
        await scene.SendAsync("write", "job");

        var held = await point.ReachedAsync(Stop);
        sleeper.Signal(Signals.Stop);
        await scene.SurviveAsync();
        await scene.UntilAsync("the lease of the sleeper is over", "select exists (select from mainstay.nodes where lease_until < mainstay.now())");
        if (arrives)
            held.Continue();
        else
            held.Cut();
        await scene.UntilEmptyAsync();
        sleeper.Signal(Signals.Continue);

        (await scene.FateAsync("job")).ShouldBe(fate);
        await scene.VerifyAsync();
    }

    [Fact]
    public async Task A_node_that_overslept_cancels_what_reaches_out_and_is_good_again()
    {
        await using var scene = await Scene.CreateAsync(server);
        var sleeper = await scene.StartAsync(settings => Sleeper(settings) with { HoldsCalls = true });
        await scene.SendAsync("call", "job");
        await sleeper.SaysAsync("called job", Stop);

        sleeper.Signal(Signals.Stop);
        var survivor = await scene.SurviveAsync();
        await scene.UntilEmptyAsync();
        await survivor.StopAsync(Stop);
        sleeper.Signal(Signals.Continue);
        await sleeper.SaysAsync("cancelled job", Stop);
        await scene.SendAsync("write", "afterwards");

        await scene.UntilEmptyAsync();
        (await scene.FateAsync("job")).ShouldBe("done 2");
        (await scene.FateAsync("afterwards")).ShouldBe("done 1");
        await scene.VerifyAsync();
    }
}
