using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>
/// Makes a backend as good as new for the next test, whatever the test before has left: work that is stuck, dead or put off, handlers that run, nodes that were killed.
/// <code>
/// 1. what waits is deleted, so that it is not begun
/// 2. what runs may come to its end; what that enqueues is deleted before it begins
/// 3. all tables are emptied: a handler that goes on for longer than anybody waits can no longer commit
/// </code>
/// </summary>
internal sealed class Reset(TestRun run)
{
    private static readonly TimeSpan runMost = TimeSpan.FromSeconds(10);

    public async Task RunAsync(IReadOnlyList<TestNode> nodes)
    {
        TestNode[] living = [.. nodes.Where(node => node.IsAlive)];
        var began = TimeProvider.System.GetTimestamp();
        while (await IsBusyAsync(living) && TimeProvider.System.GetElapsedTime(began) < runMost)
        {
            foreach (var node in living)
            {
                node.Running.Services.Desk.Wake();
                node.Running.Services.Desk.Scheduler?.Invoke();
            }
            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System);
        }
        var tables = await run.TablesAsync();
        await run.Server.ExecuteInAsync(run.DatabaseName, ResetSql.Framework + (tables.Count > 0 ? ResetSql.Truncate(tables) : ""));
        foreach (var node in living)
            node.Services.GetRequiredService<RateLimiter>().Forget();
        // Calls that the test before did not expect are not for the next one to be told of.
        run.Fakes.TakeUnexpected();
    }

    private async Task<bool> IsBusyAsync(TestNode[] living)
    {
        await using var batch = run.Own.CreateBatch();
        foreach (var statement in ResetSql.DropWaiting.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
            batch.BatchCommands.Add(new NpgsqlBatchCommand(statement));
        batch.BatchCommands.Add(new NpgsqlBatchCommand(ResetSql.IsBusy) { Parameters = { new NpgsqlParameter<string[]> { TypedValue = Drain.Schedules(living) } } });
        await using var reader = await batch.ExecuteReaderAsync();
        await reader.ReadAsync();
        return reader.GetBoolean(0);
    }
}
