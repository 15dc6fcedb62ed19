using System.Runtime.CompilerServices;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>
/// Runs statements that only read. When many of one text come at once, those that wait share one statement: the cost of a small read is mostly that of
/// sending it and of taking turns, and is then paid once for all of them.
/// </summary>
/// <remarks>
/// <code>
/// a read comes     fewer than Lanes of its text are running → runs at once, alone        idle: nothing waits, nothing is added
///                  else                                     → waits
/// one has ended    those that wait by now, at most a batch  → run as one statement       busy: batches grow with the load
/// </code>
/// What a read finds is what it would have found alone: its values, the caller's part of a policy among them, stand beside each other in arrays, and the
/// statement runs for each of them (<see cref="ReadStatement.Together"/>). It begins after the read has come, so it sees what was committed before. Reads with
/// the same values are one. When a batch fails, each of its reads is run alone, so none fails for another.
/// Where a read takes long, its work counts and not its turns, and one connection would do one after the other what several do side by side: then more of
/// them run side by side, and batches become small. Reads that have waited for <see cref="Patience"/> behind statements that have not ended are not held up further.
/// </remarks>
internal sealed class Reads(Database database, bool isCoalescing)
{
    /// <summary>The most reads that share a statement.</summary>
    public const int BatchMost = 64;

    /// <summary>How long a shared statement may take, by what its reads took before, in milliseconds.</summary>
    private const double BatchMillisecondsMost = 10;

    /// <summary>From here on a read is slow, in milliseconds.</summary>
    private const double SlowMilliseconds = 5;

    /// <summary>How many texts are watched at once. Those beyond run alone.</summary>
    private const int LanesMost = 1000;

    /// <summary>How many statements of one text run side by side before further reads wait for each other.</summary>
    private static readonly int sideBySide = Math.Max(2, Environment.ProcessorCount);

    /// <summary>The same for slow ones: half of the connections there are by default.</summary>
    private static readonly int sideBySideWhenSlow = Math.Max(8, Environment.ProcessorCount * 4);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Lane> _lanes = new(StringComparer.Ordinal);
    private int _waiting;
    private bool _isWatching;

    /// <summary>How long reads wait behind statements that do not end, before more of them run side by side. Up to <see cref="sideBySideWhenSlow"/>.</summary>
    public TimeSpan Patience { get; set; } = TimeSpan.FromMilliseconds(50);

    /// <summary>Whether it watches how long reads take. Tests that hold reads by locks would teach it something untrue.</summary>
    public bool Learns { get; set; } = true;

    /// <summary>How many reads wait for others of their text, now.</summary>
    public int WaitingCount => Volatile.Read(ref _waiting);

