namespace Mainstay.Tests;

/// <summary>F52: so many at the same time, of a queue and of a key, and those who hold the permits are killed.</summary>
public sealed class PermitTests(SharedServer server)
{
    private static CancellationToken Stop => Scene.Stop;

    [Theory]
    [InlineData("narrow", null)]
    [InlineData("shared", "lane")]
    public async Task Permits_of_killed_nodes_return_when_their_leases_are_over_and_not_before(string handler, string? lane)
    {
        await using var scene = await Scene.CreateAsync(server);
        for (var i = 0; i < FaultNode.AtMost; i++)
            await scene.SendAsync(handler, $"held-{i}", "wait", lane: lane);
        // They must not lose their leases because the machine is busy.
        NodeSettings Patient(NodeSettings settings) => Limited(settings) with { Lease = TimeSpan.FromSeconds(12) };
        var victims = await Task.WhenAll(scene.StartAsync(Patient), scene.StartAsync(Patient));
        await scene.UntilAsync("all permits are held", $"select count(*) = {FaultNode.AtMost} from runs where ended is null");
        for (var i = 0; i < 12; i++)
            await scene.SendAsync(handler, $"job-{i}", "late:0.05", lane: lane);
        await scene.ExecuteAsync("""update mainstay.jobs set payload = (payload::jsonb || '{"does":""}')::json where payload ->> 'does' = 'wait'""");
        await scene.SurviveAsync(Limited);

        await Task.WhenAll(victims.Select(victim => victim.KillAsync(Stop)));
        await scene.UntilEmptyAsync();

        (await scene.ScalarAsync<bool>($"""
            select min(began) filter (where node = {Environment.ProcessId}) >= (select min(lease_until) from mainstay.nodes where name in (select '{Environment.MachineName}:' || node from runs where ended is null)) from runs
            """)).ShouldBeTrue();
        await FillAsync(scene, handler, lane);
        await scene.VerifyAsync();
    }

    /// <summary>Claimed and not begun, running, and done without anybody knowing: wherever a holder is killed, its permit is there again.</summary>
    [Theory]
    [InlineData("narrow", null)]
    [InlineData("shared", "lane")]
    public async Task No_permit_is_lost_wherever_its_holder_is_killed(string handler, string? lane)
    {
        await using var scene = await Scene.CreateAsync(server);
        for (var i = 0; i < 20; i++)
            await scene.SendAsync(handler, $"job-{i}", "late:0.05", lane: lane);
        foreach (var (statement, moment, about) in new[] { ("claim", Moment.After, "job"), ("claim", Moment.Before, null), ("finish", Moment.Before, null) })
        {
            var victim = scene.Worker(Limited);
            var point = victim.Wire.Hold(Statements.Of(statement), moment, about);
            victim.Start();
            var held = await point.ReachedAsync(Stop);
            await victim.KillAsync(Stop);
            held.Cut();
        }
        await scene.SurviveAsync(Limited);
        await scene.SurviveAsync(Limited);

        await scene.UntilEmptyAsync();
        (await scene.ScalarAsync<long>("select count(*) from mainstay.jobs_done")).ShouldBe(20);
        await FillAsync(scene, handler, lane);
        await scene.VerifyAsync();
    }

    /// <summary>A node that hears of its claim so late that it has given it back does not run it: others have the permits.</summary>
    [Theory]
    [InlineData("narrow", null)]
    [InlineData("shared", "lane")]
    public async Task A_claim_that_was_given_back_before_its_answer_came_is_not_run(string handler, string? lane)
    {
        await using var scene = await Scene.CreateAsync(server);
        var slow = scene.Worker(Limited);
        var first = slow.Wire.Hold(Statements.Of("claim"), Moment.After, "job");
        for (var i = 0; i < FaultNode.AtMost; i++)
            await scene.SendAsync(handler, $"job-{i}", "late:1", lane: lane);
        slow.Start();
        var lost = await first.ReachedAsync(Stop);
        var second = slow.Wire.Hold(Statements.Of("claim"), Moment.After, "job");
        // From now on it knows that it may hold what it has never heard of.
        lost.Cut();
        var late = await second.ReachedAsync(Stop);
        await scene.UntilAsync("it has given back its second claim too", $"select count(*) = {FaultNode.AtMost} from mainstay.jobs where state = 0 and fence = 2");
        await scene.SurviveAsync(Limited);
        await scene.UntilAsync("all permits have been used", $"select count(*) = {FaultNode.AtMost} from runs");

        late.Continue();

        await scene.UntilEmptyAsync();
        (await scene.ScalarAsync<long>("select count(*) from runs")).ShouldBe(FaultNode.AtMost);
        await scene.VerifyAsync();
    }

