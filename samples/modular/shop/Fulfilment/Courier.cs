using Mainstay;
using Shop.Ordering;
using static System.TimeSpan;

namespace Shop.Fulfilment;

public sealed record Booking(Id<Order> Order, string Address);

public sealed record Cancellation(Id<Order> Order);

public sealed record Parcel(string Number);

/// <summary>Brings parcels to a place where they can be collected.</summary>
internal sealed class Courier
{
    private readonly ProblemType _refused;

    public Courier(Backend shop)
    {
        _refused = shop.Problem("delivery-refused", 409, "The courier does not deliver there");
        shop.Dependency("courier", "http://localhost:5100").Timeout(FromSeconds(2));
    }

    public async Task<Parcel> BookAsync(OrderPlaced placed, Outbound outbound)
    {
        try
        {
            return await outbound.PostAsync<Parcel>("courier", "/bookings", new Booking(placed.OrderId, placed.Address));
        }
        catch (DependencyException e) when (e.Status == 409)
        {
            throw _refused.Because("The courier says no.");
        }
    }

    public Task CancelAsync(OrderPlaced placed, Outbound outbound) => outbound.PostAsync("courier", "/cancellations", new Cancellation(placed.OrderId));
}
