using Mainstay;
using Shop.Ordering;
using static System.TimeSpan;

namespace Shop.Fulfilment;

public sealed record ParcelCollected(Id<Order> OrderId);

/// <summary>
/// Brings an order to its customer and its price to the shop, or neither. No transaction could hold both: the payment provider and the courier are
/// somewhere else, and the customer takes days.
/// </summary>
public static class FulfilmentModule
{
    public static void Declare(Backend shop)
    {
        shop.Event<ParcelCollected>("parcel.collected");

        var deliveries = new Deliveries(shop);
        var payment = new PaymentProvider(shop);
        var courier = new Courier(shop);

        shop.Saga<OrderPlaced>("fulfil order")
            .By(placed => placed.OrderId)
            .Step("prepare delivery", deliveries.Prepare, undo: deliveries.GiveUpAsync, options: step => step.Undo(up => up.Sends<FulfilmentFailed>()))
            .Step("charge payment", payment.ChargeAsync, undo: payment.RefundAsync, options: step => step
                .Retry(6)
                .UndoIfUnknown()                                        // no answer is no proof that nobody was charged
                .Undo(refund => refund.Retry(100, to: FromMinutes(15))))
            .Step("book courier", courier.BookAsync, undo: courier.CancelAsync, options: step => step
                .Retry(6)                                               // a courier who comes in vain is no reason to keep the money until one answers
                .Undo(cancel => cancel.Retry(100, to: FromMinutes(15))))
            .Step("hand over", deliveries.HandOverAsync, undo: deliveries.CallBackAsync, options: step => step
                .Undo(back => back.On<AlreadyCollectedException>(RetryRule.Never)))    // a parcel that is gone does not come back by asking again
            .Wait<ParcelCollected>("collected", collected => collected.OrderId, within: FromDays(7))
            .Step("tell", (OrderPlaced placed, UnitOfWork work) => work.Publish(new OrderFulfilled(placed.OrderId)), options: step => step.Sends<OrderFulfilled>());
    }
}
