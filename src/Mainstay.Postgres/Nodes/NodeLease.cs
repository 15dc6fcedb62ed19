using Npgsql;
using NpgsqlTypes;

namespace Mainstay.Internal;

/// <summary>
/// This process as the holder of leases: one row, renewed for everything that it holds. The database decides when the lease is over; the process stops relying on
/// it earlier, by its own monotonic clock, so that it has stopped when others begin.
/// </summary>
/// <param name="database">Where the lease is.</param>
/// <param name="clock"><see cref="Database.LeaseClock"/> of the node.</param>
/// <param name="length">How long it is good without being renewed.</param>
/// <param name="unknown">What is asked about with each renewal.</param>
internal sealed class NodeLease(Database database, TimeProvider clock, TimeSpan length, UnknownWork unknown)
{
    private static readonly string name = $"{Environment.MachineName}:{Environment.ProcessId}";

    private readonly Lock _lock = new();
    private long _reliableUntil = clock.GetTimestamp();
    private bool _wasHeld;
    private int _term;

    /// <summary>New at every start: what an earlier process of the same machine held is not ours.</summary>
    public Guid Id { get; } = Guid.CreateVersion7();

    public TimeSpan Length => length;

    /// <summary>How often to renew it: a few failures in a row do not end it.</summary>
    public TimeSpan Pace => length / 6;

    /// <summary>Whether others are sure not to take over what this node holds.</summary>
    public bool IsHeld => Left > TimeSpan.Zero;

    /// <summary>Grows with each loss. What was claimed in one term is not held in the next: others may have taken it over in between.</summary>
    public int Term => Volatile.Read(ref _term);

    private TimeSpan Left => new Deadline(Volatile.Read(ref _reliableUntil)).Left(clock);

    /// <summary>Called once each time that the lease was not renewed in time, and always before it can be relied on again.</summary>
    public Action Lost { get; set; } = () => { };

    /// <summary>How many other nodes were alive at the last renewal.</summary>
    public int Others { get; private set; }

    /// <summary>Whether others are sure not to have taken over what this node has held since it claimed in that term.</summary>
    public bool IsHeldIn(int term) => IsHeld && Term == term;      // in this order: a loss is noted before the lease can be relied on again

    /// <returns>What there is to do besides.</returns>
    public async Task<NodeNews> ExtendAsync(CancellationToken cancellation)
    {
        // From before the question: however long the answer takes, the database's lease is not shorter.
        var reliable = Deadline.After(length * 2 / 3, clock);
        await using var command = database.Source.CreateCommand(NodeSql.Extend);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = Id });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = name });
        command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = length, NpgsqlDbType = NpgsqlDbType.Interval });
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = unknown.WithoutLanes });
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = unknown.WithoutPriorities });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        await reader.ReadAsync(cancellation);
        Others = (int)reader.GetInt64(0);
        var news = new NodeNews(reader.IsDBNull(1) ? null : reader.GetTimeSpan(1), reader.GetBoolean(2), reader.GetBoolean(3), reader.GetBoolean(4));
        lock (_lock)
        {
            NoteLoss_NeedsLock();
            Volatile.Write(ref _reliableUntil, reliable.Timestamp);
            _wasHeld = true;
        }
        return news;
    }

    /// <summary>
    /// Notices a loss when it happens, by the clock alone: whoever renews the lease may just then be waiting for a server that no longer answers, or the whole process may
    /// have been asleep.
    /// </summary>
    public async Task WatchAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            var left = Left;
            await Task.Delay(left > TimeSpan.Zero ? left + TimeSpan.FromMilliseconds(1) : Pace, clock, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            lock (_lock)
                NoteLoss_NeedsLock();
        }
    }

    public async Task EndAsync()
    {
        lock (_lock)
        {
            Volatile.Write(ref _reliableUntil, clock.GetTimestamp());
            _wasHeld = false;
        }
        await using var command = database.Source.CreateCommand(NodeSql.End);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = Id });
        await command.ExecuteNonQueryAsync();
    }

    public async Task DeleteDeadAsync(CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand(NodeSql.DeleteDead);
        await command.ExecuteNonQueryAsync(cancellation);
    }

    private void NoteLoss_NeedsLock()
    {
        if (!_wasHeld || IsHeld)
            return;
        _wasHeld = false;
        Interlocked.Increment(ref _term);
        Lost();
    }
}

/// <summary>What a node learns whenever it renews its lease.</summary>
/// <param name="FirstEnd">How long it is until the first lease of another node is over, unless that is renewed before; null when no other is alive.</param>
/// <param name="HasOrphans">Whether a node whose lease is over holds jobs, which are to be taken back.</param>
/// <param name="HasRedrives">Whether a redrive goes on.</param>
/// <param name="HasAstray">Whether there is work that its handlers do not look for.</param>
internal readonly record struct NodeNews(TimeSpan? FirstEnd, bool HasOrphans, bool HasRedrives, bool HasAstray);

/// <summary>What handlers do not look for, although another release or plain SQL may have recorded it.</summary>
/// <param name="WithoutLanes">Handlers whose work is ready when it arrives.</param>
/// <param name="WithoutPriorities">Handlers all of whose work is ordinary.</param>
internal sealed record UnknownWork(string[] WithoutLanes, string[] WithoutPriorities);
