using Mainstay;
using Shop.Ordering;
using static System.TimeSpan;

namespace Shop.Fulfilment;

public sealed record Charge(Id<Order> Order, decimal Amount);

public sealed record Refund(Id<Order> Order);

public sealed record Payment(string Id);

/// <summary>Called with the same key at every attempt, by which the provider knows a charge that it has already made.</summary>
internal sealed class PaymentProvider
{
    private readonly ProblemType _declined;

    public PaymentProvider(Backend shop)
    {
        _declined = shop.Problem("payment-declined", 402, "The payment was declined");
        shop.Dependency("payment", "http://localhost:5100").Timeout(FromSeconds(2));
    }

    public async Task<Payment> ChargeAsync(OrderPlaced placed, Outbound outbound)
    {
        try
        {
            return await outbound.PostAsync<Payment>("payment", "/charges", new Charge(placed.OrderId, placed.Total));
        }
        catch (DependencyException e) when (e.Status == 402)
        {
            throw _declined.Because("The provider says no.");            // nothing was charged, and asking again is in vain
        }
    }

    /// <summary>By the order, because it is not always known what the charge was called.</summary>
    public Task RefundAsync(OrderPlaced placed, Outbound outbound) => outbound.PostAsync("payment", "/refunds", new Refund(placed.OrderId));
}
