using Microsoft.Extensions.DependencyInjection;

namespace Mainstay.Tests;

/// <summary>F54: what is in order of a key, while the head dies in every manner. Its queue has a limit, too. That nothing overtakes is a check of the ledger.</summary>
public sealed class OrderTests(SharedServer server)
{
    private const int Each = 4;

    private static CancellationToken Stop => Scene.Stop;

    [Theory]
    [InlineData("admit", Moment.Before, "")]
    [InlineData("admit", Moment.After, "")]
    [InlineData("claim", Moment.After, "")]
    [InlineData("complete in lane", Moment.Before, "")]
    [InlineData("commit", Moment.Before, "")]
    [InlineData("commit", Moment.After, "")]
    [InlineData("retry", Moment.Before, "stumble")]
    [InlineData("retry", Moment.After, "stumble")]
    [InlineData("bury", Moment.Before, "throw")]
    [InlineData("bury", Moment.After, "throw")]
    public async Task The_next_waits_wherever_the_node_of_the_head_is_killed(string statement, Moment moment, string does)
    {
        await using var scene = await Scene.CreateAsync(server);
        NodeSettings Ordered(NodeSettings settings) => settings with { HasLimits = true, DeadHead = DeadHead.Skip };
        await SendAsync(scene, "a", 1, does);
        await SendAsync(scene, "b", 1, does);
        var victim = scene.Worker(settings => Ordered(Scene.KeepsItsLease(settings)));
        var point = victim.Wire.Hold(Statements.Of(statement), moment, statement == "claim" ? "a-0" : null);
        victim.Start();

        var held = await point.ReachedAsync(Stop);
        await scene.KillAsync(victim);
        held.Cut();
        await scene.SurviveAsync(Ordered);

        await scene.UntilEmptyAsync();
        (await EffectsAsync(scene, "a")).ShouldBe(does == "throw" ? "a-0 a-2 a-3" : "a-0 a-1 a-2 a-3");
        (await EffectsAsync(scene, "b")).ShouldBe(does == "throw" ? "b-0 b-2 b-3" : "b-0 b-1 b-2 b-3");
        await scene.VerifyAsync();
    }

    /// <summary>The next begins with the commit, whether or not its node has heard of it. Whoever has not, looks before its handler runs again.</summary>
    [Fact]
    public async Task A_run_whose_commit_is_in_doubt_does_not_begin_again_beside_the_next()
    {
        await using var scene = await Scene.CreateAsync(server);
        var node = await scene.StartAsync(settings => Scene.KeepsItsLease(settings) with { HasLimits = true });
        var point = node.Wire.Hold(Statements.Of("commit"), Moment.After);
        await SendAsync(scene, "a", 0, "");

        var held = await point.ReachedAsync(Stop);
        await scene.UntilAsync("those behind it are done", $"select count(*) = {Each} from effects");
        held.Cut();

        await node.LogsAsync("its effect was refused", Stop);
        (await scene.ScalarAsync<long>("select count(*) from runs")).ShouldBe(Each);
        await scene.VerifyAsync();
    }

    [Theory]
    [InlineData(DeadHead.Block, "throw", "failed")]
    [InlineData(DeadHead.Block, "exit", "crashed")]
    [InlineData(DeadHead.Skip, "exit", "crashed")]
    [InlineData(DeadHead.BuryLane, "exit", "crashed lane lane")]
    public async Task When_the_head_is_dead_the_rest_does_what_was_declared(DeadHead deadHead, string does, string reasons)
    {
        await using var scene = await Scene.CreateAsync(server);
        NodeSettings Ordered(NodeSettings settings) => Scene.KeepsItsLease(settings) with { HasLimits = true, DeadHead = deadHead };
        await SendAsync(scene, "a", 1, does);
        await SendAsync(scene, "b", 0, "");
        var waiting = deadHead == DeadHead.Block ? 2 : 0;

        var node = scene.Worker(Ordered);
        await scene.KeepStartedUntilAsync(node, "the head is dead, and the rest has done what it does",
            $"select exists (select from mainstay.jobs_dead) and (select count(*) = {waiting} from mainstay.jobs)");

        (await scene.ScalarAsync<string>("select string_agg(reason, ' ' order by reason) from mainstay.jobs_dead")).ShouldBe(reasons);
        (await EffectsAsync(scene, "b")).ShouldBe("b-0 b-1 b-2 b-3");
        (await EffectsAsync(scene, "a")).ShouldBe(deadHead == DeadHead.Skip ? "a-0 a-2 a-3" : "a-0");
        await scene.VerifyAsync();

        if (deadHead == DeadHead.Block)
        {
            var survivor = await scene.SurviveAsync(Ordered);
            var dead = await scene.ScalarAsync<Guid>("select id from mainstay.jobs_dead");
            (await survivor.Services.GetRequiredService<DeadLetters>().RedriveAsync(dead, "It is better now.", """{"key":"a-1","lane":"a","number":1,"does":""}""", cancellation: Stop)).ShouldBeTrue();
        }
        await scene.SendAsync("ordered", "a-4", lane: "a", number: Each);
        await scene.UntilEmptyAsync();
        (await EffectsAsync(scene, "a")).ShouldBe(deadHead switch { DeadHead.Block => "a-0 a-1 a-2 a-3 a-4", DeadHead.Skip => "a-0 a-2 a-3 a-4", _ => "a-0 a-4" });
        await scene.VerifyAsync();
    }

    /// <summary>Four of a lane, of which one does something else.</summary>
    private static async Task SendAsync(Scene scene, string lane, int which, string does)
    {
        for (var number = 0; number < Each; number++)
            await scene.SendAsync("ordered", $"{lane}-{number}", number == which ? does : "", lane: lane, number: number);
    }

    private static Task<string> EffectsAsync(Scene scene, string lane) => scene.ScalarAsync<string>($"select string_agg(key, ' ' order by id) from effects where key like '{lane}-%'");
}
