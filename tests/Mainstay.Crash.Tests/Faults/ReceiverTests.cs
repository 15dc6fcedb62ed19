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
        var victim = await scene.StartAsync(Scene.KeepsItsLease);
        await scene.SendAsync("post", "job", receiver.Address);
        await receiver.Handled.Task.WaitAsync(Scene.Patience, Scene.Stop);

        await scene.KillAsync(victim);
        confirmation.SetResult();
        await scene.SurviveAsync();

        await scene.UntilEmptyAsync();
        (await scene.FateAsync("job")).ShouldBe("done 2");
        receiver.Arrivals.ShouldBe(2);
        await ShouldHaveOneEffectAsync(scene);
    }

    /// <summary>Each lane goes on where it stood.</summary>
    [Fact]
    public async Task What_could_not_be_sent_is_sent_in_order_when_the_receiver_is_back()
    {
        const int Lanes = 20, Each = 25;
        await using var scene = await Scene.CreateAsync(server);
        await scene.SurviveAsync(settings => settings with { HasLimits = true });
        var address = $"http://127.0.0.1:{Ports.Free()}";
        // In the order of their numbers, all at once.
        await scene.ExecuteAsync($$"""
            insert into sent (id, key)
            select mainstay.enqueue('letter', json_build_object('key', lane || '-' || number, 'does', '{{address}}', 'lane', lane::text, 'number', number), lane => lane::text), lane || '-' || number
            from (select number, lane from generate_series(0, {{Each - 1}}) number cross join generate_series(0, {{Lanes - 1}}) lane order by number, lane) letters
            """);
        await scene.UntilAsync("each lane has failed twice", $"select count(*) filter (where attempt >= 2) >= {Lanes} from mainstay.jobs");
        (await scene.ScalarAsync<long>("select count(*) from mainstay.jobs")).ShouldBe(Lanes * Each);
        (await scene.ScalarAsync<long>("select count(*) from mainstay.jobs where attempt > 0 and (payload ->> 'number')::int > 0")).ShouldBe(0);

        await using var receiver = await Receiver.StartAsync(scene, address);

        await scene.UntilEmptyAsync();
        (await scene.ScalarAsync<long>("select count(*) from mainstay.jobs_done")).ShouldBe(Lanes * Each);
        (await scene.ScalarAsync<long>("select count(*) from effects")).ShouldBe(Lanes * Each);
        (await scene.ScalarAsync<long>("""
            select count(*) from (select split_part(key, '-', 2)::int as number, row_number() over (partition by split_part(key, '-', 1) order by id) - 1 as place from effects) arrived where number <> place
            """)).ShouldBe(0);
        await scene.VerifyAsync();
    }

    private static async Task ShouldHaveOneEffectAsync(Scene scene)
    {
        (await scene.ScalarAsync<long>("select count(*) from effects")).ShouldBe(1);
        await scene.VerifyAsync();
    }
}
