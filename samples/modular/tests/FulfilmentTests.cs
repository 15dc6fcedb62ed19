using Shop.Fulfilment;
using Shop.Ordering;
using static System.TimeSpan;

namespace Shop.Tests;

public sealed class FulfilmentTests
{
    [Fact]
    public async Task An_order_is_charged_sent_and_fulfilled_when_its_parcel_is_collected()
    {
        await using var shop = await ShopSteps.OpenAsync();
        shop.Fake("payment").On("POST /charges").Answers(201, new Payment("charge-1"));
        shop.Fake("courier").On("POST /bookings").Answers(201, new Parcel("parcel-1"));
        var tea = await shop.StockUpAsync(pieces: 10, price: 4.50m);

        var order = await shop.OrderAsync(tea, 2);
        await shop.DrainAsync();

        Assert.Equal(new Charge(order.Id, 9.00m), Assert.Single(shop.Called("payment")).Read<Charge>());
        Assert.Equal(new Booking(order.Id, "Harbour Street 4"), Assert.Single(shop.Called("courier")).Read<Booking>());
        Assert.Equal(OrderStatus.Placed, await shop.StatusOfAsync(order));

        (await shop.CollectAsync(order)).Expect(200);
        await shop.DrainAsync();

        Assert.Equal(OrderStatus.Fulfilled, await shop.StatusOfAsync(order));
        Assert.Equal(8, await shop.StockOfAsync(tea));
    }

    [Fact]
    public async Task When_the_payment_is_declined_the_order_is_cancelled_and_the_stock_comes_back()
    {
        await using var shop = await ShopSteps.OpenAsync();
        shop.Fake("payment").On("POST /charges").Answers(402);
        var tea = await shop.StockUpAsync(pieces: 10, price: 4.50m);

        var order = await shop.OrderAsync(tea, 2);
        await shop.DrainAsync();

        Assert.Equal(OrderStatus.Cancelled, await shop.StatusOfAsync(order));
        Assert.Equal(10, await shop.StockOfAsync(tea));
        Assert.Equal(["/charges"], shop.CallsTo("payment"));        // asked once, and nothing to refund
        Assert.Empty(shop.Called("courier"));
    }

    [Fact]
    public async Task When_no_courier_can_be_reached_the_payment_is_refunded_and_the_stock_comes_back()
    {
        await using var shop = await ShopSteps.OpenAsync();
        shop.Fake("payment").On("POST /charges").Answers(201, new Payment("charge-1"));
        shop.Fake("payment").On("POST /refunds").Answers(200);
        shop.Fake("courier").On("POST /bookings").Answers(503);
        var tea = await shop.StockUpAsync(pieces: 10, price: 4.50m);

        var order = await shop.OrderAsync(tea, 2);
        await shop.PassAsync(FromMinutes(5));

        Assert.Equal(6, shop.Called("courier").Count);
        Assert.Equal(["/charges", "/refunds"], shop.CallsTo("payment"));
        Assert.Equal(OrderStatus.Cancelled, await shop.StatusOfAsync(order));
        Assert.Equal(10, await shop.StockOfAsync(tea));
    }

    [Fact]
    public async Task When_nobody_knows_whether_a_customer_was_charged_the_payment_is_refunded()
    {
        await using var shop = await ShopSteps.OpenAsync();
        shop.Fake("payment").On("POST /charges").FailsTimes(5).Dies();
        shop.Fake("payment").On("POST /refunds").FailsTimes(20).Answers(200);
        var tea = await shop.StockUpAsync(pieces: 10, price: 4.50m);

        var order = await shop.OrderAsync(tea, 2);
        await shop.PassAsync(FromHours(6));

        Assert.Equal(6 + 21, shop.Called("payment").Count);
        Assert.Equal(2, shop.KeysTo("payment"));                    // one for the charge, one for the refund
        Assert.Equal(OrderStatus.Cancelled, await shop.StatusOfAsync(order));
    }

