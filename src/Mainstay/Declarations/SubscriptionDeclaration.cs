using Mainstay.Internal;

namespace Mainstay;

/// <summary>What is declared about a subscription. Every method returns the same declaration, so that calls chain.</summary>
public sealed class SubscriptionDeclaration : MessageDeclaration<SubscriptionDeclaration>
{
    internal SubscriptionDeclaration(QueueHandler handler) : base(handler)
    {
    }
}
