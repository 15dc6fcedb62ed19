using System.Threading.Channels;

namespace Mainstay.Internal;

/// <summary>Wakes this node's dispatcher after a commit. A hint only: a lost one is found by polling.</summary>
internal sealed class OutboxSignal
{
    private readonly Channel<bool> _hints = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    public void Raise() => _hints.Writer.TryWrite(true);

    /// <summary>Waits for a hint, at most for the given time.</summary>
    public async Task WaitAsync(TimeSpan most, TimeProvider clock, CancellationToken stopping)
    {
        using var timeout = new CancellationTokenSource(most, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stopping, timeout.Token);
        try
        {
            await _hints.Reader.ReadAsync(either.Token);
        }
        catch (OperationCanceledException) when (!stopping.IsCancellationRequested)
        {
            // Nobody called within the polling interval.
        }
    }
}
