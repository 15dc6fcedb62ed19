using Mainstay.Internal;

namespace Mainstay;

/// <summary>What is declared about a subscription. Every method returns the same declaration, so that calls chain.</summary>
public sealed class SubscriptionDeclaration
{
    private readonly Subscription _subscription;

    internal SubscriptionDeclaration(Subscription subscription) => _subscription = subscription;

    /// <summary>How often delivery is tried before the message becomes a dead letter. Default: 10, with growing pauses from 1 s to 5 min.</summary>
    public SubscriptionDeclaration Retry(int attempts)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(attempts, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(attempts, 100);
        _subscription.AttemptsMost = attempts;
        return this;
    }

    /// <summary>How long one attempt may take. Default: 30 s.</summary>
    public SubscriptionDeclaration Timeout(TimeSpan timeout)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(timeout, TimeSpan.FromMilliseconds(10));
        _subscription.Timeout = timeout;
        return this;
    }
}
