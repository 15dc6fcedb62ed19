namespace Mainstay.Benchmarks;

/// <summary>How fast jobs are recorded, each in a commit of its own.</summary>
internal static class EnqueueScenario
{
    public static readonly Plan Usual = new(Rounds: 1, Pairs: 6, Seconds: 2, WarmUpSeconds: 3, 16);

    public static async Task<Section> RunAsync(Plan plan)
    {
        await using var field = await JobsField.StartAsync(Contestant.Jobs, Contestant.GraphileWorker, Contestant.PgBoss, Contestant.RawJobs);
        var series = await Turns.TakeAsync(plan, new Question("one by one", field.Runners(async (server, writers, seconds) =>
        {
            await field.ClearAsync(server);
            return await field.RunAsync(server, $"enqueue?writers={writers}&seconds={seconds}");
        })));
        var roundTrips = await RoundTripsAsync();
        return new Section("Jobs recorded one by one", $"""
            Medians of {plan.Pairs} runs of {plan.Seconds} s each, taken in turn. Each job is committed before its writer records the next. Nobody works meanwhile. The ratio is to "raw SQL", which is a bare insert.

            {RatioTable.Of(series, Contestant.RawJobs.Name, "job", "writers")}

            A command of a backend that takes an idempotency key, writes a row and publishes an event with one subscription sends all of it in {roundTrips} round trip(s), counted on the wire; without the
            event it would be one as well.
            """, field.Versions,
            [Finding.AtMost(1, "Round trips of a command that writes a row and records what shall be done then", roundTrips), .. from one in series
                from peer in (Contestant[])[Contestant.GraphileWorker, Contestant.PgBoss]
                select Finding.AtLeast(6, $"Jobs recorded one by one by {one.Connections} writers, Mainstay divided by {peer.Name}", one.Compare(Contestant.Jobs.Name, peer.Name).Rate)]);
    }

    /// <summary>What the command of the shop sends, on a node that sends nothing else.</summary>
    private static async Task<int> RoundTripsAsync()
    {
        await using var database = await BenchmarkDatabase.StartAsync();
        await using var recorder = new WireRecorder(database.ConnectionString);
        await using var server = await ServerProcess.StartAsync(database, Contestant.Answering, recorder.ConnectionString);
        await Products.FillAsync(server);
        var post = await Products.PostAsync(server);
        await Products.PlaceAsync(server, post, "first");
        var before = recorder.Pipelines.Count;
        await Products.PlaceAsync(server, post, "second");
        var sent = recorder.Pipelines[before..];
        return sent.Any(pipeline => pipeline.Any(statement => statement.Sql.Contains("mainstay.jobs", StringComparison.Ordinal))) ? sent.Count
            : throw new MeasurementException("The command was answered without recording what shall be done.");
    }
}
