namespace Mainstay.Benchmarks;

/// <summary>How soon a job is run that is handed in to a node with nothing else to do, how exactly a delayed one, and what such a node asks the database meanwhile.</summary>
internal static class PickUpScenario
{
    /// <summary>Connections are jobs per second here.</summary>
    public static readonly Plan Usual = new(Rounds: 1, Pairs: 6, Seconds: 2, WarmUpSeconds: 3, 20, 300);

    private const int DelayedPerSecond = 100, SettleSeconds = 10, IdleSeconds = 20;

    public static async Task<Section> RunAsync(Plan plan)
    {
        await using var field = await JobsField.StartAsync(Contestant.Jobs, Contestant.GraphileWorker, Contestant.PgBoss);
        var series = await Turns.TakeAsync(plan, new Question("at once", field.Runners((server, perSecond, seconds) => RunAsync(field, server, "pickUp", perSecond, seconds))));
        var delayed = new List<Measured>();
        for (var run = 0; run < plan.Pairs; run++)
            delayed.Add(await RunAsync(field, field[Contestant.Jobs], "delayed", DelayedPerSecond, plan.Seconds));
        var late = Ratio.MedianOf(delayed.Select(run => run.Milliseconds99));
        var (statements, roundTrips) = await IdleAsync();
        return new Section("From handing in to running", $"""
            Medians of {plan.Pairs} runs of {plan.Seconds} s each, taken in turn. Jobs that do nothing are handed in at a fixed rate to the process that runs them, each in a commit of its own; a time counts from
            before that commit to the first line of the handler. The ratio of rates says only that all kept up.

            {RatioTable.Of(series, Contestant.Jobs.Name, "job", "per second")}

            Mainstay's jobs that were to run 0.2 to 2 s later, {DelayedPerSecond} each second, ran {Ratio.MedianOf(delayed.Select(run => run.Milliseconds50)):0.0} ms (50 %) and {late:0.0} ms (99 %) after their time, medians of {plan.Pairs} runs.

            A node that waits for work sends {statements:0.00} statements in {roundTrips:0.00} round trips each second, counted on the wire for {IdleSeconds} s: it polls, renews its lease and looks after planned times.
            """, field.Versions,
            [.. series.SelectMany(Promises),
                Finding.AtMost(50, "Delayed jobs, 99 % are late by", late, " ms"),
                Finding.AtMost(1, "Statements of a node that waits, each second", statements)]);
    }

    private static IEnumerable<Finding> Promises(Series series)
    {
        var peers = ((Contestant[])[Contestant.GraphileWorker, Contestant.PgBoss]).Select(peer => series.Compare(Contestant.Jobs.Name, peer.Name)).ToArray();
        var soonest = peers.MinBy(peer => peer.MedianOfBase(run => run.Milliseconds50))!;
        yield return Finding.AtMost(0.6, $"{series.Connections} jobs each second, 50 % within, Mainstay divided by the better peer", soonest.RatioOf(run => run.Milliseconds50));
        var surest = peers.MinBy(peer => peer.MedianOfBase(run => run.Milliseconds99))!;
        yield return Finding.AtMost(1, $"{series.Connections} jobs each second, 99 % within, Mainstay divided by the better peer", surest.RatioOf(run => run.Milliseconds99));
    }

    private static async Task<Measured> RunAsync(JobsField field, ServerProcess server, string action, int perSecond, int seconds)
    {
        await field.ClearAsync(server);
        var run = await field.RunAsync(server, $"{action}?perSecond={perSecond}&seconds={seconds}");
        await field.CheckEmptyAsync(server);
        // Most of the processor time is the start of the worker, which a few jobs are no measure of.
        return run with { ProcessorMicroseconds = double.NaN, DatabaseMicroseconds = double.NaN };
    }

    /// <summary>What one more node sends that has nothing to do: with it, less without it.</summary>
    private static async Task<(double Statements, double RoundTrips)> IdleAsync()
    {
        await using var database = await BenchmarkDatabase.StartAsync();
        await using var recorder = new WireRecorder(database.ConnectionString);
        await using var server = await ServerProcess.StartAsync(database, Contestant.Jobs, recorder.ConnectionString);
        async Task<(double Statements, double RoundTrips)> SentAsync()
        {
            await Task.Delay(TimeSpan.FromSeconds(SettleSeconds));
            var before = recorder.Pipelines.Count;
            await Task.Delay(TimeSpan.FromSeconds(IdleSeconds));
            var sent = recorder.Pipelines[before..];
            return (sent.Sum(pipeline => pipeline.Length) / (double)IdleSeconds, sent.Count / (double)IdleSeconds);
        }
        var without = await SentAsync();
        var working = server.Http.PostAsync($"idle?seconds={SettleSeconds + IdleSeconds + 2}", null);
        var with = await SentAsync();
        using var answer = await working;
        answer.EnsureSuccessStatusCode();
        return (with.Statements - without.Statements, with.RoundTrips - without.RoundTrips);
    }
}
