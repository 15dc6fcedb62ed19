namespace Mainstay.Benchmarks;

/// <summary>What a saga of three steps costs beside the same steps as jobs, and how exactly time limits are kept while very many sagas wait.</summary>
internal static class SagaScenario
{
    /// <summary>Connections are workers here.</summary>
    public static readonly Plan Usual = new(Rounds: 1, Pairs: 9, Seconds: 2, WarmUpSeconds: 1, 16);

    /// <summary>Sagas for each second of the plan.</summary>
    private const int SagasPerSecond = 1_000;

    private const int Waiting = 100_000, DuePerSecond = 15, DueSeconds = 20;

    private static readonly TimeSpan patience = TimeSpan.FromMinutes(1);

    public static async Task<Section> StepsAsync(Plan plan)
    {
        await using var field = await JobsField.StartAsync(Contestant.Saga, Contestant.ThreeJobs);
        var steps = (await Turns.TakeAsync(plan, new Question("three steps", field.Runners((server, _, seconds) => DrainAsync(field, server, seconds * SagasPerSecond)))))[0];
        return new Section("A saga beside its steps as jobs", $"""
            Medians of {plan.Pairs} runs, taken in turn, of {plan.Seconds * SagasPerSecond:N0} chains of three steps, as sagas or as jobs, of which each writes one row in a unit of work. What begins them was enqueued at once before, in tables that were
            emptied; then a worker is started, with 16 workers and its usual settings. Processor time counts from the start of the worker to its end, a rate from the first last step to the last one.

            {RatioTable.Of([steps], Contestant.ThreeJobs.Name, "chain", "workers")}
            """, field.Versions,
            Finding.AtMost(1.5, "Time of PostgreSQL for a saga of three steps divided by that for its steps as jobs", steps.Compare(Contestant.Saga.Name, Contestant.ThreeJobs.Name).RatioOf(run => run.DatabaseMicroseconds)));
    }

    /// <summary>The statements of both, each after a run that fills the caches.</summary>
    public static async Task<Section> ProfileAsync(Plan plan)
    {
        var count = plan.Seconds * SagasPerSecond;
        await using var field = await JobsField.StartAsync(StatementProfile.Settings, [Contestant.Saga, Contestant.ThreeJobs]);
        List<string> tables = [];
        foreach (var contestant in new[] { Contestant.Saga, Contestant.ThreeJobs })
        {
            await DrainAsync(field, field[contestant], count);
            await DrainAsync(field, field[contestant], count, () => StatementProfile.BeginAsync(field.Database), async () => tables.Add($"{contestant.Name}:\n\n{await StatementProfile.TableAsync(field.Database, count)}"));
        }
        return new Section("Statements of a saga and of its steps as jobs", $"""
            One run of {count:N0} chains of three steps each, with `pg_stat_statements`: for each chain, how often a statement was called, how long it ran and was planned by the clock on the wall, and what it wrote to the log. It counts what statements do, not what is spent around
            them: reading and answering messages, commits, the start of a connection.

            {string.Join("\n\n", tables)}
            """, field.Versions);
    }

    public static async Task<Section> LimitsAsync(Plan plan)
    {
        var (late, lateEnd, numbers, versions) = await LateAsync();
        return new Section("Time limits of sagas", $"""
            {Waiting:N0} sagas wait for an event, with 30 days left: one was begun by the application, and its row and that of its timer were copied in SQL with new ids and keys. Then {DuePerSecond} others are begun each second by the application for {DueSeconds} s,
            which wait for {WaitServer.ShortSeconds} s and then do one step. By the clock of the database, {numbers} time limits were noted {late.Half:0.0} ms (50 %) and {late.Most:0.0} ms (99 %) after they were over, at most {late.Last:0.0} ms; the step behind it was done after
            {lateEnd.Half:0.0} ms (50 %) and {lateEnd.Most:0.0} ms (99 %).
            """, versions,
            Finding.AtMost(50, $"Time limits of sagas while {Waiting:N0} wait, 99 % are late by", late.Most, " ms"));
    }

