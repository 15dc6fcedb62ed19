using Mainstay.Internal;
using Npgsql;

namespace Mainstay;

/// <summary>
/// The clock of a test: runs at the pace of the machine's, and is ahead of it by whatever it was advanced. What a backend asks the time, its <see cref="TimeProvider"/>
/// and <c>mainstay.now()</c> of its database, moves together. Timers whose time has come by it go off at once.
/// </summary>
public sealed class TestClock : TimeProvider
{
    private readonly Lock _lock = new();
    private readonly HashSet<AdvancedTimer> _timers = [];
    private Task _advancing = Task.CompletedTask;
    private long _ahead;

    internal TestClock()
    {
    }

    /// <summary>The database whose clock it moves; known once the first node has found it.</summary>
    internal NpgsqlDataSource? Source { get; set; }

    /// <summary>How far it is ahead of the machine's clock.</summary>
    public TimeSpan Ahead => new(Volatile.Read(ref _ahead));

    /// <summary>Moves on. What is due by then becomes ready, and runs with <see cref="TestBackend.DrainAsync"/>; whatever runs meanwhile has its time over if that has passed.</summary>
    /// <param name="time">How far; nothing or more.</param>
    public Task AdvanceAsync(TimeSpan time)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(time, TimeSpan.Zero);
        lock (_lock)
            return _advancing = AdvanceBehindAsync(_advancing, time);
    }

    /// <summary>Moves on to an instant.</summary>
    /// <param name="instant">When.</param>
    /// <exception cref="ArgumentOutOfRangeException">It has come already.</exception>
    public Task AdvanceToAsync(DateTimeOffset instant)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(instant, GetUtcNow());
        return ReachAsync(instant);
    }

    /// <summary>The same, to one that may have come by itself meanwhile, because the clock runs.</summary>
    internal Task ReachAsync(DateTimeOffset instant)
    {
        var left = instant - GetUtcNow();
        return left > TimeSpan.Zero ? AdvanceAsync(left) : Task.CompletedTask;
    }

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + Ahead;

    /// <inheritdoc/>
    public override long GetTimestamp() => System.GetTimestamp() + Timestamps(Ahead);

    /// <inheritdoc/>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        ArgumentNullException.ThrowIfNull(callback);
        return new AdvancedTimer(this, callback, state, dueTime, period);
    }

    private async Task AdvanceBehindAsync(Task before, TimeSpan time)
    {
        await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        // The database keeps microseconds.
        var ahead = Ahead + new TimeSpan(time.Ticks - (time.Ticks % TimeSpan.TicksPerMicrosecond));
        await MoveDatabaseAsync(ahead, ahead - Ahead);
        MoveTimers(ahead);
    }

    private long Timestamps(TimeSpan time) => (long)(time.TotalSeconds * TimestampFrequency);

    /// <summary>
    /// Nodes that live have renewed their leases in the time that passes. A renewal that is just then on its way may still have been computed by the time before,
    /// and comes to its end before the second statement.
    /// </summary>
    private async Task MoveDatabaseAsync(TimeSpan ahead, TimeSpan by)
    {
        await using var connection = await Source!.OpenConnectionAsync();
        await using (var transaction = await connection.BeginTransactionAsync())
        {
            await using var move = new NpgsqlCommand(ClockSql.Set(ahead), connection, transaction);
            await move.ExecuteNonQueryAsync();
            await using var keep = new NpgsqlCommand(ClockSql.KeepLeases, connection, transaction);
            keep.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = by, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Interval });
            await keep.ExecuteNonQueryAsync();
            await transaction.CommitAsync();
        }
        await using var keepLate = new NpgsqlCommand(ClockSql.KeepLateLeases, connection);
        keepLate.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = by, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Interval });
        await keepLate.ExecuteNonQueryAsync();
    }

    private void MoveTimers(TimeSpan ahead)
    {
        lock (_lock)
        {
            Volatile.Write(ref _ahead, ahead.Ticks);
            foreach (var timer in _timers)
                timer.Arm_NeedsLock();
        }
    }

    /// <summary>A timer of the machine that is set anew whenever the clock is advanced.</summary>
    private sealed class AdvancedTimer : ITimer
    {
        private readonly TestClock _clock;
        private readonly TimerCallback _callback;
        private readonly object? _state;
        private readonly ITimer _timer;
        private TimeSpan _period;
        private long _dueAt;

        public AdvancedTimer(TestClock clock, TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            (_clock, _callback, _state) = (clock, callback, state);
            // It cannot go off before it is there to be found, because whoever sets it waits for the lock.
            _timer = System.CreateTimer(static timer => ((AdvancedTimer)timer!).GoOff(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            Change(dueTime, period);
        }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (_clock._lock)
            {
                _period = period;
                if (dueTime == Timeout.InfiniteTimeSpan)
                {
                    _clock._timers.Remove(this);
                    return _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
                }
                _dueAt = _clock.GetTimestamp() + _clock.Timestamps(dueTime);
                _clock._timers.Add(this);
                return Arm_NeedsLock();
            }
        }

        public bool Arm_NeedsLock()
        {
            var left = _clock.GetElapsedTime(_clock.GetTimestamp(), _dueAt);
            // Rounded up, so that it never goes off before its time.
            return _timer.Change(left <= TimeSpan.Zero ? TimeSpan.Zero : TimeSpan.FromMilliseconds(Math.Ceiling(left.TotalMilliseconds)), Timeout.InfiniteTimeSpan);
        }

        public void Dispose()
        {
            lock (_clock._lock)
                _clock._timers.Remove(this);
            _timer.Dispose();
        }

        public ValueTask DisposeAsync()
        {
            lock (_clock._lock)
                _clock._timers.Remove(this);
            return _timer.DisposeAsync();
        }

        private void GoOff()
        {
            lock (_clock._lock)
            {
                if (!_clock._timers.Contains(this))
                    return;
                if (_period > TimeSpan.Zero)
                {
                    _dueAt = _clock.GetTimestamp() + _clock.Timestamps(_period);
                    Arm_NeedsLock();
                }
                else
                    _clock._timers.Remove(this);
            }
            _callback(_state);
        }
    }
}
