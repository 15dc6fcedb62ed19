using System.ComponentModel.DataAnnotations;

namespace Mainstay.Tests;

public sealed class FactoryTests
{
    [Fact]
    public async Task A_record_is_valid_and_has_what_the_test_wants()
    {
        await using var shop = await TestBackend.StartAsync(() => Shop.Declare());

        // First of all, while the numbers that they are made of are shorter than they are.
        Enumerable.Range(0, 1300).Select(_ => shop.A<Short>().Code).Distinct().Count().ShouldBe(1300);
        var dear = shop.A<Product>(product => product with { Price = 99_999 });
        var input = shop.A<PlaceOrder>();
        var many = Enumerable.Range(0, 300).Select(_ => shop.A<Everything>()).ToArray();

        dear.Price.ShouldBe(99_999);
        dear.Sold.ShouldBe(0);
        input.Quantity.ShouldBeInRange(1, 100);
        many.Select(made => made.Name).Distinct().Count().ShouldBe(300);
        many.ShouldAllBe(made => made.Code.Length == 3 && made.Mail.Contains('@') && made.Few.Count == 2 && made.Inner.Text.Length >= 20 && made.Note == null && made.Size == 5);
    }

    [Fact]
    public async Task A_row_is_inserted_behind_the_rows_that_it_refers_to()
    {
        await using var shop = await TestBackend.StartAsync(() => Shop.Declare());

        var order = await shop.InsertAsync<Order>(order => order with { CustomerId = "ann" });
        var second = shop.A<Order>(other => other with { ProductId = order.ProductId });
        await shop.InsertAsync(second, shop.A<Product>());

        (await shop.ReadAsync(snapshot => snapshot.RequireAsync(order.ProductId))).Id.ShouldBe(order.ProductId);
        (await shop.As("ann").GetAsync("/v1/orders")).Expect(200).Data.GetArrayLength().ShouldBe(1);
        (await shop.Anonymous.GetAsync("/v1/products")).Expect(200).Data.GetArrayLength().ShouldBe(2);
    }

    [Fact]
    public async Task What_no_declaration_tells_has_to_be_given()
    {
        await using var shop = await TestBackend.StartAsync(() => Shop.Declare());

        var refused = Should.Throw<InvalidOperationException>(() => shop.A<Coded>());

        refused.Message.ShouldContain("A<Coded>(made => made with { … })");
        refused.Message.ShouldContain("#/code");
        shop.A<Coded>(coded => coded with { Code = "AB-12" }).Code.ShouldBe("AB-12");
        Should.Throw<InvalidOperationException>(() => shop.A<Product>(product => product with { Price = -1 })).Message.ShouldContain("#/price");
    }
}

public sealed record Coded([property: RegularExpression("[A-Z]{2}-[0-9]{2}")] string Code);

public sealed record Short([property: StringLength(3, MinimumLength = 3)] string Code);

public sealed record Inner([property: MinLength(20)] string Text);

public sealed record Everything(
    [property: StringLength(40)] string Name, [property: StringLength(3, MinimumLength = 3)] string Code, [property: EmailAddress] string Mail, [property: MinLength(2)] IReadOnlyList<string> Few,
    Inner Inner, string? Note, DateTimeOffset At, DayOfWeek Day, [property: Range(0.5, 2)] double Ratio, byte[] Bytes, long Count, int Size = 5);
