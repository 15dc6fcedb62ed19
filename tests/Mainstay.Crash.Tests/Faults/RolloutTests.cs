using Npgsql;

namespace Mainstay.Tests;

/// <summary>F50: two releases on one database, of which the newer one has tables with more in them and a handler more.</summary>
public sealed class RolloutTests(SharedServer server)
{
    private static readonly string[] handlers = ["write", "call", "stepped", "batched", "narrow", "shared", "paced", "ordered"];

    private static CancellationToken Stop => Scene.Stop;

    [Fact]
    public async Task Old_nodes_go_on_beside_new_ones_and_tables_of_the_next_release_and_leave_its_work_to_it()
    {
        await using var scene = await Scene.CreateAsync(server);
        var old = await scene.StartAsync(Old);
        await SendAllKindsAsync(scene, "before");
        await scene.UntilEmptyAsync();

        // What it has prepared by now has to bear this.
        await ExpandAsync(scene);
        await SendAllKindsAsync(scene, "after");
        await scene.SendAsync("brittle", "poison", "throw");
        await scene.SendAsync("write", "stumbles", "stumble,then");
        await scene.SendAsync("next", "new-work");
        await scene.UntilAsync("only the work of the next release is open", "select array_agg(handler) = array['next'] from mainstay.jobs");

        (await scene.FateAsync("new-work")).ShouldBe("open 0 0 state 0");
        (await scene.FateAsync("poison")).ShouldBe("dead 1 failed");
        (await scene.ScalarAsync<bool>("select bool_and(attempt = 1) from mainstay.jobs_done join sent using (id) where key <> 'stumbles'")).ShouldBeTrue();
        old.LastWords.ShouldNotContain("cached plan");

        // A new node comes, the old one dies with work in its hands, and does not come back: it knows less than the database.
        await scene.SendAsync("call", "in-hands", "wait");
        await old.SaysAsync("called in-hands", Stop);
        await scene.StartAsync(settings => Old(settings) with { IsNext = true, Schema = "off" });
        await scene.UntilAsync("the new node has done its work beside the old one", "select array_agg(handler) = array['call'] from mainstay.jobs");
        await scene.KillAsync(old);
        await scene.ExecuteAsync("update mainstay.jobs set payload = json_build_object('key', payload ->> 'key', 'does', '')");
        old.Start();
        (await old.ExitAsync(Scene.Patience, Stop)).ShouldNotBe(0);
        old.LastWords.ShouldContain("MST1508");
        await scene.UntilEmptyAsync();

        (await scene.FateAsync("new-work")).ShouldBe("done 1");
        (await scene.FateAsync("in-hands")).ShouldBe("done 2");
        await scene.VerifyAsync();
    }

    /// <summary>Prepares its statements, as nodes do that stand behind no wire.</summary>
    private static NodeSettings Old(NodeSettings settings) => Scene.KeepsItsLease(settings) with
    {
        HasLimits = true,
        ConnectionString = new NpgsqlConnectionStringBuilder(settings.ConnectionString) { MaxAutoPrepare = 50, AutoPrepareMinUsages = 1 }.ConnectionString,
    };

    private static async Task SendAllKindsAsync(Scene scene, string name)
    {
        for (var i = 0; i < 3; i++)
            foreach (var handler in handlers)
                await scene.SendAsync(handler, $"{name}-{handler}-{i}", lane: handler is "shared" or "ordered" ? "lane" : null, number: handler == "ordered" ? i : null);
    }

    /// <summary>What a newer build could do to the tables: each has a column more, and the version that it knows is recorded.</summary>
    private static async Task ExpandAsync(Scene scene)
    {
        await scene.ExecuteAsync("""
            do $$
            declare
                wide record;
            begin
                for wide in select relname from pg_class where relnamespace = 'mainstay'::regnamespace and relkind in ('r', 'p') and not relispartition loop
                    execute format('alter table mainstay.%I add column of_the_next_release text default ''new''', wide.relname);
                    commit;
                end loop;
            end $$
            """);
        await scene.ExecuteAsync("insert into mainstay.migrations (number, name, checksum) select max(number) + 1, 'the next release', 'unknown' from mainstay.migrations");
    }
}
