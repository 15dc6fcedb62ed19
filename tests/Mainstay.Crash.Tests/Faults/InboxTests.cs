namespace Mainstay.Tests;

/// <summary>F35: a message from outside comes three times, at once, to several nodes, and the one that has it is killed.</summary>
public sealed class InboxTests(SharedServer server)
{
    [Theory]
    [InlineData(Moment.Before)]
    [InlineData(Moment.After)]
    public async Task It_is_handled_once_and_whoever_brings_it_again_gets_the_first_answer(Moment moment)
    {
        await using var scene = await Scene.CreateAsync(server);
        var nodes = await Task.WhenAll(scene.StartAsync(), scene.StartAsync(), scene.StartAsync());
        var point = nodes[0].Wire.Hold(Statements.Of("commit"), moment);
        nodes[0].Tell("receive m");
        var held = await point.ReachedAsync(Scene.Stop);

        foreach (var node in nodes[1..])
            for (var i = 0; i < 3; i++)
                node.Tell("receive m");
        await nodes[0].KillAsync(Scene.Stop);
        held.Cut();

        foreach (var node in nodes[1..])
            await node.SaysAsync("received m order-of-m", Scene.Stop);
        await scene.UntilEmptyAsync();
        (await scene.ScalarAsync<long>("select count(*) from orders")).ShouldBe(1);
        (await scene.FateAsync("order-of-m")).ShouldStartWith("done");
        await scene.VerifyAsync();
    }
}