    [Fact]
    public async Task A_courier_who_does_not_answer_in_time_is_asked_again_under_the_same_key()
    {
        await using var shop = await ShopSteps.OpenAsync();
        shop.Fake("payment").On("POST /charges").Answers(201, new Payment("charge-1"));
        shop.Fake("courier").On("POST /bookings").TimesOut().Answers(201, new Parcel("parcel-1"));
        var tea = await shop.StockUpAsync(pieces: 10, price: 4.50m);

        var order = await shop.OrderAsync(tea, 2);
        await shop.PassAsync(FromMinutes(1));

        Assert.Equal(["/bookings", "/bookings"], shop.CallsTo("courier"));
        Assert.Equal(1, shop.KeysTo("courier"));
        Assert.Equal(DeliveryStatus.Waiting, (await shop.DeliveryOfAsync(order)).Status);
    }

    [Fact]
    public async Task A_process_that_dies_between_the_payment_and_its_record_does_not_charge_twice()
    {
        await using var shop = await ShopSteps.OpenAsync();
        shop.Fake("payment").On("POST /charges").Answers(201, new Payment("charge-1"));
        shop.Fake("courier").On("POST /bookings").Answers(201, new Parcel("parcel-1"));
        var tea = await shop.StockUpAsync(pieces: 10, price: 4.50m);
        var crash = shop.CrashAt(CrashPoint.AfterSideEffect, of: "job fulfil order: charge payment");

        var order = await shop.OrderAsync(tea, 2);
        await crash.HappenedAsync();
        await shop.StartNodeAsync();
        await shop.Clock.AdvanceAsync(FromSeconds(31));             // the lease of the dead process is over
        await shop.DrainAsync();

        Assert.Equal([1, 2], shop.Called("payment").Select(call => call.Node));
        Assert.Equal(1, shop.KeysTo("payment"));                    // so that the provider knows the second call
        Assert.Single(shop.Called("courier"));
        Assert.Equal(DeliveryStatus.Waiting, (await shop.DeliveryOfAsync(order)).Status);
    }

    [Fact]
    public async Task A_parcel_that_nobody_collects_within_seven_days_goes_back()
    {
        await using var shop = await ShopSteps.OpenAsync();
        shop.Fake("payment").On("POST /charges").Answers(201, new Payment("charge-1"));
        shop.Fake("payment").On("POST /refunds").Answers(200);
        shop.Fake("courier").On("POST /bookings").Answers(201, new Parcel("parcel-1"));
        shop.Fake("courier").On("POST /cancellations").Answers(200);
        var tea = await shop.StockUpAsync(pieces: 10, price: 4.50m);

        var order = await shop.OrderAsync(tea, 2);
        await shop.PassAsync(FromDays(6.9));
        Assert.Equal(OrderStatus.Placed, await shop.StatusOfAsync(order));
        await shop.PassAsync(FromDays(0.2));

        Assert.Equal(["/bookings", "/cancellations"], shop.CallsTo("courier"));
        Assert.Equal(["/charges", "/refunds"], shop.CallsTo("payment"));
        Assert.Equal(OrderStatus.Cancelled, await shop.StatusOfAsync(order));
        Assert.Equal(10, await shop.StockOfAsync(tea));
        Assert.Equal("parcel-not-waiting", (await shop.CollectAsync(order)).Expect(409).Code);
    }

    [Fact]
    public async Task A_parcel_that_is_collected_when_its_time_is_just_over_is_left_to_a_person()
    {
        await using var shop = await ShopSteps.OpenAsync();
        shop.Fake("payment").On("POST /charges").Answers(201, new Payment("charge-1"));
        shop.Fake("courier").On("POST /bookings").Answers(201, new Parcel("parcel-1"));
        var tea = await shop.StockUpAsync(pieces: 10, price: 4.50m);
        var order = await shop.OrderAsync(tea, 2);
        await shop.DrainAsync();

        var crash = shop.CrashAt(CrashPoint.BeforeCommit, of: "job fulfil order: undo hand over");
        await shop.Clock.AdvanceAsync(FromDays(7));
        await crash.HappenedAsync();                                // the saga goes back, and has not come far
        await shop.StartNodeAsync();
        (await shop.CollectAsync(order)).Expect(200);
        await shop.Clock.AdvanceAsync(FromSeconds(31));
        await shop.DrainAsync(new DrainOptions { AllowsDeadLetters = true });

        Assert.Equal(SagaStatus.Stuck, Assert.Single(await shop.Service<Sagas>().ListAsync()).Status);
        Assert.Equal(["/charges"], shop.CallsTo("payment"));        // what the customer has is not refunded
    }
}
