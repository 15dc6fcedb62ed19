namespace Mainstay.Internal;

/// <summary>Counts what is too frequent for a log line each.</summary>
internal sealed class SampledCount
{
    private readonly Lock _lock = new();
    private long? _lastSaid;
    private long _count;

    /// <returns>How many since the last time that a number was returned; null while that is less than the interval ago.</returns>
    public long? Next(TimeProvider clock, TimeSpan interval)
    {
        lock (_lock)
        {
            _count++;
            if (_lastSaid is { } said && clock.GetElapsedTime(said) < interval)
                return null;
            _lastSaid = clock.GetTimestamp();
            return (_count, _count = 0).Item1;
        }
    }
}
