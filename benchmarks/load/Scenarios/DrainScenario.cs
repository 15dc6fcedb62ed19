namespace Mainstay.Benchmarks;

/// <summary>How fast jobs that wait are run and ended, one kind that does nothing and one that writes a row.</summary>
internal static class DrainScenario
{
    public static readonly Plan Usual = new(Rounds: 1, Pairs: 6, Seconds: 2, WarmUpSeconds: 1, 16);

    /// <summary>Jobs for each second of the plan: what a quick queue gets done in about that time.</summary>
    private const int BareJobs = 25_000, EffectJobs = 5_000;

    private const string Bare = "nothing", Effect = "a row", Limited = "Mainstay, AtMost";

    /// <summary>More than one node has at hand, so that only the counting costs.</summary>
    private const int LimitOfAll = 1000;

    public static async Task<Section> RunAsync(Plan plan)
    {
        await using var field = await JobsField.StartAsync(Contestant.Jobs, Contestant.GraphileWorker, Contestant.PgBoss, Contestant.RawJobs);
        var bare = field.Runners((server, _, seconds) => DrainAsync(field, server, JobKind.Bare, seconds * BareJobs));
        var limited = new Runner(Limited, (_, seconds) => DrainAsync(field, field[Contestant.Jobs], JobKind.Bare, seconds * BareJobs, $"&atMost={LimitOfAll}"));
        var effect = field.Runners((server, _, seconds) => DrainAsync(field, server, JobKind.Effect, seconds * EffectJobs)).Where(runner => runner.Name == Contestant.Jobs.Name || runner.Name == Contestant.RawJobs.Name);
        var series = await Turns.TakeAsync(plan, new Question(Bare, [.. bare, limited]), new Question(Effect, [.. effect]));
        var (nothing, row) = (series[0], series[1]);
        Comparison Beside(Contestant peer) => nothing.Compare(Contestant.Jobs.Name, peer.Name);
        return new Section("Jobs that wait", $"""
            Medians of {plan.Pairs} runs, taken in turn, of {plan.Seconds * BareJobs:N0} jobs that do nothing and {plan.Seconds * EffectJobs:N0} that write one row in the commit that ends them. They were
            recorded at once, in tables that were emptied and analyzed before; then a worker is started. A rate counts from the first run of a job to the last, processor time from the start of the
            worker to its end. The ratio is to "raw SQL": two connections that each end 500 jobs, with a row of history, and claim the next 500 in one statement, without leases, retries or anything else.
            Mainstay has 16 workers and its usual settings; graphile-worker and pg-boss are tuned (see the files in benchmarks/load/peers/queues). pg-boss keeps a history, graphile-worker none.
            "{Limited}" is Mainstay with a limit of {LimitOfAll:N0} handlers over all nodes, which is never reached.

            {RatioTable.Of(series, Contestant.RawJobs.Name, "job", "workers")}
            """, field.Versions,
            Finding.AtLeast(2, "Jobs that do nothing, Mainstay divided by graphile-worker", Beside(Contestant.GraphileWorker).Rate),
            Finding.AtLeast(3, "Jobs that do nothing, Mainstay divided by pg-boss", Beside(Contestant.PgBoss).Rate),
            Finding.AtLeast(0.5, "Jobs that do nothing, Mainstay divided by raw SQL", Beside(Contestant.RawJobs).Rate),
            Finding.AtMost(1, "Time of PostgreSQL for such a job, Mainstay divided by graphile-worker", Beside(Contestant.GraphileWorker).RatioOf(run => run.DatabaseMicroseconds)),
            Finding.AtLeast(0.8, "Jobs that do nothing, Mainstay with a limit over all nodes divided by Mainstay", nothing.Compare(Limited, Contestant.Jobs.Name).Rate),
            Finding.AtLeast(0.6, "Jobs that write a row, Mainstay divided by raw SQL", row.Compare(Contestant.Jobs.Name, Contestant.RawJobs.Name).Rate));
    }

    private static async Task<Measured> DrainAsync(JobsField field, ServerProcess server, JobKind kind, int count, string how = "")
    {
        await field.ClearAsync(server);
        await field.RunAsync(server, $"fill?count={count}&kind={kind}");
        await field.AnalyzeAsync(server);
        var run = await field.RunAsync(server, $"drain?count={count}{how}");
        await field.CheckEmptyAsync(server);
        return kind == JobKind.Effect && await field.Database.ValueAsync<long>("select count(*) from effects") is var effects && effects != count
            ? throw new MeasurementException($"{server.Name} has written {effects} rows for {count} jobs.")
            : run with { Milliseconds50 = double.NaN, Milliseconds99 = double.NaN };
    }
}
