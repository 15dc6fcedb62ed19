using System.Diagnostics;

namespace Mainstay.Benchmarks;

/// <summary>Counts runs of jobs, until each has had one.</summary>
/// <param name="expected">How many jobs there are.</param>
internal sealed class JobsSeen(int expected)
{
    private static readonly TimeSpan patience = TimeSpan.FromMinutes(1);

    private readonly double[] _milliseconds = new double[expected];
    private readonly TaskCompletionSource _all = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _seen;
    private long _first;
    private long _last;

    public int Expected => expected;

    /// <param name="dueAt">When the job was handed in, or was to run: a timestamp of <see cref="Stopwatch"/>.</param>
    public void Add(long dueAt)
    {
        var now = Stopwatch.GetTimestamp();
        var number = Interlocked.Increment(ref _seen);
        if (number == 1)
            _first = now;
        if (number <= expected)
            _milliseconds[number - 1] = (now - dueAt) * 1000.0 / Stopwatch.Frequency;
        if (number != expected)
            return;
        _last = now;
        _all.TrySetResult();
    }

    /// <summary>Returns when as many have been run as there are.</summary>
    public async Task AllAsync()
    {
        if (await Task.WhenAny(_all.Task, Task.Delay(patience)) != _all.Task)
            throw new MeasurementException($"{Volatile.Read(ref _seen)} of {expected} jobs were run in {patience.TotalSeconds:0} s.");
    }

    /// <summary>To be asked when nothing runs any more, so that a job which was run twice is noticed.</summary>
    /// <param name="began">Since when the seconds count, a timestamp of <see cref="Stopwatch"/>; null for the first run.</param>
    public JobsDone Done(long? began = null) => _seen == expected
        ? JobsDone.Of(Stopwatch.GetElapsedTime(began ?? _first, _last).TotalSeconds, _milliseconds)
        : throw new MeasurementException($"{_seen} runs of {expected} jobs.");
}
