namespace Mainstay.Tests;

public sealed class ConditionalTests(ShopFixture shop) : IClassFixture<ShopFixture>
{
    [Fact]
    public async Task If_none_match_answers_304_without_a_body_until_the_row_changes()
    {
        var path = "/v1/products/" + await shop.ProductAsync();
        var tag = (await shop.Anyone.GetAsync(path)).ETag;

        var same = (await shop.Anyone.GetAsync(path, "If-None-Match: " + tag)).Expect(304);

        same.Text.ShouldBeEmpty();
        same.ETag.ShouldBe(tag);
        same.Header("Cache-Control").ShouldBe("no-cache");
        same.Header("Vary").ShouldNotBeNull();
        (await shop.Anyone.GetAsync(path, $"If-None-Match: \"x\", W/{tag}")).Expect(304);
        (await shop.Anyone.GetAsync(path, "If-None-Match: *")).Expect(304);
        (await shop.Anyone.GetAsync(path, "If-None-Match: " + tag.Trim('"'))).Expect(200);
        (await shop.Anyone.GetAsync(path, "If-None-Match: \"" + tag)).Expect(200);
        (await shop.Staff.PatchAsync(path, """{"stock":1}""")).Expect(200);
        (await shop.Anyone.GetAsync(path, "If-None-Match: " + tag)).Expect(200);
    }

    [Fact]
    public async Task A_list_has_a_tag_that_changes_with_its_content()
    {
        await shop.ProductAsync(("category", "tagged"));
        var list = (await shop.Anyone.GetAsync("/v1/products?category=tagged")).Expect(200);

        (await shop.Anyone.GetAsync("/v1/products?category=tagged", "If-None-Match: " + list.ETag)).Expect(304);
        await shop.ProductAsync(("category", "tagged"));
        (await shop.Anyone.GetAsync("/v1/products?category=tagged", "If-None-Match: " + list.ETag)).Expect(200);
    }

    [Theory]
    [InlineData("\"v2\"")]
    [InlineData("W/\"v1\"")]
    [InlineData("v1")]
    [InlineData("\"v1")]
    [InlineData("\"\"")]
    [InlineData("\"v-1\"")]
    [InlineData("\"v99999999999999999999\"")]
    [InlineData("\"v1\" nonsense")]
    public async Task A_tag_that_is_not_the_present_one_stops_every_write(string tag)
    {
        var path = "/v1/products/" + await shop.ProductAsync();

        (await shop.Staff.PutAsync(path, Shop.Product(), "If-Match: " + tag)).Expect(412, "precondition-failed");
        (await shop.Staff.PatchAsync(path, """{"stock":1}""", "If-Match: " + tag)).Expect(412, "precondition-failed");
        (await shop.Staff.DeleteAsync(path, "If-Match: " + tag)).Expect(412, "precondition-failed");
        (await shop.Anyone.GetAsync(path)).ETag.ShouldBe("\"v1\"");
    }

    [Fact]
    public async Task The_present_tag_lets_a_write_pass_also_in_a_list_and_as_a_star()
    {
        var path = "/v1/products/" + await shop.ProductAsync();

        (await shop.Staff.PatchAsync(path, """{"stock":1}""", "If-Match: \"x\", \"v1\"")).Expect(200).ETag.ShouldBe("\"v2\"");
        (await shop.Staff.PutAsync(path, Shop.Product(), "If-Match: *")).Expect(200).ETag.ShouldBe("\"v3\"");
        (await shop.Staff.PutAsync(path, Shop.Product(), "If-None-Match: *")).Expect(412);
        (await shop.Staff.DeleteAsync(path, "If-Match: \"v3\"")).Expect(204);
    }

    [Fact]
    public async Task A_resource_can_demand_the_tag()
    {
        var made = (await shop.Staff.PostAsync("/v1/customers", Shop.Customer())).Expect(201);
        var path = "/v1/customers/" + made.Id;

        (await shop.Staff.PatchAsync(path, """{"name":"Eve"}""")).Expect(428, "precondition-required");
        (await shop.Staff.PutAsync(path, Shop.Customer())).Expect(428, "precondition-required");
        (await shop.Staff.DeleteAsync(path)).Expect(428, "precondition-required");
        (await shop.Staff.PatchAsync(path, """{"name":"Eve"}""", "If-Match: " + made.ETag)).Expect(200);
    }

    [Fact]
    public async Task Of_eight_writers_with_one_tag_exactly_one_succeeds()
    {
        var path = "/v1/products/" + await shop.ProductAsync();

        var replies = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => shop.Staff.PatchAsync(path, $$"""{"stock":{{i + 100}}}""", "If-Match: \"v1\"")));

        var winner = replies.Where(reply => reply.Status == 200).ShouldHaveSingleItem();
        replies.Where(reply => reply.Status == 412).Count().ShouldBe(7);
        (await shop.Anyone.GetAsync(path)).Data.GetProperty("stock").GetInt32().ShouldBe(winner.Data.GetProperty("stock").GetInt32());
        (await shop.Anyone.GetAsync(path)).ETag.ShouldBe("\"v2\"");
    }

    [Fact]
    public async Task Without_a_tag_no_change_of_another_member_is_lost()
    {
        var path = "/v1/products/" + await shop.ProductAsync();

        var replies = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => shop.Staff.PatchAsync(path, i % 2 == 0 ? $$"""{"stock":{{i + 100}}}""" : $$"""{"price":{{i}}}""")));

        replies.ShouldAllBe(reply => reply.Status == 200);
        replies.Select(reply => reply.ETag).Distinct().Count().ShouldBe(8);
    }
}
