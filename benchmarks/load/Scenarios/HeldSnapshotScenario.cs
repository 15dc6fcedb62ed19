using System.Text.Json;
using Npgsql;

namespace Mainstay.Benchmarks;

/// <summary>
/// What a claim reads while somebody holds an old snapshot, under which nothing that is gone can be removed. PostgreSQL itself says it of each claim that a
/// worker sends (auto_explain), so it is the claim with its parameters that is looked at, whatever they will be.
/// </summary>
internal static class HeldSnapshotScenario
{
    /// <summary>The other numbers of a plan mean nothing here.</summary>
    public static readonly Plan Usual = new(Rounds: 1, Pairs: 1, Seconds: 1, WarmUpSeconds: 1, 1);

    private const int Jobs = 100_000, JobsOfAnEnd = Jobs / 10;

    private static readonly string[] explaining =
    [
        "session_preload_libraries = 'auto_explain'", "auto_explain.log_min_duration = 0", "auto_explain.log_analyze = on", "auto_explain.log_timing = off", "auto_explain.log_buffers = on", "auto_explain.log_format = json",
        "logging_collector = on", "log_destination = 'jsonlog'", "log_directory = 'plans'", "log_rotation_size = 0",
    ];

    public static async Task<Section> RunAsync(Plan plan)
    {
        await using var field = await JobsField.StartAsync(explaining, [Contestant.Jobs]);
        var server = field[Contestant.Jobs];
        await using var source = NpgsqlDataSource.Create(field.Database.ConnectionString);
        await using (var connection = await source.OpenConnectionAsync())
        await using (await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead))
        {
            await using (var hold = new NpgsqlCommand("select count(*) from mainstay.jobs", connection))
                await hold.ExecuteScalarAsync();
            await field.RunAsync(server, $"fill?count={Jobs}");
            await field.RunAsync(server, $"drain?count={Jobs}");
        }
        var claims = Claims(field.Database);
        var (first, last) = (PagesOf(claims), PagesOf(claims.AsEnumerable().Reverse()));
        return new Section("Claims under a held snapshot", $"""
            {Jobs:N0} jobs that do nothing are recorded and run while a transaction holds a snapshot from before them. Pages are what PostgreSQL says of the statement that ends and claims (`auto_explain`), found in
            memory or not, divided by the jobs that it has claimed: {first:0.0} for the first {JobsOfAnEnd:N0} jobs, {last:0.0} for the last.
            """, field.Versions,
            Finding.AtMost(1.3, $"Pages that a claim reads for each job, last {JobsOfAnEnd:N0} divided by first {JobsOfAnEnd:N0} of {Jobs:N0}", last / first));
    }

    /// <summary>Jobs and pages of every claim that got something, in their order.</summary>
    private static List<(long Jobs, long Pages)> Claims(BenchmarkDatabase database)
    {
        var claims = new List<(long Jobs, long Pages)>();
        foreach (var line in database.Files("*.json").Where(file => file.Directory!.Name == "plans").OrderBy(file => file.Name).SelectMany(file => File.ReadLines(file.FullName)))
        {
            using var entry = JsonDocument.Parse(line);
            if (!entry.RootElement.TryGetProperty("message", out var message) || message.GetString() is not { } text || text.IndexOf('{') is var at && at < 0 || !text.StartsWith("duration: ", StringComparison.Ordinal))
                continue;
            using var explained = JsonDocument.Parse(text[at..]);
            var plan = explained.RootElement.GetProperty("Plan");
            if (explained.RootElement.GetProperty("Query Text").GetString()!.StartsWith("with finished as", StringComparison.Ordinal) && plan.GetProperty("Actual Rows").GetInt64() is > 0 and var jobs)
                claims.Add((jobs, plan.GetProperty("Shared Hit Blocks").GetInt64() + plan.GetProperty("Shared Read Blocks").GetInt64()));
        }
        return claims.Sum(claim => claim.Jobs) == Jobs ? claims : throw new MeasurementException($"The log of PostgreSQL tells of {claims.Sum(claim => claim.Jobs)} jobs that were claimed, expected {Jobs}. Is auto_explain among its libraries?");
    }

    /// <summary>Pages for each of the first jobs.</summary>
    private static double PagesOf(IEnumerable<(long Jobs, long Pages)> claims)
    {
        var (jobs, pages) = (0L, 0L);
        foreach (var claim in claims.TakeWhile(_ => jobs < JobsOfAnEnd))
            (jobs, pages) = (jobs + claim.Jobs, pages + claim.Pages);
        return (double)pages / jobs;
    }
}