    /// <summary>The same for one that hears of it when its lease is over, and has been taken up again or not.</summary>
    [Theory]
    [InlineData("narrow", null)]
    [InlineData("shared", "lane")]
    public async Task A_claim_whose_lease_was_over_before_its_answer_came_is_not_run(string handler, string? lane)
    {
        await using var scene = await Scene.CreateAsync(server);
        var sleeper = scene.Worker(Limited);
        var point = sleeper.Wire.Hold(Statements.Of("claim"), Moment.After, "job");
        for (var i = 0; i < FaultNode.AtMost; i++)
            await scene.SendAsync(handler, $"job-{i}", "late:1", lane: lane);
        sleeper.Start();
        var held = await point.ReachedAsync(Stop);
        sleeper.Signal(Signals.Stop);
        await scene.SurviveAsync(Limited);
        await scene.UntilAsync("another node runs one of them, which may have killed the first", "select exists (select from runs)");

        held.Continue();
        sleeper.Signal(Signals.Continue);

        await scene.UntilEmptyAsync();
        (await scene.ScalarAsync<long>("select count(*) from runs")).ShouldBe(FaultNode.AtMost);
        await scene.VerifyAsync();
    }

    private static NodeSettings Limited(NodeSettings settings) => settings with { HasLimits = true, Timeout = TimeSpan.FromMinutes(2) };

    /// <summary>All permits can still be had at the same time.</summary>
    private static async Task FillAsync(Scene scene, string handler, string? lane)
    {
        for (var i = 0; i < 20; i++)
            await scene.SendAsync(handler, $"full-{i}", "wait", lane: lane);
        await scene.UntilAsync("all permits are held again", $"select count(*) = {FaultNode.AtMost} from runs where key like 'full-%' and ended is null");
    }
}

/// <summary>F53: so many beginnings in a second over all nodes.</summary>
public sealed class PaceTests(SharedServer server)
{
    private const int Jobs = 400;

    [Fact]
    public async Task No_second_has_more_beginnings_than_the_queue_says_whoever_is_killed()
    {
        await using var scene = await Scene.CreateAsync(server);
        var nodes = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => scene.StartAsync(settings => Scene.KeepsItsLease(settings) with { HasLimits = true })));
        await scene.SurviveAsync(settings => settings with { HasLimits = true });
        // Both are waited for from the beginning: on a slow machine all is done before the first is dead.
        var deaths = nodes.Zip([Moment.Before, Moment.After], (victim, moment) => (victim, victim.Wire.Hold(Statements.Of("claim"), moment, moment == Moment.After ? "job" : null))).ToArray();
        await scene.ExecuteAsync($"""
            with job as (select 'job-' || i as key, mainstay.enqueue('paced', json_build_object('key', 'job-' || i, 'does', '')) as id from generate_series(1, {Jobs}) i)
            insert into sent (id, key) select id, key from job
            """);

        foreach (var (victim, point) in deaths)
        {
            var held = await point.ReachedAsync(Scene.Stop);
            await scene.KillAsync(victim);
            held.Cut();
        }
        await scene.UntilEmptyAsync();

        (await scene.ScalarAsync<long>("select count(*) from mainstay.jobs_done")).ShouldBe(Jobs);
        // What was claimed and not answered began as well.
        (await scene.ScalarAsync<long>("select count(*) from starts")).ShouldBeGreaterThan(Jobs);
        await scene.VerifyAsync();
    }
}