    /// <summary>Runs a statement and hands its rows over.</summary>
    /// <remarks>When it ends with an exception, a sink may still be in use by a statement that others share: leave it alone then.</remarks>
    public ValueTask RunAsync(ReadStatement statement, RowSink sink, Deadline deadline, CancellationToken cancellation)
    {
        if (!isCoalescing || !statement.CanBeShared)
            return RunAloneAsync(statement, sink, deadline, cancellation);
        Waiting? waiting = null;
        Lane? lane;
        var (now, begins) = (database.Clock.GetTimestamp(), false);
        lock (_lock)
        {
            if (!_lanes.TryGetValue(statement.Text, out lane) && _lanes.Count < LanesMost)
                _lanes.Add(statement.Text, lane = new Lane());
            if (lane is not null && lane.Running >= (lane.IsSlow ? sideBySideWhenSlow : sideBySide))
            {
                lane.Queue.Enqueue(waiting = new Waiting(statement, sink, deadline, now, cancellation));
                _waiting++;
                begins = !_isWatching;
                _isWatching = true;
            }
            else
                lane?.Begin(now);
        }
        if (begins)
            _ = WatchAsync();
        return waiting is not null ? WaitAsync(waiting) : RunAloneAsync(statement, sink, deadline, cancellation, lane);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask RunAloneAsync(ReadStatement statement, RowSink sink, Deadline deadline, CancellationToken cancellation, Lane? lane = null)
    {
        var began = 0L;
        try
        {
            await using var connection = await database.OpenAsync(deadline, cancellation);
            began = database.Clock.GetTimestamp();
            await using var command = Command(connection, statement, deadline);
            await using var reader = await command.ExecuteReaderAsync(cancellation);
            while (await reader.ReadAsync(cancellation))
                sink.Add(reader);
        }
        finally
        {
            if (lane is not null)
                Leave(lane, statement.Text, reads: 1, began);
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask WaitAsync(Waiting waiting)
    {
        if (await waiting.Answered.Task.WaitAsync(waiting.Cancellation))
            return;
        waiting.Sink.Clear();
        await RunAloneAsync(waiting.Statement, waiting.Sink, waiting.Deadline, waiting.Cancellation);
    }

    /// <summary>A statement has ended. Those that wait take its place, or nobody does.</summary>
    /// <param name="lane">Where.</param>
    /// <param name="text">Its text.</param>
    /// <param name="reads">How many reads shared it.</param>
    /// <param name="began">When the server was asked; 0 if it never was.</param>
    private void Leave(Lane lane, string text, int reads, long began)
    {
        List<Waiting>? next = null;
        lock (_lock)
        {
            if (began != 0 && Learns)
                lane.Learn(database.Clock.GetElapsedTime(began).TotalMilliseconds / reads);
            lane.Running--;
            if (lane.Queue.Count > 0)
                next = Take_NeedsLock(lane);
            else if (lane.Running == 0 && _lanes.Count > LanesMost / 2)
                _lanes.Remove(text); // what is asked again is learned again
        }
        // Not by the request that has ended: it has an answer to send.
        if (next is not null)
            Start(lane, text, next);
    }

    private List<Waiting> Take_NeedsLock(Lane lane)
    {
        var batch = lane.TakeBatch();
        _waiting -= batch.Count;
        lane.Begin(database.Clock.GetTimestamp());
        return batch;
    }

    private void Start(Lane lane, string text, List<Waiting> batch) =>
        ThreadPool.UnsafeQueueUserWorkItem(static batch => _ = batch.Reads.RunBatchAsync(batch.Lane, batch.Text, batch.Next), (Reads: this, Lane: lane, Text: text, Next: batch), preferLocal: false);

    /// <summary>As long as reads wait, looks whether what they wait for ends. A lane learns how slow it is only when something ends.</summary>
    private async Task WatchAsync()
    {
        do
            await Task.Delay(Patience, database.Clock);
        while (StartLate());
    }

    /// <summary>Gives those that have waited too long a statement of their own, beside the others.</summary>
    /// <returns>Whether reads still wait.</returns>
    private bool StartLate()
    {
        List<(Lane Lane, string Text, List<Waiting> Batch)> late = [];
        bool stillWait;
        lock (_lock)
        {
            foreach (var (text, lane) in _lanes)
                if (lane.Queue.Count > 0 && lane.Running < sideBySideWhenSlow && database.Clock.GetElapsedTime(lane.Began) is var elapsed && elapsed >= Patience)
                {
                    lane.Learn(elapsed.TotalMilliseconds);
                    late.Add((lane, text, Take_NeedsLock(lane)));
                }
            _isWatching = stillWait = _waiting > 0;
        }
        foreach (var (lane, text, batch) in late)
            Start(lane, text, batch);
        return stillWait;
    }

    private async Task RunBatchAsync(Lane lane, string text, List<Waiting> batch)
    {
        var began = database.Clock.GetTimestamp();
        batch.RemoveAll(static waiting => waiting.Cancellation.IsCancellationRequested);
        var isRead = false;
        try
        {
            if (batch.Count > 0)
                await ReadBatchAsync(batch);
            isRead = true;
        }
        catch (Exception e)
        {
            // Whatever it was, each finds out for itself and reports it as its own.
            ReadMetrics.Failed(e);
        }
        Leave(lane, text, Math.Max(1, batch.Count), batch.Count > 0 ? began : 0);
        ReadMetrics.Shared(batch.Count);
        foreach (var waiting in batch)
        {
            ReadMetrics.Waited(database.Clock.GetElapsedTime(waiting.Since, began));
            waiting.Answered.TrySetResult(isRead);
        }
    }

    private async Task ReadBatchAsync(List<Waiting> batch)
    {
        var latest = batch[0].Deadline;
        var questions = new Dictionary<ReadStatement, Group>(SameValues.Instance);
        foreach (var waiting in batch)
        {
            if (waiting.Deadline.Timestamp > latest.Timestamp)
                latest = waiting.Deadline;
            if (questions.TryGetValue(waiting.Statement, out var group))
                group.Add(waiting.Sink);
            else
                questions.Add(waiting.Statement, new Group(waiting.Sink));
        }

        var left = latest.Left(database.Clock);
        using var timeout = left < TimeSpan.FromDays(1) ? new CancellationTokenSource(left > TimeSpan.Zero ? left : TimeSpan.Zero, database.Clock) : new CancellationTokenSource();
        await using var connection = await database.OpenAsync(latest, timeout.Token);
        var groups = questions.Values.ToArray();
        await using var command = Command(connection, groups.Length == 1 ? batch[0].Statement.Copy() : ReadStatement.Together([.. questions.Keys]), latest);
        await using var reader = await command.ExecuteReaderAsync(timeout.Token);
        var number = reader.FieldCount - 1;
        while (await reader.ReadAsync(timeout.Token))
            groups[groups.Length == 1 ? 0 : reader.GetInt64(number) - 1].Add(reader);
        foreach (var group in groups)
            group.Copy();
    }

    /// <summary>
    /// Its end is the caller's token, which has the server cancel the statement. A limit of the server's own would be a statement in front of each of these;
    /// against clients that die in the middle the server watches their connections (client_connection_check_interval).
    /// </summary>
    private NpgsqlCommand Command(NpgsqlConnection connection, ReadStatement statement, Deadline deadline)
    {
        var left = deadline.Left(database.Clock);
        if (left <= TimeSpan.Zero)
            throw DatabaseErrors.DeadlineExceeded();
        var command = new NpgsqlCommand(statement.Text, connection);
        // Where the connection's own limit is far enough away it stays: another one is two system calls, there and back.
        if (left.TotalSeconds > command.CommandTimeout - 5)
            command.CommandTimeout = 0;
        for (var i = 0; i < statement.Values.Count; i++)
            command.Parameters.Add(statement.Values[i]);
        return command;
    }

    /// <summary>The statements of one text: how many run, who waits, and how long one read takes.</summary>
    private sealed class Lane
    {
        private double _milliseconds;

        public int Running { get; set; }

        /// <summary>When the last of them began.</summary>
        public long Began { get; private set; }

        public Queue<Waiting> Queue { get; } = new();

        public bool IsSlow => _milliseconds > SlowMilliseconds;

        public void Begin(long now)
        {
            Running++;
            Began = now;
        }

        /// <summary>Quicker downwards, and with a limit upwards: one that waited for a lock or for a busy machine says little about the next one.</summary>
        public void Learn(double milliseconds) => _milliseconds += milliseconds < _milliseconds ? (milliseconds - _milliseconds) / 4 : (Math.Min(milliseconds, 4 * SlowMilliseconds) - _milliseconds) / 16;

        public List<Waiting> TakeBatch()
        {
            var count = Math.Min(Queue.Count, (int)Math.Clamp(BatchMillisecondsMost / Math.Max(0.01, _milliseconds), 1, BatchMost));
            var batch = new List<Waiting>(count);
            while (batch.Count < count)
                batch.Add(Queue.Dequeue());
            return batch;
        }
    }

    private sealed record Waiting(ReadStatement Statement, RowSink Sink, Deadline Deadline, long Since, CancellationToken Cancellation)
    {
        /// <summary>True when the sink has its rows, false when the read must be run alone.</summary>
        public TaskCompletionSource<bool> Answered { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>Reads with the same values. The first sink makes something of the rows; the others take that, or see the rows too.</summary>
    private sealed class Group(RowSink first)
    {
        private List<RowSink>? _others;

        public void Add(RowSink sink) => (_others ??= []).Add(sink);

        public void Add(NpgsqlDataReader reader)
        {
            first.Add(reader);
            if (_others is not null)
                foreach (var other in _others)
                    if (!other.IsLike(first))
                        other.Add(reader);
        }

        public void Copy()
        {
            if (_others is not null)
                foreach (var other in _others)
                    if (other.IsLike(first))
                        other.Copy(first);
        }
    }

    private sealed class SameValues : IEqualityComparer<ReadStatement>
    {
        public static readonly SameValues Instance = new();

        public bool Equals(ReadStatement? x, ReadStatement? y) => x!.HasValuesOf(y!);

        public int GetHashCode(ReadStatement obj) => obj.HashOfValues();
    }
}
