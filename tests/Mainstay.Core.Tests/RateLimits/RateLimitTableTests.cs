using System.Net;
using Mainstay.Internal;

namespace Mainstay.Core.Tests;

public sealed class RateLimitTableTests
{
    private const long Forever = long.MaxValue;

    [Fact]
    public void What_is_in_hand_is_given_once_and_then_the_database_decides()
    {
        var table = new RateLimitTable(64);
        table.Put(1, now: 0, inHand: 2, left: 5, window: 7, Forever, Forever);

        table.TryTake(1, 0, out var first).ShouldBeTrue();
        table.TryTake(1, 0, out var second).ShouldBeTrue();

        (first.IsAdmitted, first.Left).ShouldBe((true, 6));
        (second.IsAdmitted, second.Left).ShouldBe((true, 5));
        table.TryTake(1, 0, out _).ShouldBeFalse();
        table.TryTake(2, 0, out _).ShouldBeFalse();
    }

    [Fact]
    public void Who_has_used_everything_is_refused_until_the_window_has_ended_everywhere()
    {
        var table = new RateLimitTable(64);
        table.Put(1, now: 0, inHand: 1, left: 0, window: 7, usableUntil: 100, endsAt: 110);

        table.TryTake(1, 99, out var last).ShouldBeTrue();
        table.TryTake(1, 109, out var refused).ShouldBeTrue();

        last.IsAdmitted.ShouldBeTrue();
        (refused.IsAdmitted, refused.EndsAt).ShouldBe((false, 110));
        table.TryTake(1, 110, out _).ShouldBeFalse();
    }

    [Fact]
    public void What_is_in_hand_is_not_spent_once_the_window_may_have_ended()
    {
        var table = new RateLimitTable(64);
        table.Put(1, now: 0, inHand: 5, left: 0, window: 7, usableUntil: 100, endsAt: 110);

        table.TryTake(1, 100, out _).ShouldBeFalse();
        table.Put(1, now: 101, inHand: 2, left: 3, window: 8, usableUntil: 200, endsAt: 210);
        table.TryTake(1, 102, out var next).ShouldBeTrue();

        (next.Left, next.Window).ShouldBe((4, 8));
    }

    [Fact]
    public void A_request_that_was_not_made_is_given_back_to_its_own_window_only()
    {
        var table = new RateLimitTable(64);
        table.Put(1, 0, inHand: 1, left: 0, window: 7, Forever, Forever);
        table.TryTake(1, 0, out _).ShouldBeTrue();

        table.GiveBack(1, 0, window: 6);
        table.TryTake(1, 0, out var refused);
        table.GiveBack(1, 0, window: 7);
        table.TryTake(1, 0, out var admitted);

        refused.IsAdmitted.ShouldBeFalse();
        admitted.IsAdmitted.ShouldBeTrue();
    }

    /// <summary>However many callers there are and whoever loses its place: nobody spends more than was taken from the database for him.</summary>
    [Fact]
    public void More_callers_than_places_are_asked_about_again_and_never_admitted_for_nothing()
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        var table = new RateLimitTable(64);
        var granted = new Dictionary<(int Caller, long Window), int>();
        var spent = new Dictionary<(int Caller, long Window), int>();
        for (long now = 0; now < 200_000; now++)
        {
            var caller = random.Next(table.Capacity * 4);
            var key = CallerKey.OfUser(caller.ToString(System.Globalization.CultureInfo.InvariantCulture));
            var window = now / 50_000;
            var end = (window + 1) * 50_000;
            if (table.TryTake(key, now, out var share))
            {
                if (share.IsAdmitted)
                    spent[(caller, share.Window)] = spent.GetValueOrDefault((caller, share.Window)) + 1;
            }
            else
            {
                var inHand = random.Next(4);
                table.Put(key, now, inHand, left: random.Next(2), window + 1, end, end);
                granted[(caller, window + 1)] = granted.GetValueOrDefault((caller, window + 1)) + inHand;
            }
        }

        table.Capacity.ShouldBe(256);
        spent.Values.Sum().ShouldBeGreaterThan(1000);
        foreach (var (place, count) in spent)
            count.ShouldBeLessThanOrEqualTo(granted[place], $"seed {seed}, caller and window {place}");
    }

    [Fact]
    public void Parallel_takers_get_no_more_than_is_in_hand()
    {
        var table = new RateLimitTable(64);
        table.Put(1, 0, inHand: 5000, left: 0, window: 7, Forever, Forever);
        var admitted = 0;

        Parallel.For(0, 20_000, _ =>
        {
            if (table.TryTake(1, 0, out var share) && share.IsAdmitted)
                Interlocked.Increment(ref admitted);
        });

        admitted.ShouldBe(5000);
    }

    [Fact]
    public void A_decision_allocates_nothing()
    {
        var table = new RateLimitTable(64);
        var address = IPAddress.Parse("2001:db8::1");
        var key = CallerKey.OfUser("ann") ^ CallerKey.OfAddress(address);
        table.Put(key, 0, inHand: 2000, left: 0, window: 7, Forever, Forever);
        for (var i = 0; i < 100; i++)
            table.TryTake(CallerKey.OfUser("ann") ^ CallerKey.OfAddress(address), 0, out _);

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
            table.TryTake(CallerKey.OfUser("ann") ^ CallerKey.OfAddress(address), 0, out _);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        allocated.ShouldBe(0);
    }

    [Theory]
    [InlineData("192.0.2.1", "192.0.2.1", true)]
    [InlineData("192.0.2.1", "192.0.2.2", false)]
    [InlineData("192.0.2.1", "::ffff:192.0.2.1", true)]
    [InlineData("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true)]
    [InlineData("2001:db8:1:2::1", "2001:db8:1:3::1", false)]
    [InlineData("192.0.2.1", "2001:db8:1:2::1", false)]
    public void Addresses_are_one_caller_where_they_are_one_customer(string one, string other, bool isSame) =>
        (CallerKey.OfAddress(IPAddress.Parse(one)) == CallerKey.OfAddress(IPAddress.Parse(other))).ShouldBe(isSame);

    [Fact]
    public void A_user_is_never_taken_for_an_address_and_nobody_for_somebody()
    {
        CallerKey.OfUser("").ShouldNotBe(CallerKey.OfAddress(null));
        CallerKey.OfUser("ann").ShouldNotBe(CallerKey.OfUser("Ann"));
        CallerKey.OfAddress(null).ShouldNotBe(CallerKey.OfAddress(IPAddress.Any));
    }
}
