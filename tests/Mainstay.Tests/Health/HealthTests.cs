namespace Mainstay.Tests;

/// <summary>What is ready while the database is gone is in <see cref="RoundTripTests"/>, where the wire can be cut.</summary>
public sealed class HealthTests(ShopFixture shop) : IClassFixture<ShopFixture>
{
    [Fact]
    public async Task Health_says_live_and_ready()
    {
        (await shop.Anyone.GetAsync("/health/live")).Expect(200).Text.ShouldBe("""{"status":"live"}""");
        var ready = (await shop.Anyone.GetAsync("/health/ready")).Expect(200);
        ready.Text.ShouldBe("""{"status":"ready"}""");
        ready.Header("Cache-Control").ShouldBe("no-store");
        (await shop.Anyone.SendAsync("HEAD", "/health/ready", null)).Expect(200);
    }
}
