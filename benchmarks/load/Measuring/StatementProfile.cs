using Npgsql;

namespace Mainstay.Benchmarks;

/// <summary>Which statements the time of PostgreSQL goes to, as its own extension counts it. That costs time itself, so rates and processor times are measured without it.</summary>
internal static class StatementProfile
{
    /// <summary>Lines of the server's configuration that it needs.</summary>
    public static readonly string[] Settings = ["shared_preload_libraries = 'pg_stat_statements'", "pg_stat_statements.track_planning = on", "pg_stat_statements.max = 10000"];

    /// <summary>What is written of a statement: its beginning says which one it is.</summary>
    private const int TextMost = 100;

    public static Task BeginAsync(BenchmarkDatabase database) => database.ExecuteAsync("create extension if not exists pg_stat_statements; select pg_stat_statements_reset()", database.AdministratorConnectionString);

    /// <param name="database">What has been measured.</param>
    /// <param name="count">How many times the work was done since the beginning.</param>
    /// <returns>Calls, times and written-ahead log for each time, the most expensive statement first. What is below one percent stands in one line.</returns>
    public static async Task<string> TableAsync(BenchmarkDatabase database, int count)
    {
        await using var source = NpgsqlDataSource.Create(database.AdministratorConnectionString);
        await using var command = source.CreateCommand($"""
            with each as (
                select regexp_replace(query, '\s+', ' ', 'g') as text, calls::float8 / {count} as calls, total_exec_time * 1000 / {count} as runs, total_plan_time * 1000 / {count} as plans, wal_bytes::float8 / {count} as wal
                from pg_stat_statements where query not like '%pg_stat_statements%' and dbid = (select oid from pg_database where datname = current_database())
            ), shared as (
                select case when runs + plans < (select sum(runs + plans) from each) / 100 then null else left(text, {TextMost}) end as text, calls, runs, plans, wal from each
            )
            select coalesce(text, 'the rest'), sum(calls), sum(runs), sum(plans), sum(wal) from shared group by grouping sets ((text), ()) order by grouping(text), text is null, sum(runs + plans) desc
            """);
        await using var reader = await command.ExecuteReaderAsync();
        List<string> rows = ["| statement | calls | runs | is planned | log |", "|---|---|---|---|---|"];
        List<(string Text, string Numbers)> lines = [];
        while (await reader.ReadAsync())
            lines.Add((reader.GetString(0), $"{reader.GetDouble(1):0.00} | {reader.GetDouble(2):0.0} µs | {reader.GetDouble(3):0.0} µs | {reader.GetDouble(4):0} bytes"));
        for (var i = 0; i < lines.Count; i++)
            rows.Add($"| {(i == lines.Count - 1 ? "**all**" : lines[i].Text == "the rest" ? "the rest" : $"`{lines[i].Text.Replace("|", "\\|", StringComparison.Ordinal)}`")} | {lines[i].Numbers} |");
        return string.Join('\n', rows);
    }
}
