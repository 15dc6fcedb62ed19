namespace Mainstay.Tests;

/// <summary>Query strings are read in one way, and a refusal says which parameter and why.</summary>
public sealed class QueryTests(ShopFixture shop) : IClassFixture<ShopFixture>
{
    [Theory]
    [InlineData("category=%zz", "category text")]
    [InlineData("category=%", "category text")]
    [InlineData("category=%ff", "category text")]
    [InlineData("category=%C0%AF", "category text")]
    [InlineData("category=%ED%A0%80", "category text")]
    [InlineData("category=a%00b", "category text")]
    [InlineData("category=a#b", "category text")]
    [InlineData("%ff=1", "%ff text")]
    [InlineData("category=tea&category=tea", "category duplicate")]
    [InlineData("category=tea&%63ategory=tea", "category duplicate")]
    [InlineData("pageSize=1&pageSize=1", "pageSize duplicate")]
    [InlineData("Category=tea", "Category unknown")]
    [InlineData("=1", " unknown")]
    [InlineData("?pageSize=1", "?pageSize unknown")]
    [InlineData("pageSize=1.0", "pageSize range")]
    [InlineData("pageSize=%2B1", "pageSize range")]
    [InlineData("pageSize=+1", "pageSize range")]
    [InlineData("pageSize=", "pageSize range")]
    [InlineData("price=1e999", "price type")]
    [InlineData("price=", "price type")]
    [InlineData("price=NaN", "price type")]
    [InlineData("fields=", "fields minItems")]
    [InlineData("fields=sku,sku", "fields duplicate")]
    [InlineData("fields=sku,", "fields unknown")]
    [InlineData("fields=Sku", "fields unknown")]
    [InlineData("include=", "include minItems")]
    [InlineData("a=%zz&b=%ff&category=1&category=2", "a text", "b text", "category duplicate")]
    public async Task A_query_that_is_not_clear_is_refused_with_the_parameter(string query, params string[] faults)
    {
        var reply = (await shop.Anyone.GetAsync("/v1/products?" + query)).Expect(400, "invalid-parameter");

        reply.Faults.ShouldBe(faults);
        reply.Detail.ShouldBe(faults.Length == 1 ? "One parameter is invalid; see errors." : $"{faults.Length} parameters are invalid; see errors.");
    }

    [Theory]
    [InlineData("fields", 100)]
    [InlineData("include", 100)]
    public async Task Names_are_bounded(string parameter, int most)
    {
        var names = string.Join(',', Enumerable.Range(0, most + 1).Select(i => "n" + i));

        (await shop.Anyone.GetAsync($"/v1/products?{parameter}={names}")).Expect(400, "invalid-parameter").Faults.ShouldBe([$"{parameter} maxItems"]);
    }

    [Fact]
    public async Task A_relation_is_named_once() =>
        (await shop.Staff.GetAsync("/v1/orders?include=product,product")).Expect(400, "invalid-parameter").Faults.ShouldBe(["include duplicate"]);

    [Fact]
    public async Task Parameters_are_bounded() =>
        (await shop.Anyone.GetAsync("/v1/products?" + string.Join('&', Enumerable.Range(0, 60).Select(i => $"p{i}=1")))).Expect(400, "invalid-parameter").Faults.ShouldHaveSingleItem().ShouldEndWith(" maxItems");

    [Fact]
    public async Task A_plus_is_a_space_and_an_encoded_plus_is_one()
    {
        var (spaced, plus) = (await shop.ProductAsync(("category", "a b")), await shop.ProductAsync(("category", "a+b")));

        foreach (var (query, id) in new[] { ("a+b", spaced), ("a%20b", spaced), ("a%2Bb", plus) })
            (await shop.Anyone.GetAsync("/v1/products?category=" + query)).Expect(200).Data.EnumerateArray().ShouldHaveSingleItem().GetProperty("id").GetString().ShouldBe(id, query);
    }
}
