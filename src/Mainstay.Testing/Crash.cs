namespace Mainstay;

/// <summary>The end of a node that a test has ordered.</summary>
public sealed class Crash
{
    private readonly TaskCompletionSource<TestNode> _happened = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly string _point;
    private readonly string? _of;
    private int _left;

    internal Crash(string point, int nth, string? of) => (_point, _left, _of) = (point, nth, of);

    /// <summary>Whether it has happened. Nothing else tells when it does not: a test that needs it waits with <see cref="HappenedAsync"/>.</summary>
    public bool HasHappened => _happened.Task.IsCompleted;

    /// <summary>Waits until it has happened.</summary>
    /// <param name="within">How long at most, by the machine's clock. Default: 30 s.</param>
    /// <returns>The node that has ended.</returns>
    /// <exception cref="TimeoutException">Nobody came there so often.</exception>
    public async Task<TestNode> HappenedAsync(TimeSpan? within = null)
    {
        try
        {
            return await _happened.Task.WaitAsync(within ?? TimeSpan.FromSeconds(30));
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"No node has come to {this}.");
        }
    }

    /// <summary>Where it is to happen, and how often somebody has still to come there before.</summary>
    public override string ToString() => $"'{_point}'{(_of is null ? "" : $" of '{_of}'")}; {Volatile.Read(ref _left)} more times were to come";

    /// <summary>Counts one that comes to a point.</summary>
    /// <returns>Whether it ends there.</returns>
    internal bool Counts(string point, string of) => point == _point && (_of is null || _of == of) && Interlocked.Decrement(ref _left) == 0;

    internal void Happened(TestNode node) => _happened.TrySetResult(node);
}