    /// <param name="field">Where it is measured.</param>
    /// <param name="server">Which of both.</param>
    /// <param name="count">How many chains.</param>
    /// <param name="begins">Done before the work begins.</param>
    /// <param name="ended">Done when it has ended.</param>
    private static async Task<Measured> DrainAsync(JobsField field, ServerProcess server, int count, Func<Task>? begins = null, Func<Task>? ended = null)
    {
        await field.ClearAsync(server);
        await field.RunAsync(server, $"fill?count={count}");
        await field.AnalyzeAsync(server);
        await (begins?.Invoke() ?? Task.CompletedTask);
        var run = await field.RunAsync(server, $"drain?count={count}");
        await (ended?.Invoke() ?? Task.CompletedTask);
        await field.CheckEmptyAsync(server);
        var effects = await field.Database.ValueAsync<long>("select count(*) from effects");
        var completed = await field.Database.ValueAsync<long>("select count(*) from mainstay.sagas_ended where outcome = 'completed'");
        return effects == 3 * count && completed == (server.Name == Contestant.Saga.Name ? count : 0)
            ? run with { Milliseconds50 = double.NaN, Milliseconds99 = double.NaN }
            : throw new MeasurementException($"{count} times three steps of {server.Name} have written {effects} rows, and {completed} sagas have ended.");
    }

    /// <returns>How late time limits were noted, and how late the step behind was done, in milliseconds; how many there were, and what ran.</returns>
    private static async Task<(Late Noted, Late Done, long Numbers, string Versions)> LateAsync()
    {
        await using var database = await BenchmarkDatabase.StartAsync();
        await database.ExecuteAsync("create table effects (id bigint generated always as identity primary key, due_at bigint not null)");
        await using var server = await ServerProcess.StartAsync(database, Contestant.Waits);
        await PostAsync(server, "long");
        await UntilAsync(database, $"select count(*) = 1 from mainstay.sagas where status = 'waiting'");
        await database.ExecuteAsync(Copies);
        await database.ExecuteAsync("vacuum (analyze) mainstay.sagas");
        await database.ExecuteAsync("vacuum (analyze) mainstay.jobs");
        await PostAsync(server, $"short?perSecond={DuePerSecond}&seconds={DueSeconds}");
        await UntilAsync(database, $"select count(*) = {DuePerSecond * DueSeconds} from mainstay.sagas_ended");
        var waiting = await database.ValueAsync<long>("select count(*) from mainstay.sagas where status = 'waiting'");
        if (waiting != Waiting)
            throw new MeasurementException($"{waiting} sagas wait at the end, expected {Waiting}.");
        return (await Late.OfAsync(database, "(entry ->> 'at')::timestamptz"), await Late.OfAsync(database, "ended_at"), await database.ValueAsync<long>("select count(*) from mainstay.sagas_ended"), database.Version);
    }

    /// <summary>Each with an id, a key and a timer of its own.</summary>
    private static string Copies => $"""
        with made as materialized (select gen_random_uuid() as saga, gen_random_uuid() as timer, number from generate_series(1, {Waiting - 1}) as number),
        sagas as (
            insert into mainstay.sagas (id, saga, version, shape, key, status, input, origin, state, started_at, deadline)
            select made.saga, one.saga, version, shape, made.number::text, status, input, origin, replace(state::text, (state -> 'pending' -> 0 ->> 'job'), made.timer::text)::json, started_at, deadline
            from made cross join mainstay.sagas one
        )
        insert into mainstay.jobs (id, handler, state, due_at, first_due_at, message, payload, origin)
        select made.timer, handler, state, due_at, first_due_at, made.saga, replace(payload::text, message::text, made.saga::text)::json, origin from made cross join mainstay.jobs one where one.handler like '%: end of paid'
        """;

    private static async Task PostAsync(ServerProcess server, string action)
    {
        using var answer = await server.Http.PostAsync(action, null);
        if (!answer.IsSuccessStatusCode)
            throw new MeasurementException($"{server.Name}, {action}: {(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
    }

    private static async Task UntilAsync(BenchmarkDatabase database, string condition)
    {
        for (var began = TimeProvider.System.GetTimestamp(); !await database.ValueAsync<bool>(condition); await Task.Delay(500))
            if (TimeProvider.System.GetElapsedTime(began) > patience)
                throw new MeasurementException($"Not within {patience.TotalSeconds:0} s: {condition}");
    }

    /// <summary>How late time limits were, in milliseconds.</summary>
    private sealed record Late(double Half, double Most, double Last)
    {
        /// <param name="database">Where the sagas have ended.</param>
        /// <param name="instant">When what is asked for has happened, in SQL.</param>
        public static async Task<Late> OfAsync(BenchmarkDatabase database, string instant)
        {
            var late = await database.ValueAsync<double[]>($"""
                select array[percentile_cont(0.5) within group (order by late), percentile_cont(0.99) within group (order by late), max(late)]
                from (
                    select extract(epoch from {instant} - started_at - interval '{WaitServer.ShortSeconds} s')::double precision * 1000 as late
                    from mainstay.sagas_ended cross join json_array_elements(state -> 'log') as log (entry) where entry ->> 'event' = 'timedOut'
                ) timed
                """);
            return new(late[0], late[1], late[2]);
        }
    }
}
