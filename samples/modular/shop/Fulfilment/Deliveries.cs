using System.ComponentModel.DataAnnotations;
using Mainstay;
using Shop.Ordering;

namespace Shop.Fulfilment;

public enum DeliveryStatus { Preparing, Waiting, Collected, Failed }

public sealed record Delivery(Id<Delivery> Id, Id<Order> OrderId, DeliveryStatus Status, [property: MaxLength(40)] string? Parcel);

public sealed record Collect(Id<Delivery> Id);

/// <summary>A class of its own, because asking again helps against every other failure of the same step, such as a row that somebody has changed meanwhile.</summary>
internal sealed class AlreadyCollectedException() : Exception("The parcel was collected when its time was just over.");

/// <summary>Where each parcel is: steps of the saga, and what the courier tells.</summary>
internal sealed class Deliveries
{
    private readonly ProblemType _notWaiting;

    public Deliveries(Backend shop)
    {
        _notWaiting = shop.Problem("parcel-not-waiting", 409, "The parcel cannot be collected");

        shop.Schema("fulfilment").Resource<Delivery>("/v1/deliveries")
            .Unique(delivery => delivery.OrderId)
            .Filterable(delivery => delivery.OrderId, delivery => delivery.Status)
            .AllowRead(Roles.Courier | Roles.Staff);

        shop.Command("POST /v1/deliveries/{id}/collect", async (Collect input, UnitOfWork work) =>
            {
                var delivery = await work.LockAsync(input.Id);
                if (delivery.Status != DeliveryStatus.Waiting)
                    throw _notWaiting.Because($"It is {delivery.Status}.");
                var collected = delivery with { Status = DeliveryStatus.Collected };
                work.Update(collected);
                work.Publish(new ParcelCollected(delivery.OrderId));
                return collected;
            })
            .Allow(Roles.Courier).Refuses(_notWaiting).Sends<ParcelCollected>();
    }

    public Delivery Prepare(OrderPlaced placed, UnitOfWork work)
    {
        var delivery = new Delivery(Id<Delivery>.New(), placed.OrderId, DeliveryStatus.Preparing, Parcel: null);
        work.Insert(delivery);
        return delivery;
    }

    public async Task GiveUpAsync(Delivery prepared, UnitOfWork work)
    {
        var delivery = await work.LockAsync(prepared.Id);
        work.Update(delivery with { Status = DeliveryStatus.Failed });
        work.Publish(new FulfilmentFailed(delivery.OrderId));
    }

    public async Task HandOverAsync(Delivery prepared, Parcel parcel, UnitOfWork work)
    {
        var delivery = await work.LockAsync(prepared.Id);
        work.Update(delivery with { Status = DeliveryStatus.Waiting, Parcel = parcel.Number });
    }

    /// <summary>Ends the time in which it can be collected. Who comes at the last moment has the parcel, and then nothing is refunded without somebody who decides it.</summary>
    public async Task CallBackAsync(Delivery prepared, UnitOfWork work)
    {
        var delivery = await work.LockAsync(prepared.Id);
        if (delivery.Status == DeliveryStatus.Collected)
            throw new AlreadyCollectedException();
        work.Update(delivery with { Status = DeliveryStatus.Failed });
    }
}
