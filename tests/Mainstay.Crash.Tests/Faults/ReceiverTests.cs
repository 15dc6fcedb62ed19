using System.Net;
using System.Net.Sockets;

namespace Mainstay.Tests;

/// <summary>F37, F38: whoever gets the messages of the application is down, or its confirmation gets lost, or the sender dies before it has noted it.</summary>
public sealed class ReceiverTests(SharedServer server)
{
    [Fact]
    public async Task A_message_whose_confirmation_gets_lost_is_sent_again_under_the_same_id_and_has_one_effect()
    {
        await using var scene = await Scene.CreateAsync(server);
        await scene.SurviveAsync();
        await using var receiver = await Receiver.StartAsync(scene, loses: 2);

        await scene.SendAsync("post", "job", receiver.Address);

        await scene.UntilEmptyAsync();
        (await scene.FateAsync("job")).ShouldBe("done 3");
        receiver.Arrivals.ShouldBe(3);
        await ShouldHaveOneEffectAsync(scene);
    }

    [Fact]
    public async Task A_sender_may_die_after_the_message_has_arrived()
    {
        await using var scene = await Scene.CreateAsync(server);
        var confirmation = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var receiver = await Receiver.StartAsync(scene, holds: confirmation);
        var victim = await scene.StartAsync();
        await scene.SendAsync("post", "job", receiver.Address);
        await receiver.Handled.Task.WaitAsync(Scene.Patience, Scene.Stop);

        await victim.KillAsync(Scene.Stop);
        confirmation.SetResult();
        await scene.SurviveAsync();

        await scene.UntilEmptyAsync();
        (await scene.FateAsync("job")).ShouldBe("done 2");
        receiver.Arrivals.ShouldBe(2);
        await ShouldHaveOneEffectAsync(scene);
    }

    [Fact]
    public async Task What_could_not_be_sent_is_sent_when_the_receiver_is_back()
    {
        await using var scene = await Scene.CreateAsync(server);
        await scene.SurviveAsync();
        var address = $"http://127.0.0.1:{FreePort()}";
        await scene.SendAsync("post", "job", address);
        await scene.UntilAsync("it has failed twice", "select coalesce(max(attempt), 0) >= 2 from mainstay.jobs");

        await using var receiver = await Receiver.StartAsync(scene, address);

        await scene.UntilEmptyAsync();
        (await scene.FateAsync("job")).ShouldStartWith("done");
        await ShouldHaveOneEffectAsync(scene);
    }

    private static async Task ShouldHaveOneEffectAsync(Scene scene)
    {
        (await scene.ScalarAsync<long>("select count(*) from effects")).ShouldBe(1);
        await scene.VerifyAsync();
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
