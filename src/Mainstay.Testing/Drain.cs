using System.Globalization;
using System.Text;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>
/// Waits until all work of a test has come to its end, and says what keeps it from that. The nodes do the work as they always do; they are only told to look at once
/// instead of when they would poll, and what their watches would find later is found in the end.
/// </summary>
internal sealed class Drain(TestRun run)
{
    private static readonly TimeSpan lookMost = TimeSpan.FromMilliseconds(4);

    private static readonly TimeSpan settleMost = TimeSpan.FromSeconds(20);

    /// <summary>That nothing of what is open can move is believed after so many looks in a row, between which a node may have been starting.</summary>
    private const int StillLooks = 5;

    /// <summary>How many of what died are listed; the others are counted.</summary>
    private const int DeadListed = 20;

    private readonly HashSet<(Guid Id, DateTime DeadAt)> _toldDead = [];

    public async Task RunAsync(IReadOnlyList<TestNode> nodes, DrainOptions options)
    {
        var began = TimeProvider.System.GetTimestamp();
        var still = 0;
        for (var pause = TimeSpan.FromMilliseconds(0.5); ; pause = pause < lookMost ? pause * 2 : lookMost)
        {
            var open = await OpenAsync(nodes);
            if (open.Count == 0)
                break;
            still = open.TrueForAll(work => work.IsStill(nodes)) ? still + 1 : 0;
            if (still == StillLooks)
                throw new DrainException(await DescribeAsync("Work is open that nobody will do as things are", open));
            if (TimeProvider.System.GetElapsedTime(began) > options.Within)
                throw new DrainException(await DescribeAsync(string.Create(CultureInfo.InvariantCulture, $"Work has not come to an end within {options.Within.TotalSeconds:0.#} s"), open));
            Wake(nodes, open);
            await Task.Delay(pause, TimeProvider.System);
        }
        if (run.Fakes.TakeUnexpected() is { Count: > 0 } unexpected)
            throw new DrainException($"The backend called somebody of whom the test says nothing.\n  {string.Join("\n  ", unexpected.Distinct())}");
        var dead = await DeadAsync();
        if (dead.Count > 0 && !options.AllowsDeadLetters)
            throw new DrainException($"Work has died. Where a test wants that, it says AllowsDeadLetters.\n{string.Join('\n', dead)}{Logged()}");
    }

    /// <summary>Waits until a node that has started takes jobs and has planned its schedules, so that time which passes from then on is noticed.</summary>
    public async Task SettleAsync(TestNode node)
    {
        var takesJobs = node.Queues.Handlers.Count > 0 && QueueOptions.Of(node.Services.GetRequiredService<IConfiguration>()).Workers > 0;
        var began = TimeProvider.System.GetTimestamp();
        while ((takesJobs && node.Running.Services.Desk.Runner is null) || !await IsPlannedAsync(node))
        {
            if (TimeProvider.System.GetElapsedTime(began) > settleMost)
                throw new DrainException($"Node {node.Number} does not begin to take jobs.{Logged()}");
            await Task.Delay(TimeSpan.FromMilliseconds(1));
        }
    }

    /// <summary>When the next thing that is put off is due; now when something is open again since it was drained, because the clock runs.</summary>
    public async Task<DateTimeOffset?> NextDueAsync(IReadOnlyList<TestNode> nodes)
    {
        await using var command = run.Own.CreateCommand(DrainSql.NextDue);
        AddDeclared(command.Parameters, nodes);
        return await command.ExecuteScalarAsync() is DateTime due ? new DateTimeOffset(due) : null;
    }

    /// <summary>There is nothing left of what has died.</summary>
    public void ForgetDead() => _toldDead.Clear();

    public static string[] Schedules(IReadOnlyList<TestNode> nodes) => [.. nodes.Where(node => node.IsAlive).SelectMany(node => node.Queues.Schedules).Select(schedule => schedule.Definition.Name).Distinct()];

