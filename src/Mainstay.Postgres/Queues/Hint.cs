using System.Threading.Channels;

namespace Mainstay.Internal;

/// <summary>Wakes a loop of this node that looks for work. A hint only: a lost one is found by polling.</summary>
internal sealed class Hint
{
    private readonly Channel<bool> _hints = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    public void Raise() => _hints.Writer.TryWrite(true);

    /// <summary>Waits for a hint, at most for the given time.</summary>
    /// <returns>Whether there was one.</returns>
    public async Task<bool> WaitAsync(TimeSpan most, TimeProvider clock, CancellationToken stopping)
    {
        if (_hints.Reader.TryRead(out _))
            return true;
        using var timeout = new CancellationTokenSource(most, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stopping, timeout.Token);
        try
        {
            return await _hints.Reader.ReadAsync(either.Token);
        }
        catch (OperationCanceledException) when (!stopping.IsCancellationRequested)
        {
            return false;
        }
    }
}
