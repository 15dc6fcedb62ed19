using System.Collections.Concurrent;

namespace Mainstay.Internal;

/// <summary>
/// Long-running commands on this node: what accepting a request, showing it and running it have in common. The <see cref="OperationStore"/> is the truth;
/// what is kept here are hints that save waiting.
/// </summary>
internal sealed class LongRunning(OperationStore store, LongRunningOptions options)
{
    private readonly ConcurrentDictionary<Guid, LongRunningRun> _runs = new();

    public OperationStore Store { get; } = store;

    public LongRunningOptions Options { get; } = options;

    /// <summary>Raised when there may be something to begin.</summary>
    public Hint Signal { get; } = new();

    /// <summary>What this node runs now.</summary>
    public IReadOnlyDictionary<Guid, LongRunningRun> Runs => _runs;

    public void Began(LongRunningRun run) => _runs[run.Claimed.Id] = run;

    /// <summary>Only this run: after a lost lease the same operation may have come back to this node.</summary>
    public void Ended(LongRunningRun run) => _runs.TryRemove(KeyValuePair.Create(run.Claimed.Id, run));

    /// <summary>Ends the run of an operation that shall be cancelled, if it is here. Other nodes learn of it when they renew their lease.</summary>
    public void Cancel(Guid id)
    {
        if (_runs.TryGetValue(id, out var run))
            run.End(RunEnd.Cancelled);
    }
}
