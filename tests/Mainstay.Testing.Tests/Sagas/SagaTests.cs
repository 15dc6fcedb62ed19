using Microsoft.Extensions.DependencyInjection;

namespace Mainstay.Tests;

/// <summary>A saga is tested as its guide says: with a fake for whom it calls, a drain, and a clock that jumps over its time limit.</summary>
public sealed class SagaTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_saga_that_is_not_paid_in_time_gives_back_what_it_booked()
    {
        await using var trips = await TestBackend.StartAsync(Declare);
        trips.Fake("hotel").On("POST /bookings").Answers(201);
        trips.Fake("hotel").On("DELETE /bookings/rome").Answers(204);

        await trips.WorkAsync(work => { work.Enqueue(new Booking("rome")); return Task.CompletedTask; });
        await trips.DrainAsync();
        (await trips.Service<Sagas>().ListAsync(cancellation: Stop)).ShouldHaveSingleItem().Status.ShouldBe(SagaStatus.Waiting);
        await trips.Clock.AdvanceAsync(TimeSpan.FromDays(7));
        await trips.DrainAsync();

        trips.Called("hotel").Select(call => $"{call.Method} {call.Path}").ShouldBe(["POST /bookings", "DELETE /bookings/rome"]);
        (await trips.Service<Sagas>().ListAsync(new SagaFilter { Status = SagaStatus.Compensated }, cancellation: Stop)).ShouldHaveSingleItem().Key.ShouldBe("rome");
    }

    [Fact]
    public async Task A_saga_that_is_paid_comes_to_its_end_and_its_time_limit_means_nothing_then()
    {
        await using var trips = await TestBackend.StartAsync(Declare);
        trips.Fake("hotel").On("POST /bookings").Answers(201);

        await trips.WorkAsync(work => { work.Enqueue(new Booking("rome")); return Task.CompletedTask; });
        await trips.DrainAsync();
        await trips.WorkAsync(work => { work.Publish(new BookingPaid("rome")); return Task.CompletedTask; });
        await trips.DrainAsync();
        await trips.Clock.AdvanceAsync(TimeSpan.FromDays(7));
        await trips.DrainAsync();

        trips.Called("hotel").Count.ShouldBe(1);
        trips.Applied("book: confirm").Count.ShouldBe(1);
        (await trips.Service<Sagas>().ListAsync(new SagaFilter { Status = SagaStatus.Completed }, cancellation: Stop)).ShouldHaveSingleItem().Key.ShouldBe("rome");
    }

    private static Backend Declare()
    {
        var backend = Backend.Create("trips", []);
        backend.Services.AddHttpClient("hotel", client => client.BaseAddress = new Uri("https://hotel.example.com"));
        backend.Event<BookingPaid>("booking.paid");
        backend.Saga<Booking>("book").By(booking => booking.Trip)
            .Step("hotel", (Booking booking, Outbound outbound, IHttpClientFactory clients) => CallAsync(clients, HttpMethod.Post, "/bookings", outbound),
                undo: (Booking booking, Outbound outbound, IHttpClientFactory clients) => CallAsync(clients, HttpMethod.Delete, $"/bookings/{booking.Trip}", outbound))
            .Wait<BookingPaid>("paid", paid => paid.Trip, within: TimeSpan.FromDays(7))
            .Step("confirm", (Booking booking, UnitOfWork work) => work.ExecuteAsync($"select 1"));
        return backend;
    }

    private static async Task CallAsync(IHttpClientFactory clients, HttpMethod method, string path, Outbound outbound)
    {
        using var request = new HttpRequestMessage(method, path);
        using var answer = await clients.CreateClient("hotel").SendAsync(request, outbound.Cancellation);
        answer.EnsureSuccessStatusCode();
    }

    public sealed record Booking(string Trip);

    public sealed record BookingPaid(string Trip);
}
