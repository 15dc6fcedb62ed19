namespace Mainstay.Tests;

/// <summary>F3, F13, F14, F15, F21: the network between a node and its server.</summary>
public sealed class CutWireTests(SharedServer server)
{
    private static CancellationToken Stop => Scene.Stop;

    [Fact]
    public async Task A_node_that_cannot_reach_its_server_cancels_its_handlers_before_others_may_begin()
    {
        await using var scene = await Scene.CreateAsync(server);
        var alone = await scene.StartAsync(settings => settings with { HoldsCalls = true, Lease = TimeSpan.FromSeconds(15), Timeout = TimeSpan.FromMinutes(2) });
        await scene.SendAsync("call", "job");
        await alone.SaysAsync("called job", Stop);

        alone.Wire.ToServer.Close();
        alone.Wire.ToNode.Close();
        await alone.SaysAsync("cancelled job", Stop);
        (await scene.ScalarAsync<bool>("select lease_until > mainstay.now() from mainstay.nodes")).ShouldBeTrue("the lease was over before the handler was cancelled");
        await scene.SurviveAsync();
        await scene.UntilEmptyAsync();
        alone.Wire.ToServer.Open();
        alone.Wire.ToNode.Open();

        (await scene.FateAsync("job")).ShouldBe("done 2");
        await scene.SendAsync("write", "afterwards");
        await scene.UntilEmptyAsync();
        await scene.VerifyAsync();
    }

    [Fact]
    public async Task A_commit_whose_answer_does_not_come_back_is_not_repeated()
    {
        await using var scene = await Scene.CreateAsync(server);
        var deaf = await scene.StartAsync(settings => settings with { Lease = TimeSpan.FromSeconds(10) });
        var point = deaf.Wire.Hold(Statements.Of("complete"), Moment.Before);
        await scene.SendAsync("write", "job");

        var held = await point.ReachedAsync(Stop);
        deaf.Wire.ToNode.Close();
        held.Continue();
        await scene.UntilEmptyAsync();
        await scene.SurviveAsync();
        await scene.UntilAsync("the lease of the deaf node is over", "select exists (select from mainstay.nodes where lease_until < mainstay.now())");
        deaf.Wire.ToNode.Open();

        await scene.SendAsync("write", "afterwards");
        await scene.UntilEmptyAsync();
        (await scene.FateAsync("job")).ShouldBe("done 1");
        deaf.Wire.Open.ShouldBeLessThanOrEqualTo(17);
        await scene.VerifyAsync();
    }

    [Fact]
    public async Task An_order_whose_commit_is_in_doubt_is_there_once_with_its_job_or_not_at_all()
    {
        await using var scene = await Scene.CreateAsync(server);
        var node = await scene.StartAsync();
        foreach (var (key, moment) in new[] { ("order-1", Moment.Before), ("order-2", Moment.After) })
        {
            var point = node.Wire.Hold(Statements.Of("application's commit"), moment);
            node.Tell($"order {key}");
            (await point.ReachedAsync(Stop)).Cut();
            await node.SaysAsync($"not ordered {key}", Stop);
        }

        await scene.UntilEmptyAsync();
        (await scene.ScalarAsync<string>("select string_agg(key, ',') from orders")).ShouldBe("order-2");
        await scene.VerifyAsync();
    }

    [Fact]
    public async Task A_slow_network_makes_work_slow_and_ends_no_lease()
    {
        await using var scene = await Scene.CreateAsync(server);
        var slow = await scene.StartAsync(settings => settings with { Lease = TimeSpan.FromSeconds(30) });
        slow.Wire.Delay = TimeSpan.FromMilliseconds(250);

        for (var i = 0; i < 8; i++)
            await scene.SendAsync("write", $"job-{i}");
        await scene.UntilEmptyAsync();

        (await scene.ScalarAsync<bool>("select bool_and(attempt = 1) from mainstay.jobs_done")).ShouldBeTrue();
        slow.LastWords.ShouldNotContain("could not be renewed in time");
        await scene.VerifyAsync();
    }
}

/// <summary>F3, F15: the connection ends at a statement, by the server or on the way. The node goes on, and nobody else is needed.</summary>
public sealed class EndedConnectionTests(SharedServer server)
{
    private static CancellationToken Stop => Scene.Stop;

