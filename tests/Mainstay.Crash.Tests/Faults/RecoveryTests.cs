namespace Mainstay.Tests;

/// <summary>F7: how soon the work of a killed node runs again, with the profiles that the guide names. Measured by the clock of the database.</summary>
public sealed class RecoveryTests(SharedServer server)
{
    private static CancellationToken Stop => Scene.Stop;

    [Theory]
    [InlineData(10, 12)]
    [InlineData(30, 35)]
    public async Task Work_of_a_killed_node_runs_again_within(int lease, int most)
    {
        Assert.SkipWhen(lease == 30 && LongForm.Kills is null, "This one takes the better part of a minute. MAINSTAY_CRASH_KILLS asks for it.");
        await using var scene = await Scene.CreateAsync(server);
        NodeSettings Profile(NodeSettings settings) => settings with { Lease = TimeSpan.FromSeconds(lease), Poll = TimeSpan.FromSeconds(2), Timeout = TimeSpan.FromMinutes(2) };
        for (var i = 0; i < 3; i++)
            await scene.SendAsync("call", $"job-{i}");
        var victim = await scene.StartAsync(settings => Profile(settings) with { HoldsCalls = true });
        for (var i = 0; i < 3; i++)
            await victim.SaysAsync($"called job-{i}", Stop);
        await scene.SurviveAsync(Profile);
        await scene.SurviveAsync(Profile);

        // The worst moment: it has just renewed its lease.
        var held = await victim.Wire.Hold(Statements.Of("renew"), Moment.After).ReachedAsync(Stop);
        await victim.KillAsync(Stop);
        held.Cut();
        await scene.NoteKillAsync();
        await scene.UntilEmptyAsync();

        (await scene.SecondsToTheNextRunAsync()).ShouldBeLessThan(LongForm.Limit(most));
        (await scene.ScalarAsync<bool>($"select min(at) >= (select lease_until from mainstay.nodes where name = '{Scene.NameOf(victim)}') from calls where attempt = 2")).ShouldBeTrue("it ran again before the lease was over");
        (await scene.ScalarAsync<long>("select count(*) from calls where attempt = 2")).ShouldBe(3);
        await scene.VerifyAsync();
    }
}
