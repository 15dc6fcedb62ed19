namespace Mainstay.Tests;

/// <summary>kill -9 of a node, at each statement that it sends. Another node finds what is left.</summary>
public abstract class KilledNodeTests(SharedServer server)
{
    private protected static CancellationToken Stop => Scene.Stop;

    private protected Task<Scene> SceneAsync() => Scene.CreateAsync(server);

    /// <summary>Lets a node come to the statement, kills it there, and lets another one finish.</summary>
    /// <param name="statement">Where it is killed.</param>
    /// <param name="moment">Before the server hears the statement, or before the node hears the answer.</param>
    /// <param name="work">What is handed in.</param>
    /// <param name="fate">What becomes of it.</param>
    /// <param name="arrives">Whether what the dead node said last reaches the server all the same.</param>
    private protected async Task KillAsync(string statement, Moment moment, Func<Scene, WorkerProcess, Task> work, string fate, bool arrives = false, Func<NodeSettings, NodeSettings>? change = null)
    {
        await using var scene = await SceneAsync();
        var victim = scene.Worker(settings => Scene.KeepsItsLease(change?.Invoke(settings) ?? settings));
        var point = victim.Wire.Hold(Statements.Of(statement), moment, statement == "claim" && moment == Moment.After ? "job" : null);
        victim.Start();
        await victim.SaysAsync("ready", Stop);
        await work(scene, victim);

        var held = await point.ReachedAsync(Stop);
        await victim.KillAsync(Stop);
        if (arrives)
        {
            held.Continue();
            await scene.UntilAsync("what it said has arrived", "select exists (select from mainstay.jobs_done)");
        }
        else
            held.Cut();
        await scene.ShortenLeaseAsync(victim);
        await scene.SurviveAsync();

        await scene.UntilEmptyAsync();
        (await scene.FateAsync("job")).ShouldBe(fate);
        await scene.VerifyAsync();
    }

    private protected static Func<Scene, WorkerProcess, Task> Send(string handler, string does = "", TimeSpan? after = null) => (scene, _) => scene.SendAsync(handler, "job", does, after);
}

/// <summary>F7, F8, F10: on the way from the claim to the commit.</summary>
public sealed class KilledInARunTests(SharedServer server) : KilledNodeTests(server)
{
    [Theory]
    [InlineData("claim", Moment.Before, "done 1")]
    [InlineData("claim", Moment.After, "done 2")]
    [InlineData("complete", Moment.Before, "done 2")]
    [InlineData("commit", Moment.Before, "done 2")]
    [InlineData("commit", Moment.After, "done 1")]
    public Task A_transactional_job_has_its_effect_once(string statement, Moment moment, string fate) => KillAsync(statement, moment, Send("write"), fate);

    [Fact]
    public Task A_commit_that_arrives_after_the_death_of_its_node_counts() => KillAsync("complete", Moment.Before, Send("write"), "done 1", arrives: true);

    [Theory]
    [InlineData("complete", Moment.Before, "done 2")]
    [InlineData("commit", Moment.After, "done 1")]
    public Task What_a_job_enqueues_goes_with_its_commit_or_not_at_all(string statement, Moment moment, string fate) => KillAsync(statement, moment, Send("write", "then"), fate);
}

/// <summary>F7: where the end of a run is recorded by a statement of its own.</summary>
public sealed class KilledInAnEndTests(SharedServer server) : KilledNodeTests(server)
{
    [Theory]
    [InlineData("retry", Moment.Before, "done 2")]
    [InlineData("retry", Moment.After, "done 2")]
    public Task A_job_that_failed_is_tried_again(string statement, Moment moment, string fate) => KillAsync(statement, moment, Send("write", "stumble"), fate);

    [Theory]
    [InlineData(Moment.Before, "dead 2 failed")]
    [InlineData(Moment.After, "dead 1 failed")]
    public Task A_job_without_further_attempts_is_dead_once(Moment moment, string fate) => KillAsync("bury", moment, Send("brittle", "throw"), fate);

    [Theory]
    [InlineData(Moment.Before)]
    [InlineData(Moment.After)]
    public Task A_job_that_is_given_back_at_the_end_counts_no_attempt(Moment moment) => KillAsync("release", moment, async (scene, victim) =>
    {
        await scene.SendAsync("call", "job", "");
        await victim.SaysAsync("called job", Stop);
        victim.Signal(Signals.Terminate);
    }, moment == Moment.Before ? "done 2" : "done 1", change: settings => settings with { HoldsCalls = true, Drain = TimeSpan.FromMilliseconds(100) });
}

/// <summary>F1, F2, F7, F30: in what a node does beside its runs.</summary>
public sealed class KilledBesideRunsTests(SharedServer server) : KilledNodeTests(server)
{
    [Theory]
    [InlineData(Moment.Before)]
    [InlineData(Moment.After)]
    public Task A_delayed_job_becomes_ready_once(Moment moment) => KillAsync("promote", moment, Send("write", after: TimeSpan.FromMilliseconds(300)), moment == Moment.Before ? "done 1" : "done 2");