    [Fact]
    public async Task Whatever_statement_it_ends_at_the_job_is_done_by_the_node_that_has_it()
    {
        await using var scene = await Scene.CreateAsync(server);
        // Long enough for a busy machine, and renewed as often as the statements that come with that are waited for.
        var node = await scene.StartAsync(settings => Scene.KeepsItsLease(settings) with { Lease = TimeSpan.FromSeconds(12) });
        foreach (var (statement, moment, byServer, handler, does, fate) in new[]
        {
            ("claim", Moment.Before, true, "write", "", "done 1"),
            ("claim", Moment.After, false, "write", "", "done 1"),
            ("complete", Moment.Before, true, "write", "", "done 1"),
            ("commit", Moment.Before, true, "write", "", "done 1"),
            ("commit", Moment.After, false, "write", "", "done 1"),
            ("renew", Moment.Before, true, "write", "", "done 1"),
            ("renew", Moment.After, false, "write", "", "done 1"),
            ("retry", Moment.Before, true, "write", "stumble", "done 2"),
            ("retry", Moment.After, false, "write", "stumble", "done 2"),
            ("bury", Moment.Before, true, "brittle", "throw", "dead 1 failed"),
            ("bury", Moment.After, false, "brittle", "throw", "dead 1 failed"),
            ("enqueue", Moment.Before, true, "write", "then", "done 1"),
            ("enqueue", Moment.After, false, "write", "then", "done 1"),
            ("reap", Moment.Before, true, "write", "", "done 2"),
            ("reap", Moment.After, false, "write", "", "done 2"),
        })
        {
            var key = $"{statement}-{moment}".ToLowerInvariant();
            var point = node.Wire.Hold(Statements.Of(statement), moment, (statement, moment) == ("claim", Moment.After) ? key : null);
            if (statement == "reap")
                await LeaveAsync(scene, handler, key);
            else
                await scene.SendAsync(handler, key, does);
            var held = await point.ReachedAsync(Stop);
            if (byServer)
            {
                (await scene.ScalarAsync<bool>($"select pg_terminate_backend({held.Backend}, 50000)")).ShouldBeTrue();
                held.Continue();
            }
            else
                held.Cut();

            await scene.UntilEmptyAsync();
            (await scene.FateAsync(key)).ShouldBe(fate, key);
        }
        await scene.VerifyAsync();
    }

    /// <summary>A job of a node that has died. Only then anybody takes something back.</summary>
    private static Task LeaveAsync(Scene scene, string handler, string key) => scene.ExecuteAsync($"""
        with node as (
            insert into mainstay.nodes (id, name, lease_until) values (gen_random_uuid(), 'gone', mainstay.now() - interval '1 second') returning id
        ), job as (
            insert into mainstay.jobs (id, handler, state, node, attempt, fence, payload)
            select gen_random_uuid(), '{handler}', 1, id, 1, 1, json_build_object('key', '{key}', 'does', '') from node returning id
        )
        insert into sent (id, key) select id, '{key}' from job
        """);
}

/// <summary>F55: hints between nodes get lost, or come for nothing.</summary>
public sealed class HintTests(SharedServer server)
{
    [Fact]
    public async Task Without_hints_work_is_found_by_polling()
    {
        await using var scene = await Scene.CreateAsync(server);
        var node = await scene.StartAsync(settings => settings with { Poll = TimeSpan.FromSeconds(2) });
        node.Wire.LosesHints = true;
        await scene.SurviveAsync(settings => settings with { Workers = 0 });
        for (var i = 0; i < 5; i++)
            await scene.SendAsync("write", $"job-{i}");

        await scene.UntilEmptyAsync();

        (await scene.ScalarAsync<double>("select extract(epoch from max(done_at - created_at))::double precision from mainstay.jobs_done")).ShouldBeLessThan(LongForm.Limit(10));
        await scene.VerifyAsync();
    }

    [Fact]
    public async Task Hints_for_nothing_run_nothing_twice()
    {
        await using var scene = await Scene.CreateAsync(server);
        await scene.StartAsync(Scene.KeepsItsLease);
        await scene.SurviveAsync();
        for (var i = 0; i < 40; i++)
        {
            await scene.SendAsync("write", $"job-{i}");
            for (var hint = 0; hint < 5; hint++)
                await scene.ExecuteAsync("select pg_notify('mainstay_jobs', '')");
        }

        await scene.UntilEmptyAsync();

        (await scene.ScalarAsync<bool>("select bool_and(attempt = 1) from mainstay.jobs_done")).ShouldBeTrue();
        await scene.VerifyAsync();
    }
}
