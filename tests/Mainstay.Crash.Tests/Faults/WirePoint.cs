using System.Text;
using Mainstay.Internal;

namespace Mainstay.Tests;

/// <summary>On which side of a statement.</summary>
public enum Moment { Before, After }

/// <summary>A place in the conversation at which the wire is held, once.</summary>
internal sealed class WirePoint(string statement, Moment moment, string? about, Func<string> story)
{
    private readonly TaskCompletionSource<HeldWire> _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _isAbandoned;

    public byte[] Statement { get; } = Encoding.UTF8.GetBytes(statement);

    public Moment Moment => moment;

    public byte[]? About { get; } = about is null ? null : Encoding.UTF8.GetBytes(about);

    public async Task<HeldWire> ReachedAsync(CancellationToken cancellation) =>
        await ReachedAsync(Scene.Patience, cancellation) ?? throw new TimeoutException($"The node has not come to '{statement}' ({moment}). It said last:\n{story()}");

    /// <returns>Null when nobody comes there in time.</returns>
    public async Task<HeldWire?> ReachedAsync(TimeSpan most, CancellationToken cancellation)
    {
        try
        {
            return await _reached.Task.WaitAsync(most, cancellation);
        }
        catch (TimeoutException)
        {
            return null;
        }
    }

    /// <summary>Whoever comes here from now on, or has come unnoticed, is cut off.</summary>
    public async Task AbandonAsync()
    {
        _isAbandoned = true;
        if (_reached.Task.IsCompleted)
            (await _reached.Task).Cut();
    }

    internal async Task HoldAsync(int backend, CancellationToken cancellation)
    {
        var held = new HeldWire(backend);
        _reached.TrySetResult(held);
        if (_isAbandoned)
            held.Cut();
        await held.Released.WaitAsync(cancellation);
    }
}

/// <summary>A wire that is being held.</summary>
/// <param name="backend">The server's process on its other end.</param>
internal sealed class HeldWire(int backend)
{
    private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public int Backend => backend;

    public Task Released => _released.Task;

    /// <summary>Lets what was said arrive.</summary>
    public void Continue() => _released.TrySetResult();

    /// <summary>Breaks the connection; what was said never arrives.</summary>
    public void Cut() => _released.TrySetException(new IOException("The wire was cut."));
}

/// <summary>The statements of the engine, by the names that scenarios call them.</summary>
internal static class Statements
{
    public static string Of(string name) => name switch
    {
        // What all kinds of claims have.
        "claim" => "set state = 1, node = $3",
        "admit" => QueueSql.Admit,
        "complete" => QueueSql.Complete,
        "complete in lane" => QueueSql.CompleteInLane,
        "finish" => QueueSql.FinishFirst,
        "complete all" => QueueSql.CompleteAll,
        "step" => QueueSql.WriteStep,
        // Of one job; of several it is another.
        "enqueue" => QueueSql.InsertOne,
        "retry" => QueueSql.Retry,
        "bury" => QueueSql.Bury,
        "release" => QueueSql.Release,
        "promote" => QueueSql.Promote,
        "reap" => QueueSql.Reap,
        "renew" => NodeSql.Extend,
        "end of lease" => NodeSql.End,
        "fire" => ScheduleSql.Fire,
        "plan" => ScheduleSql.Plan,
        "redrive" => "with chosen as materialized",
        "saga begin" => "insert into mainstay.sagas (",
        "saga lock" => "mainstay.sagas where id = $1 for no key update",
        "saga save" => "set status = case when status = 'stuck'",
        "saga end" => "insert into mainstay.sagas_ended",
        "saga withdraw" => "and state <> 1 for update skip locked",
        "ledger transfer" => "from mainstay.ledger_transfer(",
        // Of transfers that commit by themselves.
        "ledger group" => "from mainstay.ledger_try_transfer(",
        // As a unit of work says it, and as Npgsql does for a transaction of the application.
        "commit" => "commit\0",
        "application's commit" => "COMMIT\0",
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, "There is no such statement."),
    };
}
