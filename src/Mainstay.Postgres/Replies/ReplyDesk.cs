using Npgsql;
using NpgsqlTypes;

namespace Mainstay.Internal;

/// <summary>
/// Who waits for replies on this node. What is answered here is handed over at once; what another node answers is found by looking, soon after its hint or without one. One statement looks for all.
/// </summary>
internal sealed class ReplyDesk
{
    private static readonly TimeSpan firstPause = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan lastPause = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan patience = TimeSpan.FromSeconds(30);

    private readonly Lock _lock = new();
    private readonly Dictionary<Guid, Waiting> _waiting = [];
    private readonly List<Guid> _over = [];
    private readonly Hint _asked = new();
    private readonly Hint _answered = new();

    /// <summary>Waits for a reply from now on, so before anybody can answer.</summary>
    /// <param name="id">What was asked. Several may wait for the same.</param>
    /// <param name="isKept">Whether the reply stays for others who ask the same.</param>
    public Waiter Wait(Guid id, bool isKept)
    {
        lock (_lock)
        {
            if (!_waiting.TryGetValue(id, out var waiting))
                _waiting[id] = waiting = new Waiting();
            waiting.Count++;
            return new Waiter(this, id, isKept, waiting.Source.Task);
        }
    }

    /// <summary>It has been answered on this node.</summary>
    /// <returns>Whether somebody here has waited for it.</returns>
    public bool Arrived(Guid id, StoredReply reply)
    {
        Waiting? waiting;
        lock (_lock)
            if (!_waiting.TryGetValue(id, out waiting))
                return false;
        waiting.Source.TrySetResult(reply);
        return true;
    }

    /// <summary>Another node may have answered.</summary>
    public void Wake()
    {
        lock (_lock)
            if (_waiting.Count == 0)
                return;
        _answered.Raise();
    }

    /// <summary>Looks for what others have answered while somebody waits, and takes away what is over.</summary>
    /// <param name="database">Where the replies are.</param>
    /// <param name="stopping">Ends it. Whoever still waits then does so until its time is over.</param>
    /// <exception cref="NpgsqlException">The database is away. What waits still does, and the next run goes on with it.</exception>
    public async Task RunAsync(Database database, CancellationToken stopping)
    {
        var pause = firstPause;
        while (!stopping.IsCancellationRequested)
        {
            // By the real time, whatever clock the application has: somebody waits.
            if (!HasWork)
            {
                await _asked.WaitAsync(patience, TimeProvider.System, stopping);
                pause = firstPause;
                continue;
            }
            if (await _answered.WaitAsync(pause, TimeProvider.System, stopping))
                pause = firstPause;
            pause = await LookAsync(database, stopping) ? firstPause : pause * 2 > lastPause ? lastPause : pause * 2;
        }
    }

    private bool HasWork
    {
        get
        {
            lock (_lock)
                return _over.Count > 0 || _waiting.Values.Any(waiting => waiting.IsAsked);
        }
    }

    /// <returns>Whether there was a reply.</returns>
    private async Task<bool> LookAsync(Database database, CancellationToken stopping)
    {
        Guid[] waited, over;
        lock (_lock)
        {
            waited = [.. from entry in _waiting where entry.Value is { IsAsked: true, Source.Task.IsCompleted: false } select entry.Key];
            over = [.. _over];
        }
        if (waited.Length + over.Length == 0)
            return false;
        await using var connection = await database.Source.OpenConnectionAsync(stopping);
        await using var batch = new NpgsqlBatch(connection) { BatchCommands = { new NpgsqlBatchCommand(QueueSql.KeepPlans), Of(ReplySql.Read, waited) } };
        if (over.Length > 0)
            batch.BatchCommands.Add(Of(ReplySql.Drop, over));
        var hasFound = false;
        await using var reader = await batch.ExecuteReaderAsync(stopping);
        await reader.NextResultAsync(stopping);
        for (; await reader.ReadAsync(stopping); hasFound = true)
            Arrived(reader.GetGuid(0), new StoredReply(reader.IsDBNull(1) ? null : reader.GetString(1), reader.IsDBNull(2) ? null : reader.GetString(2)));
        await reader.NextResultAsync(stopping);
        lock (_lock)
            _over.RemoveRange(0, over.Length);
        return hasFound;
    }

    private static NpgsqlBatchCommand Of(string sql, Guid[] ids) => new(sql) { Parameters = { new NpgsqlParameter<Guid[]> { TypedValue = ids, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Uuid } } };

    private void Asked(Guid id)
    {
        lock (_lock)
            _waiting[id].IsAsked = true;
        _asked.Raise();
    }

    private void Leave(Guid id, bool isKept)
    {
        lock (_lock)
        {
            if (--_waiting[id].Count > 0)
                return;
            _waiting.Remove(id);
            if (isKept)
                return;
            _over.Add(id);
        }
        _asked.Raise();
    }

    private sealed class Waiting
    {
        public TaskCompletionSource<StoredReply> Source { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public int Count { get; set; }

        /// <summary>Whether it is worth looking.</summary>
        public bool IsAsked { get; set; }
    }

    /// <summary>One who waits. Disposed of when that is over, however it has ended.</summary>
    internal sealed class Waiter(ReplyDesk desk, Guid id, bool isKept, Task<StoredReply> reply) : IDisposable
    {
        private bool _hasLeft;

        /// <returns>The reply; null when there is none in time.</returns>
        public async Task<StoredReply?> WaitAsync(TimeSpan most, TimeProvider clock, CancellationToken cancellation)
        {
            try
            {
                return await reply.WaitAsync(most, clock, cancellation);
            }
            catch (TimeoutException)
            {
                return null;
            }
        }

        /// <summary>It has been asked: from now on there may be a reply.</summary>
        public void Asked() => desk.Asked(id);

        public void Dispose()
        {
            if (!_hasLeft)
                desk.Leave(id, isKept);
            _hasLeft = true;
        }
    }
}
