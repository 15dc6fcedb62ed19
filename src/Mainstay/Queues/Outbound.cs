namespace Mainstay;

/// <summary>
/// The context of a handler that reaches out of the process, after the commit that caused it. It runs at least once: after a failure, and after the death of
/// its process, it runs again, with the same <see cref="Key"/>.
/// </summary>
public sealed class Outbound
{
    internal Outbound(string key, int attempt, CancellationToken cancellation)
    {
        Key = key;
        Attempt = attempt;
        Cancellation = cancellation;
    }

    /// <summary>The same at every attempt and for nothing else: the idempotency key to hand to the other side.</summary>
    public string Key { get; }

    /// <summary>The number of this run, from 1.</summary>
    public int Attempt { get; }

    /// <summary>Ends at the timeout of the handler, when its node stops, and when the node has lost its lease. Pass it to whatever the handler awaits.</summary>
    public CancellationToken Cancellation { get; }
}
