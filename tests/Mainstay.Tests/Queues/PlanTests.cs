using Mainstay.Internal;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>Plans of the statements of a turn are made when the queue is empty and used when it is full, before anything has been analysed.</summary>
public sealed class PlanTests(PostgresFixture postgres) : OwnDatabaseTests(postgres)
{
    protected override async Task PrepareAsync()
    {
        await using (await PlainApplication.StartAsync(ConnectionString, services => services.AddJobs(jobs => jobs.Job<Write>("write", (Write job, UnitOfWork work) => { }), new QueueOptions { Workers = 0 })))
        {
        }
        await Source.ExecuteAsync("alter table mainstay.jobs set (autovacuum_enabled = false); insert into mainstay.nodes (id, lease_until) values ('01890a5d-ac96-774b-bcce-b302099a8057', now() + interval '1 day')");
    }

    [Theory]
    [InlineData(QueueSql.Cycle, "", "")]
    [InlineData(QueueSql.CycleWithLimits, ", text[], int[], interval[], int[]", ", '{q}', '{1000}', '{1 s}', '{10}'")]
    public async Task A_claim_whose_plan_was_made_for_an_empty_table_reads_little_of_a_full_one(string statement, string types, string limits)
    {
        const string claim = "('{}', '{}', '01890a5d-ac96-774b-bcce-b302099a8057', '{0}', '{100}', '{write,other}', '{0,0}', '{0,0}', '{0,0}', 1";
        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using var transaction = await connection.BeginTransactionAsync(Stop);
        await using (var prepare = new NpgsqlCommand($"{QueueSql.KeepPlans}; set local plan_cache_mode = force_generic_plan; prepare claim (uuid[], int[], uuid, int[], int[], text[], int[], smallint[], bigint[], int{types}) as {statement}", connection))
            await prepare.ExecuteNonQueryAsync(Stop);
        var empty = await PlanAsync(connection, $"explain execute claim{claim}{limits})");
        await using (var fill = new NpgsqlCommand("insert into mainstay.jobs (id, handler, payload) select gen_random_uuid(), 'write', '{}' from generate_series(1, 30000)", connection))
            await fill.ExecuteNonQueryAsync(Stop);
        var full = await PlanAsync(connection, $"explain execute claim{claim}{limits})");

        empty.ShouldNotContain("Seq Scan");
        full.ShouldNotContain("Seq Scan");
        full.ShouldContain("Tid Scan on jobs");
    }

    [Theory]
    [InlineData(QueueSql.Complete, "uuid, integer", "'01890a5d-ac96-774b-bcce-b302099a8057', 1")]
    [InlineData(QueueSql.CompleteAll, "uuid[], integer[]", "'{01890a5d-ac96-774b-bcce-b302099a8057}', '{1}'")]
    [InlineData(QueueSql.Release, "uuid[], integer[]", "'{01890a5d-ac96-774b-bcce-b302099a8057}', '{1}'")]
    public async Task An_end_finds_its_row_by_its_id_also_when_statistics_know_of_no_lease(string statement, string types, string values)
    {
        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using var transaction = await connection.BeginTransactionAsync(Stop);
        await using (var prepare = new NpgsqlCommand($"insert into mainstay.jobs (id, handler, payload) select gen_random_uuid(), 'write', '{{}}' from generate_series(1, 5000); analyze mainstay.jobs; set local plan_cache_mode = force_generic_plan; prepare ending ({types}) as {statement}", connection))
            await prepare.ExecuteNonQueryAsync(Stop);

        var plan = await PlanAsync(connection, $"explain execute ending ({values})");

        plan.ShouldContain("jobs_pkey");
        plan.ShouldNotContain("jobs_node_idx");
    }

    [Fact]
    public async Task A_look_at_the_ages_reads_a_few_entries_of_what_waits()
    {
        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using var transaction = await connection.BeginTransactionAsync(Stop);
        await using (var fill = new NpgsqlCommand($$"""
            insert into mainstay.jobs (id, handler, payload, state, node, lane, fence)
            select gen_random_uuid(), 'write', '{}', case n when 1 then 1 else 5 end, case n when 1 then '01890a5d-ac96-774b-bcce-b302099a8057'::uuid end, 'a', 1 from generate_series(1, 20000) n;
            insert into mainstay.jobs (id, handler, payload, state, lane) select gen_random_uuid(), 'write', '{}', 4, 'b' from generate_series(1, 5000);
            insert into mainstay.jobs (id, handler, payload) select gen_random_uuid(), 'write', '{}' from generate_series(1, 5000);
            prepare look (text[], text[]) as {{QueueWatchSql.Look}}
            """, connection))
            await fill.ExecuteNonQueryAsync(Stop);

        var plan = await PlanAsync(connection, "explain (analyze, timing off, costs off) execute look ('{write,other}', '{write}')");

        plan.ShouldNotContain("Seq Scan on jobs");
        plan.ShouldNotContain("Sort Key: jobs");
        plan.Split('\n').Where(line => line.Contains("on jobs", StringComparison.Ordinal)).ShouldAllBe(line => Rows(line) <= 50);
    }

    /// <summary>How many rows a node of an analysed plan gave each time.</summary>
    private static int Rows(string line) => line.Contains("never executed", StringComparison.Ordinal) ? 0
        : int.Parse(System.Text.RegularExpressions.Regex.Match(line, "rows=([0-9]+)").Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture);

    private static async Task<string> PlanAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync(Stop);
        var lines = new List<string>();
        while (await reader.ReadAsync(Stop))
            lines.Add(reader.GetString(0));
        return string.Join('\n', lines);
    }

    private sealed record Write(string Text);
}
