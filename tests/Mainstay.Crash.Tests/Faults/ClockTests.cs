namespace Mainstay.Tests;

/// <summary>F30, F31: planned times, while clocks are wrong and nodes die.</summary>
public sealed class ClockTests(SharedServer server)
{
    private static NodeSettings Ticking(NodeSettings settings) => settings with { TicksEvery = TimeSpan.FromSeconds(1) };

    [Theory]
    [InlineData(5)]
    [InlineData(-5)]
    public async Task A_node_whose_clock_is_wrong_runs_everything_at_the_time_of_the_database(int minutes)
    {
        await using var scene = await Scene.CreateAsync(server);
        await scene.StartAsync(settings => Ticking(settings) with { ClockIsOffBy = TimeSpan.FromMinutes(minutes) });
        await scene.SendAsync("write", "later", after: TimeSpan.FromSeconds(1));

        await scene.UntilAsync("three planned times have run", "select count(*) >= 3 from ticks");
        await scene.UntilAsync("the delayed job has run", "select count(*) > 0 from mainstay.jobs_done where handler = 'write'");

        (await scene.ScalarAsync<bool>("select bool_and(done.done_at >= run.planned_at and done.done_at < run.planned_at + interval '1 minute') from mainstay.schedule_runs run join mainstay.jobs_done done on done.id = run.job")).ShouldBeTrue();
        (await scene.ScalarAsync<bool>("select done_at - created_at between interval '0.9 seconds' and interval '1 minute' from mainstay.jobs_done where handler = 'write'")).ShouldBeTrue();
        await scene.VerifyAsync();
    }

    [Fact]
    public async Task The_clock_of_the_database_is_set_back_and_forth_and_no_planned_time_runs_twice()
    {
        await using var scene = await Scene.CreateAsync(server);
        await scene.StartAsync(Ticking);
        await scene.UntilAsync("two planned times have run", "select count(*) >= 2 from ticks");

        // Back: times come again that were dealt with. Forth: times are missed, and all of them are made up for.
        await scene.ExecuteAsync("create or replace function mainstay.now() returns timestamptz language sql stable parallel safe as 'select pg_catalog.now() - interval ''3 seconds'''");
        await scene.UntilAsync("the next one has run", "select count(*) >= 4 from ticks");
        await scene.ExecuteAsync("create or replace function mainstay.now() returns timestamptz language sql stable parallel safe as 'select pg_catalog.now() + interval ''20 seconds'''");
        await scene.UntilAsync("all that were missed have run", "select count(*) >= 24 from ticks");

        (await scene.ScalarAsync<bool>("select max(planned_at) - min(planned_at) = (count(*) - 1) * interval '1 second' from mainstay.schedule_runs")).ShouldBeTrue();
        await scene.VerifyAsync();
    }

    /// <summary>
    /// Times that were missed, so that they follow each other as fast as the nodes deal with them. Not the hundred that are made up for, because more come meanwhile. Twenty-five times in the long form, which
    /// makes it a thousand.
    /// </summary>
    [Fact]
    public async Task Ten_nodes_of_which_three_are_killed_over_it_give_each_planned_time_one_run()
    {
        for (var round = 0; round < (LongForm.Kills is null ? 1 : 25); round++)
            await CatchUpAsync();
    }

    private async Task CatchUpAsync()
    {
        const int Missed = 40;
        await using var scene = await Scene.CreateAsync(server);
        for (var i = 0; i < 7; i++)
            await scene.SurviveAsync(Ticking);
        var victims = Enumerable.Range(0, 3).Select(_ => scene.Worker(Ticking)).ToArray();
        foreach (var victim in victims)
        {
            victim.Start();
            await victim.SaysAsync("ready", Scene.Stop);
        }
        await scene.UntilAsync("the schedule is planned", "select count(*) > 0 from mainstay.schedules where next_at is not null");
        await scene.ExecuteAsync($"""
            create table missed as select clock_timestamp() as at;
            update mainstay.schedules set next_at = next_at - interval '{Missed} s'
            """);

        var points = victims.Select((victim, i) => victim.Wire.Hold(Statements.Of("fire"), i == 1 ? Moment.After : Moment.Before)).ToArray();
        foreach (var (victim, point) in victims.Zip(points))
        {
            var held = await point.ReachedAsync(Scene.Stop);
            await victim.KillAsync(Scene.Stop);
            held.Continue();
        }
        await scene.UntilAsync("all that were missed have run, and two more", "select count(*) >= 2 from mainstay.schedule_runs run join mainstay.jobs_done done on done.id = run.job where planned_at > (select min(at) from missed)");

        (await scene.ScalarAsync<long>("select count(*) from mainstay.schedule_runs")).ShouldBeGreaterThan(Missed);
        (await scene.ScalarAsync<bool>("select max(planned_at) - min(planned_at) = (count(*) - 1) * interval '1 second' from mainstay.schedule_runs")).ShouldBeTrue();
        await scene.VerifyAsync();
    }
}
