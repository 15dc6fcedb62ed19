namespace Mainstay.Tests;

/// <summary>F8, F9: runs of several steps, and of several jobs at once, whose node is killed in the middle.</summary>
public sealed class StepTests(SharedServer server) : KilledNodeTests(server)
{
    [Fact]
    public async Task A_step_that_is_recorded_is_not_repeated_and_the_next_one_is_under_the_same_key()
    {
        await using var scene = await SceneAsync();
        var victim = await scene.StartAsync(settings => Scene.KeepsItsLease(settings) with { HoldsCalls = true });
        await scene.SendAsync("stepped", "job");
        await victim.SaysAsync("called job-b", Stop);

        await scene.KillAsync(victim);
        await scene.SurviveAsync();

        await scene.UntilEmptyAsync();
        (await scene.FateAsync("job")).ShouldBe("done 2");
        (await scene.ScalarAsync<string>("select string_agg(key || ' ' || attempt, ', ' order by key, attempt) from calls")).ShouldBe("job-a 1, job-b 1, job-b 2");
        (await scene.ScalarAsync<long>("select count(distinct idempotency_key) from calls")).ShouldBe(2);
        await scene.VerifyAsync();
    }

    [Theory]
    [InlineData(Moment.Before)]
    [InlineData(Moment.After)]
    public Task A_node_may_die_while_it_records_a_step(Moment moment) => KillAsync("step", moment, Send("stepped"), "done 2");

    [Theory]
    [InlineData("complete all", Moment.Before)]
    [InlineData("commit", Moment.Before)]
    [InlineData("commit", Moment.After)]
    public async Task A_batch_is_done_as_a_whole_or_not_at_all(string statement, Moment moment)
    {
        await using var scene = await SceneAsync();
        for (var i = 0; i < 10; i++)
            await scene.SendAsync("batched", $"job-{i}");
        var victim = scene.Worker();
        var point = victim.Wire.Hold(Statements.Of(statement), moment);
        victim.Start();

        var held = await point.ReachedAsync(Stop);
        await victim.KillAsync(Stop);
        held.Cut();
        await scene.SurviveAsync();

        await scene.UntilEmptyAsync();
        (await scene.ScalarAsync<long>("select count(*) from mainstay.jobs_done")).ShouldBe(10);
        await scene.VerifyAsync();
    }
}