    private async Task<bool> IsPlannedAsync(TestNode node)
    {
        string[] schedules = Schedules([node]);
        if (schedules.Length == 0)
            return true;
        await using var command = run.Own.CreateCommand(DrainSql.Planned);
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = schedules });
        return await command.ExecuteScalarAsync() is true;
    }

    /// <summary>What the nodes that live declare, as statements take it: schedules, handlers of queues with a rate, and the queue of each.</summary>
    private static void AddDeclared(NpgsqlParameterCollection parameters, IReadOnlyList<TestNode> nodes)
    {
        var paced = nodes.Where(node => node.IsAlive).SelectMany(node => node.Queues.Handlers.Where(handler => node.Queues.LimitOf(handler.Queue) is { Spacing: not null })).DistinctBy(handler => handler.Name).ToArray();
        parameters.Add(new NpgsqlParameter<string[]> { TypedValue = Schedules(nodes) });
        parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. paced.Select(handler => handler.Name)] });
        parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. paced.Select(handler => handler.Queue)] });
    }

    private static void Wake(IReadOnlyList<TestNode> nodes, List<OpenWork> open)
    {
        foreach (var node in nodes.Where(node => node.IsAlive))
        {
            var services = node.Running.Services;
            services.Desk.Wake();
            if (open.Exists(work => work.State == OpenWork.Planned))
                services.Desk.Scheduler?.Invoke();
            if (open.Exists(work => work.State == OpenWork.Redrive))
                services.Desk.Redrives?.Invoke();
            if (open.Exists(work => work.State == OpenWork.Command))
                services.LongRunning.Signal.Raise();
        }
    }

    /// <summary>What is due becomes ready here and now: any node may do that, and each would when it looks.</summary>
    private async Task<List<OpenWork>> OpenAsync(IReadOnlyList<TestNode> nodes)
    {
        await using var batch = run.Own.CreateBatch();
        batch.BatchCommands.Add(new NpgsqlBatchCommand(QueueSql.Promote));
        var open = new NpgsqlBatchCommand(DrainSql.Open);
        AddDeclared(open.Parameters, nodes);
        batch.BatchCommands.Add(open);
        await using var reader = await batch.ExecuteReaderAsync();
        List<OpenWork> found = [];
        while (await reader.ReadAsync())
            found.Add(new OpenWork(reader.GetString(0), reader.GetInt32(1), reader.GetInt64(2), reader.IsDBNull(3) ? null : reader.GetString(3)));
        return found;
    }

    /// <summary>What has died since it was last told. A saga that somebody held when its job died stands from here on, and not when the watch of a node finds it.</summary>
    private async Task<List<string>> DeadAsync()
    {
        await using var batch = run.Own.CreateBatch();
        batch.BatchCommands.Add(SagaSql.StopForgotten(SagaSql.Ever).ToBatchCommand());
        var letters = new NpgsqlBatchCommand(DrainSql.Dead);
        letters.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = [.. _toldDead.Select(told => told.Id)] });
        letters.Parameters.Add(new NpgsqlParameter<DateTime[]> { TypedValue = [.. _toldDead.Select(told => told.DeadAt)], NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Array | NpgsqlTypes.NpgsqlDbType.TimestampTz });
        batch.BatchCommands.Add(letters);
        await using var reader = await batch.ExecuteReaderAsync();
        List<string> dead = [];
        var count = 0;
        while (await reader.ReadAsync())
        {
            if (_toldDead.Add((reader.GetGuid(0), reader.GetDateTime(5))) && ++count > DeadListed)
                continue;
            dead.Add(string.Create(CultureInfo.InvariantCulture, $"  '{reader.GetString(1)}' is dead ({reader.GetString(2)}) after {reader.GetInt32(3)} attempts: {reader.GetString(4)}"));
        }
        if (count > DeadListed)
            dead.Add(string.Create(CultureInfo.InvariantCulture, $"  and {count - DeadListed} more"));
        return dead;
    }

    private async Task<string> DescribeAsync(string what, List<OpenWork> open)
    {
        var text = new StringBuilder(what).Append(":\n");
        foreach (var work in open)
            text.Append(CultureInfo.InvariantCulture, $"  {work.Count} of '{work.Name}' {work.Describe()}{(work.Error is null ? "" : $"; the last error: {work.Error}")}\n");
        foreach (var dead in await DeadAsync())
            text.Append(dead).Append('\n');
        foreach (var crash in run.Crashes.Where(crash => !crash.HasHappened))
            text.Append(CultureInfo.InvariantCulture, $"  No node has come to {crash}\n");
        return text.Append(Logged()).ToString();
    }

    private string Logged() => run.Log.Lines is { Count: > 0 } lines ? $"\nLogged last:\n{string.Join('\n', lines.TakeLast(5))}" : "";
}

/// <summary>Work that is open and not put off.</summary>
/// <param name="Name">Of the handler, schedule or command.</param>
/// <param name="State">As <see cref="DrainSql.Open"/> says.</param>
/// <param name="Count">How much of it.</param>
/// <param name="Error">The last error of one of it.</param>
internal sealed record OpenWork(string Name, int State, long Count, string? Error)
{
    public const int Planned = 10, Command = 11, Redrive = 12;

    private const int Ready = 0, Leased = 1, Lost = 6, Blocked = 7;

    /// <summary>Whether it goes on only if something happens that the drain does not bring about.</summary>
    public bool IsStill(IReadOnlyList<TestNode> nodes) => State is Lost or Blocked || (State is not (Leased or Planned or Redrive) && !IsDone(nodes));

    public string Describe() => State switch
    {
        Ready => "wait for a node that has a handler of that name, or for the limits of their queue",
        Leased => "run",
        3 => "wait to be tried alone, after the death of a process",
        4 or 5 => "wait in their lane",
        Blocked => "wait in their lane behind one that is dead",
        Lost => "belong to a node that was killed, until its lease is over: advance the clock",
        Planned => "planned and not begun",
        Command => "are long-running commands that have not ended",
        _ => "are redriven",
    };

    private bool IsDone(IReadOnlyList<TestNode> nodes) => nodes.Any(node => node.IsAlive && (State == Command ? node.Running.Model.Operations.Any(operation => operation.Name == Name) : node.Queues.Handlers.Any(handler => handler.Name == Name)));
}
