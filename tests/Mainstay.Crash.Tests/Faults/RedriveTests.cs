using Microsoft.Extensions.DependencyInjection;

namespace Mainstay.Tests;

/// <summary>F56: many dead letters are redriven, half of them die again, and so does the node that does it.</summary>
public sealed class RedriveTests(SharedServer server)
{
    private const int Letters = 200;

    [Theory]
    [InlineData(Moment.Before)]
    [InlineData(Moment.After)]
    public async Task A_redrive_goes_on_where_it_was_and_takes_each_letter_once(Moment moment)
    {
        await using var scene = await Scene.CreateAsync(server);
        await scene.ExecuteAsync($$"""
            with letter as (select gen_random_uuid() as id, 'letter-' || i as key, case when i % 2 = 0 then 'throw' else '' end as does from generate_series(1, {{Letters}}) i),
            noted as (insert into sent (id, key) select id, key from letter)
            insert into mainstay.jobs_dead (id, handler, attempt, fence, crashes, created_at, dead_at, reason, payload)
            select id, 'brittle', 1, 1, 0, mainstay.now(), mainstay.now(), 'failed', json_build_object('key', key, 'does', does) from letter
            """);
        Guid redrive;
        using (var operations = FaultNode.Build(scene.Settings with { Workers = 0 }, new Voice(_ => { }), _ => { }))
            redrive = (await operations.Services.GetRequiredService<DeadLetters>().RedriveManyAsync(new DeadLetterFilter { Handler = "brittle" }, "another try", perSecond: 100, cancellation: Scene.Stop)).Id;

        var victim = scene.Worker();
        var first = victim.Wire.Hold(Statements.Of("redrive"), Moment.After);
        victim.Start();
        var held = await first.ReachedAsync(Scene.Stop);
        var second = victim.Wire.Hold(Statements.Of("redrive"), moment);
        held.Continue();
        held = await second.ReachedAsync(Scene.Stop);
        await victim.KillAsync(Scene.Stop);
        held.Cut();
        var survivor = await scene.SurviveAsync();

        await scene.UntilAsync("the redrive has come to its end", "select status = 'done' from mainstay.redrives");
        await scene.UntilEmptyAsync();
        (await survivor.Services.GetRequiredService<DeadLetters>().FindRedriveAsync(redrive, Scene.Stop))!.Redriven.ShouldBe(Letters);
        (await scene.ScalarAsync<long>("select count(*) from mainstay.jobs_done")).ShouldBe(Letters / 2);
        (await scene.ScalarAsync<long>("select count(*) from mainstay.jobs_dead")).ShouldBe(Letters / 2);
        await scene.VerifyAsync();
    }
}
