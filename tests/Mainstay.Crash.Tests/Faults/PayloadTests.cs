namespace Mainstay.Tests;

/// <summary>F25: payloads that take their process with them. Somebody starts it again, as an orchestrator would.</summary>
public sealed class DeadlyPayloadTests(SharedServer server)
{
    [Theory]
    [InlineData("exit")]
    [InlineData("overflow")]
    public async Task It_is_put_aside_and_its_neighbours_are_not_to_blame(string deed)
    {
        await using var scene = await Scene.CreateAsync(server);
        await scene.SendAsync("write", "culprit", deed);
        for (var i = 0; i < 3; i++)
            await scene.SendAsync("write", $"neighbour-{i}", "sleep:1");
        var node = scene.Worker(Scene.KeepsItsLease);

        await scene.KeepStartedUntilAsync(node, "no job is open", "select count(*) = 0 from mainstay.jobs");

        (await scene.FateAsync("culprit")).ShouldBe("dead 3 crashed");
        (await scene.ScalarAsync<long>("select count(*) from mainstay.jobs_done where attempt <= 2")).ShouldBe(3);
        await scene.VerifyAsync();
    }

    [Fact]
    public async Task One_that_takes_all_memory_becomes_a_dead_letter()
    {
        await using var scene = await Scene.CreateAsync(server);
        await scene.SendAsync("brittle", "culprit", "exhaust");
        await scene.SendAsync("write", "neighbour");
        var node = scene.Worker(Scene.KeepsItsLease);
        node.Environment["DOTNET_GCHeapHardLimit"] = "0x6000000";

        await scene.KeepStartedUntilAsync(node, "no job is open", "select count(*) = 0 from mainstay.jobs");

        (await scene.FateAsync("culprit")).ShouldStartWith("dead");
        (await scene.FateAsync("neighbour")).ShouldStartWith("done");
        await scene.VerifyAsync();
    }
}

/// <summary>F23, F24, F28, F29: payloads that fail, get in each other's way, or take their time.</summary>
public sealed class SlowPayloadTests(SharedServer server)
{
    [Fact]
    public async Task One_that_always_fails_is_a_dead_letter_and_the_others_go_on()
    {
        await using var scene = await Scene.CreateAsync(server);
        await scene.StartAsync();
        await scene.SendAsync("write", "poison", "throw");
        for (var i = 0; i < 10; i++)
            await scene.SendAsync("write", $"job-{i}");

        await scene.UntilAsync("the others are done", "select count(*) = 10 from mainstay.jobs_done");
        await scene.UntilEmptyAsync();

        (await scene.FateAsync("poison")).ShouldBe("dead 3 failed");
        (await scene.ScalarAsync<int>("select jsonb_array_length(errors) from mainstay.jobs_dead")).ShouldBe(3);
        await scene.VerifyAsync();
    }

    [Fact]
    public async Task Two_that_deadlock_run_again_at_once_and_nothing_is_counted()
    {
        await using var scene = await Scene.CreateAsync(server);
        await scene.ExecuteAsync("insert into counters values ('a', 0), ('b', 0), ('gate there', 0), ('gate back', 0)");
        await scene.SendAsync("write", "there", "lock:a,lock:gate there,lock:b");
        await scene.SendAsync("write", "back", "lock:b,lock:gate back,lock:a");
        // Each has its first row when either goes on to its second.
        await using (var gates = await scene.HoldAsync("select from counters where name like 'gate%' for update"))
        {
            await scene.StartAsync(Scene.KeepsItsLease);
            await scene.UntilAsync("both stand before their gates", "select count(*) = 2 from pg_stat_activity where datname = current_database() and application_name = 'node-0' and wait_event_type = 'Lock'");
        }

        await scene.UntilEmptyAsync();

        (await scene.FateAsync("there")).ShouldBe("done 1");
        (await scene.FateAsync("back")).ShouldBe("done 1");
        (await scene.ScalarAsync<long>("select sum(value) from counters where name in ('a', 'b')")).ShouldBe(4);
        // Whoever has met it says so when a while has passed.
        await scene.UntilAsync("the server has counted a deadlock", "select deadlocks > 0 from pg_stat_database where datname = current_database()");
        await scene.VerifyAsync();
    }

    [Fact]
    public async Task One_that_takes_longer_than_the_lease_runs_once()
    {
        await using var scene = await Scene.CreateAsync(server);
        await scene.ExecuteAsync("insert into counters values ('held', 0)");
        await using (var held = await scene.HoldAsync("select from counters where name = 'held' for update"))
        {
            var node = await scene.StartAsync(settings => settings with { Lease = TimeSpan.FromSeconds(10), Timeout = TimeSpan.FromMinutes(2) });
            await scene.SendAsync("write", "job", "lock:held");
            await node.SaysAsync("began job", Scene.Stop);
            var end = await scene.ScalarAsync<DateTime>("select lease_until from mainstay.nodes");
            await scene.SurviveAsync();
            await scene.UntilAsync("the lease in which it began is over", $"select mainstay.now() > timestamptz '{end:O}'");
        }

        await scene.UntilEmptyAsync();

        (await scene.FateAsync("job")).ShouldBe("done 1");
        await scene.VerifyAsync();
    }

    [Fact]
    public async Task One_that_goes_on_after_its_timeout_does_not_commit()
    {
        await using var scene = await Scene.CreateAsync(server);
        await scene.StartAsync(settings => settings with { Timeout = TimeSpan.FromMilliseconds(500) });
        await scene.SendAsync("brittle", "late", "late:1.5");

        await scene.UntilEmptyAsync();

        (await scene.FateAsync("late")).ShouldBe("dead 1 failed");
        await scene.VerifyAsync();
    }

    [Fact]
    public async Task One_that_never_ends_runs_elsewhere_when_its_process_is_killed()
    {
        await using var scene = await Scene.CreateAsync(server);
        var node = await scene.StartAsync(settings => Scene.KeepsItsLease(settings) with { HoldsCalls = true });
        await scene.SendAsync("call", "job");
        await node.SaysAsync("called job", Scene.Stop);
        await scene.SurviveAsync();

        await scene.KillAsync(node);

        await scene.UntilEmptyAsync();
        (await scene.FateAsync("job")).ShouldBe("done 2");
        await scene.VerifyAsync();
    }
}