    [Theory]
    [InlineData(Moment.Before)]
    [InlineData(Moment.After)]
    public async Task A_node_that_dies_while_it_takes_back_the_work_of_another_leaves_it_to_the_next(Moment moment)
    {
        await using var scene = await SceneAsync();
        var first = await scene.StartAsync(settings => Scene.KeepsItsLease(settings) with { HoldsCalls = true });
        await scene.SendAsync("call", "job");
        await first.SaysAsync("called job", Stop);
        var second = await scene.StartAsync(settings => settings with { Workers = 0 });
        var point = second.Wire.Hold(Statements.Of("reap"), moment, moment == Moment.After ? "call" : null);

        await scene.KillAsync(first);
        var held = await point.ReachedAsync(Stop);
        await second.KillAsync(Stop);
        held.Cut();
        await scene.SurviveAsync();

        await scene.UntilEmptyAsync();
        (await scene.FateAsync("job")).ShouldBe("done 2");
        (await scene.ScalarAsync<long>("select count(*) from calls")).ShouldBe(2);
        await scene.VerifyAsync();
    }

    [Theory]
    [InlineData(Moment.Before)]
    [InlineData(Moment.After)]
    public async Task A_node_that_dies_while_it_renews_its_lease_is_missed_when_that_is_over(Moment moment)
    {
        await using var scene = await SceneAsync();
        var victim = await scene.StartAsync(settings => settings with { HoldsCalls = true, Lease = TimeSpan.FromSeconds(10), Timeout = TimeSpan.FromMinutes(2) });
        await scene.SendAsync("call", "job");
        await victim.SaysAsync("called job", Stop);

        var held = await victim.Wire.Hold(Statements.Of("renew"), moment).ReachedAsync(Stop);
        await victim.KillAsync(Stop);
        held.Cut();
        await scene.NoteKillAsync();
        // The next process of the same machine has a name like the old one, and is another node.
        await scene.ExecuteAsync("update mainstay.nodes set name = 'the same'");
        await scene.SurviveAsync();
        await scene.ExecuteAsync("update mainstay.nodes set name = 'the same'");

        await scene.UntilEmptyAsync();
        (await scene.FateAsync("job")).ShouldBe("done 2");
        (await scene.SecondsToTheNextRunAsync()).ShouldBeLessThan(LongForm.Limit(12));
        await scene.VerifyAsync();
    }

    [Theory]
    [InlineData("application's commit", Moment.Before, 0)]
    [InlineData("application's commit", Moment.After, 1)]
    public async Task An_order_and_its_job_are_both_there_or_neither_is(string statement, Moment moment, int orders)
    {
        await using var scene = await SceneAsync();
        var victim = await scene.StartAsync();
        var point = victim.Wire.Hold(Statements.Of(statement), moment);
        victim.Tell("order order-1");

        var held = await point.ReachedAsync(Stop);
        await victim.KillAsync(Stop);
        held.Cut();
        await scene.SurviveAsync();

        await scene.UntilEmptyAsync();
        (await scene.ScalarAsync<long>("select count(*) from orders")).ShouldBe(orders);
        (await scene.ScalarAsync<long>("select count(*) from effects")).ShouldBe(orders);
        await scene.VerifyAsync();
    }

    [Theory]
    [InlineData(Moment.Before)]
    [InlineData(Moment.After)]
    public async Task A_planned_time_whose_node_dies_over_it_runs_once(Moment moment)
    {
        await using var scene = await SceneAsync();
        Func<NodeSettings, NodeSettings> ticking = settings => settings with { TicksEvery = TimeSpan.FromSeconds(1) };
        var victim = scene.Worker(ticking);
        var point = victim.Wire.Hold(Statements.Of("fire"), moment);
        victim.Start();

        var held = await point.ReachedAsync(Stop);
        await victim.KillAsync(Stop);
        held.Cut();
        await scene.SurviveAsync(ticking);

        await scene.UntilAsync("three planned times have run", "select count(*) >= 3 from ticks");
        (await scene.ScalarAsync<bool>("select max(planned_at) - min(planned_at) = (count(*) - 1) * interval '1 second' from mainstay.schedule_runs")).ShouldBeTrue();
        await scene.VerifyAsync();
    }
}

/// <summary>F9: after an effect outside, before anything is recorded.</summary>
public sealed class KilledAfterACallTests(SharedServer server)
{
    [Fact]
    public async Task A_call_is_made_again_under_the_same_key()
    {
        await using var scene = await Scene.CreateAsync(server);
        var victim = await scene.StartAsync(settings => Scene.KeepsItsLease(settings) with { HoldsCalls = true });
        var id = await scene.SendAsync("call", "job");
        await victim.SaysAsync("called job", Scene.Stop);

        await scene.KillAsync(victim);
        await scene.SurviveAsync();

        await scene.UntilEmptyAsync();
        (await scene.ScalarAsync<string>("select string_agg(idempotency_key || ' ' || attempt, ', ' order by attempt) from calls")).ShouldBe($"{id} 1, {id} 2");
        await scene.VerifyAsync();
    }
}
