using System.Net.Http.Json;

namespace Mainstay.Benchmarks;

/// <summary>Transfers between accounts that few others want, beside pgbench calling the same function, and on one account that every transfer wants, beside separate statements.</summary>
internal static class LedgerScenario
{
    public static readonly Plan Usual = new(Rounds: 1, Pairs: 6, Seconds: 2, WarmUpSeconds: 2, 32);

    private const string Naive = "naive";
    private const string Alone = "TransferAsync";
    private const string Call = "one call in SQL";
    private const string Transaction = "in a transaction";
    private const string Deferred = "TransferAsync, deferred account";

    /// <summary>What the server is recorded to send for a transfer that is alone, with accounts of its own for each.</summary>
    private const string Script = """
        \set from random(1, 10000)
        \set to random(1, 10000)
        \set n :n + 1
        \startpipeline
        select set_config('statement_timeout', :timeout::text, true), set_config('lock_timeout', :timeout::text, true);
        select transfer, recorded_at, is_new from mainstay.ledger_transfer(('01a00000-0000-7000-8000-' || lpad(to_hex(:n::bigint * 256 + :client_id), 12, '0'))::uuid, array[('01a00000-0000-7000-9000-' || lpad(to_hex(:from::bigint), 12, '0'))::uuid, ('01a00000-0000-7000-9000-' || lpad(to_hex(:to::bigint), 12, '0'))::uuid], array[1, -1]::bigint[], null::text, null::timestamptz, null::text, null::text, null::jsonb, null::uuid, null::uuid, true, :origin::json);
        \endpipeline

        """;

    public static async Task<Section> RunAsync(Plan plan)
    {
        await using var database = await BenchmarkDatabase.StartAsync();
        await using var server = await ServerProcess.StartAsync(database, Contestant.Ledger);
        await PostAsync(server, "fill");
        var pgbench = new Pgbench(database, new PgbenchScript(Script, new Dictionary<string, string> { ["timeout"] = "30000", ["origin"] = """{"operation":"application","actor":"application"}""" }));
        Runner Of(string name, string form, bool hot = false, bool deferred = false) =>
            new(name, (writers, seconds) => TransferAsync(server, $"transfer?form={form}&hot={hot}&deferred={deferred}&writers={writers}&seconds={seconds}"));
        var series = await Turns.TakeAsync(plan,
            new Question("random accounts", [pgbench.Runner, Of(Alone, "Ledger"), Of(Call, "Call"), Of(Transaction, "Transaction"), Of(Naive, "Naive")]),
            new Question("one hot account", [Of(Naive, "Naive", hot: true), Of(Transaction, "Transaction", hot: true), Of(Call, "Call", hot: true), Of(Alone, "Ledger", hot: true), Of(Deferred, "Ledger", hot: true, deferred: true), Of("one call in SQL, deferred account", "Call", hot: true, deferred: true)]));
        if (!await server.Http.GetFromJsonAsync<bool>("sound"))
            throw new MeasurementException("The ledger is not sound after the load.");
        var (random, hot) = (series.Where(one => one.Question == "random accounts").ToArray(), series.Where(one => one.Question == "one hot account").ToArray());
        return new Section("Transfers of a ledger", $"""
            Medians of {plan.Pairs} runs of {plan.Seconds} s each, taken in turn. Each writer makes one transfer of two entries after the other, between two of 10,000 accounts with limits. "TransferAsync" is what the guide shows; transfers of
            writers that wait at the same time share a commit. "pgbench" sends what it sends for a transfer that is alone. "one call in SQL" is the same function without Mainstay's client, "in a transaction" adds begin and
            commit as round trips. "naive" is begin, both rows locked, both updated, transfer and entries inserted, commit, each a statement; it checks no limit, sum or repetition. The ratio is to "pgbench".

            {RatioTable.Of(random, "pgbench", "transfer", "writers")}

            Every transfer debits one account. The ratio is to "naive".

            {RatioTable.Of(hot, Naive, "transfer", "writers")}

            After all of it, `VerifyAsync` found the ledger sound.
            """, database.Version,
            [.. from one in random select Finding.AtLeast(0.7, $"Transfers between random accounts, {one.Connections} writers, TransferAsync divided by pgbench with the same statements", one.Compare(Alone, "pgbench").Rate),
             .. from one in hot
                from form in (string[])[Alone, Deferred]
                select Finding.AtLeast(5, $"Transfers on one hot account, {one.Connections} writers, {form} divided by the naive form", one.Compare(form, Naive).Rate)]);
    }

    private static async Task<Measured> TransferAsync(ServerProcess server, string action)
    {
        var (before, databaseBefore) = (server.ProcessorTime, server.Database.ProcessorTime);
        var done = await PostAsync(server, action);
        var (time, databaseTime) = (server.ProcessorTime - before, server.Database.ProcessorTime - databaseBefore);
        return new Measured(done!.Count, done.Count / done.Seconds, time.TotalMicroseconds / done.Count, databaseTime.TotalMicroseconds / done.Count, done.Milliseconds50, done.Milliseconds99);
    }

    private static async Task<JobsDone?> PostAsync(ServerProcess server, string action)
    {
        using var answer = await server.Http.PostAsync(action, null);
        if (!answer.IsSuccessStatusCode)
            throw new MeasurementException($"{server.Name}, {action}: {(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
        return await answer.Content.ReadAsStringAsync() is { Length: > 0 } text ? System.Text.Json.JsonSerializer.Deserialize<JobsDone>(text, System.Text.Json.JsonSerializerOptions.Web) : null;
    }
}
