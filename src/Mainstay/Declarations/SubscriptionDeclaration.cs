using Mainstay.Internal;

namespace Mainstay;

/// <summary>What is declared about a subscription. Every method returns the same declaration, so that calls chain.</summary>
public sealed class SubscriptionDeclaration
{
    private readonly QueueHandler _handler;

    internal SubscriptionDeclaration(QueueHandler handler) => _handler = handler;

    /// <summary>How often delivery is tried before the message becomes a dead letter. Default: 10, with growing pauses from 1 s on.</summary>
    public SubscriptionDeclaration Retry(int attempts)
    {
        _handler.Retry(attempts);
        return this;
    }

    /// <summary>How long one attempt may take. Default: 30 s.</summary>
    public SubscriptionDeclaration Timeout(TimeSpan timeout)
    {
        _handler.Limit(timeout);
        return this;
    }

    /// <summary>The queue that it runs in. Default: one that all share who say nothing.</summary>
    public SubscriptionDeclaration Queue(string name)
    {
        _handler.In(name);
        return this;
    }
}
