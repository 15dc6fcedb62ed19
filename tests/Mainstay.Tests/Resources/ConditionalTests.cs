namespace Mainstay.Tests;

public sealed class ConditionalTests(ShopFixture shop) : IClassFixture<ShopFixture>
{
    private const string Past = "Sat, 31 Jan 2026 09:30:00 GMT";

    [Fact]
    public async Task If_none_match_answers_304_without_a_body_until_the_row_changes()
    {
        var path = "/v1/products/" + await shop.ProductAsync();
        var tag = (await shop.Anyone.GetAsync(path)).ETag;

        var same = (await shop.Anyone.GetAsync(path, "If-None-Match: " + tag)).Expect(304);

        same.Text.ShouldBeEmpty();
        same.ETag.ShouldBe(tag);
        same.Header("Cache-Control").ShouldBe("no-cache");
        same.Header("Vary").ShouldBe("Accept-Encoding");
        same.Header("Date").ShouldNotBeNull();
        same.Header("Content-Type").ShouldBeNull();
        same.Header("Content-Length").ShouldBeNull();
        (await shop.Anyone.GetAsync(path, $"If-None-Match: \"x\", W/{tag}")).Expect(304);
        (await shop.Anyone.GetAsync(path, "If-None-Match: \"x\"", "+If-None-Match: " + tag)).Expect(304);
        (await shop.Anyone.GetAsync(path, $"If-None-Match: ,, {tag} ,")).Expect(304);
        (await shop.Anyone.GetAsync(path, "If-None-Match: *")).Expect(304);
        (await shop.Staff.PatchAsync(path, """{"stock":1}""")).Expect(200);
        (await shop.Anyone.GetAsync(path, "If-None-Match: " + tag)).Expect(200);
    }

    [Theory]
    [InlineData("{bare}")]
    [InlineData("\"{bare}")]
    [InlineData("w/{tag}")]
    [InlineData("{tag} {tag}")]
    [InlineData("{tag}, nonsense")]
    [InlineData("*, {tag}")]
    [InlineData("\"v 1\", {tag}")]
    public async Task A_malformed_if_none_match_never_counts_as_a_match(string field)
    {
        var path = "/v1/products/" + await shop.ProductAsync();
        var tag = (await shop.Anyone.GetAsync(path)).ETag;
        var value = field.Replace("{tag}", tag, StringComparison.Ordinal).Replace("{bare}", tag.Trim('"'), StringComparison.Ordinal);

        (await shop.Anyone.GetAsync(path, "If-None-Match: " + value)).Expect(200);
        (await shop.Staff.PatchAsync(path, """{"stock":1}""", "If-None-Match: " + value)).Expect(412, "precondition-failed");
        (await shop.Anyone.GetAsync(path)).ETag.ShouldBe(tag);
    }

    [Fact]
    public async Task A_read_with_if_match_is_answered_only_while_the_representation_is_that_one()
    {
        var path = "/v1/products/" + await shop.ProductAsync();
        var tag = (await shop.Anyone.GetAsync(path)).ETag;

        (await shop.Anyone.GetAsync(path, "If-Match: " + tag)).Expect(200);
        (await shop.Anyone.GetAsync(path, "If-Match: *")).Expect(200);
        (await shop.Anyone.GetAsync(path, "If-Match: W/" + tag)).Expect(412, "precondition-failed");
        (await shop.Anyone.GetAsync(path, "If-Match: \"v1\"")).Expect(412, "precondition-failed");
        (await shop.Anyone.SendAsync("HEAD", path, null, "If-Match: \"v9\"")).Expect(412);
        (await shop.Anyone.GetAsync(path, "If-Match: \"v9\"", "If-None-Match: " + tag)).Expect(412);
        (await shop.Anyone.GetAsync(path, "If-Match: " + tag, "If-None-Match: " + tag)).Expect(304);
        (await shop.Anyone.GetAsync("/v1/products/product_01h455vb4pex5vsknk084sn02q", "If-Match: \"v9\"")).Expect(404, "not-found");
    }

    [Fact]
    public async Task Dates_and_ranges_do_not_disturb_a_read()
    {
        var path = "/v1/products/" + await shop.ProductAsync();
        var tag = (await shop.Anyone.GetAsync(path)).ETag;

        (await shop.Anyone.GetAsync(path, "If-Modified-Since: " + Past)).Expect(200);
        (await shop.Anyone.GetAsync(path, "If-Unmodified-Since: " + Past)).Expect(200);
        (await shop.Anyone.GetAsync(path, "If-None-Match: " + tag, "If-Modified-Since: " + Past)).Expect(304);
        (await shop.Anyone.GetAsync(path, "If-None-Match: \"x\"", "If-Modified-Since: Sat, 31 Jan 2099 09:30:00 GMT")).Expect(200);
        (await shop.Anyone.GetAsync(path, "Range: bytes=0-9", "If-Range: " + tag)).Expect(200).Header("Content-Range").ShouldBeNull();
        (await shop.Anyone.GetAsync(path)).Header("Last-Modified").ShouldBeNull();
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
    [InlineData("\"v2-00000000\"")]
    [InlineData("W/\"v1\"")]
    [InlineData("v1")]
    [InlineData("\"v1")]
    [InlineData("\"\"")]
    [InlineData("\"v\"")]
    [InlineData("\"v-1\"")]
    [InlineData("\"v+1\"")]
    [InlineData("\"v99999999999999999999\"")]
    [InlineData("\"v1\" nonsense")]
    [InlineData("\"v1\" \"v1\"")]
    [InlineData("*, \"v1\"")]
    [InlineData(",")]
    public async Task A_tag_that_is_not_the_present_one_stops_every_write(string tag)
    {
        var path = "/v1/products/" + await shop.ProductAsync();

        (await shop.Staff.PutAsync(path, Shop.Product(), "If-Match: " + tag)).Expect(412, "precondition-failed");
        (await shop.Staff.PatchAsync(path, """{"stock":1}""", "If-Match: " + tag)).Expect(412, "precondition-failed");
        (await shop.Staff.DeleteAsync(path, "If-Match: " + tag)).Expect(412, "precondition-failed");
        (await shop.Anyone.GetAsync(path)).ETag.ShouldStartWith("\"v1-");
    }

    [Fact]
    public async Task The_present_tag_lets_a_write_pass_also_in_a_list_and_as_a_star()
    {
        var path = "/v1/products/" + await shop.ProductAsync();

        (await shop.Staff.PatchAsync(path, """{"stock":1}""", "If-Match: \"x\", \"v1\"")).Expect(200).ETag.ShouldStartWith("\"v2-");
        (await shop.Staff.PatchAsync(path, """{"stock":2}""", "If-Match: \"x\"", "+If-Match: \"v2\"")).Expect(200).ETag.ShouldStartWith("\"v3-");
        (await shop.Staff.PutAsync(path, Shop.Product(), "If-Match: *")).Expect(200);
        (await shop.Staff.DeleteAsync(path, "If-Match: \"v4\"")).Expect(204);
    }

    [Fact]
    public async Task If_none_match_lets_a_write_pass_only_when_the_row_is_in_no_state_that_it_names()
    {
        var path = "/v1/products/" + await shop.ProductAsync();

        (await shop.Staff.PutAsync(path, Shop.Product(), "If-None-Match: *")).Expect(412, "precondition-failed");
        (await shop.Staff.PatchAsync(path, """{"stock":1}""", "If-None-Match: W/\"v1\"")).Expect(412, "precondition-failed");
        (await shop.Staff.DeleteAsync(path, "If-Match: \"v1\"", "If-None-Match: \"v1\"")).Expect(412, "precondition-failed");
        (await shop.Staff.PatchAsync(path, """{"stock":1}""", "If-None-Match: \"v7\"")).Expect(200);
        (await shop.Staff.PutAsync("/v1/products/product_01h455vb4pex5vsknk084sn02q", Shop.Product(), "If-None-Match: *")).Expect(404, "not-found");
    }

    [Fact]
    public async Task A_write_whose_only_condition_is_a_date_is_asked_for_a_tag()
    {
        var path = "/v1/products/" + await shop.ProductAsync();

        (await shop.Staff.PutAsync(path, Shop.Product(), "If-Unmodified-Since: " + Past)).Expect(428, "precondition-required");
        (await shop.Staff.PatchAsync(path, """{"stock":1}""", "If-Unmodified-Since: nonsense")).Expect(428, "precondition-required");
        (await shop.Staff.DeleteAsync(path, "If-Unmodified-Since: " + Past)).Expect(428, "precondition-required");
        (await shop.Anyone.GetAsync(path)).ETag.ShouldStartWith("\"v1-");
        (await shop.Staff.PatchAsync(path, """{"stock":1}""", "If-Match: \"v1\"", "If-Unmodified-Since: " + Past, "If-Modified-Since: " + Past)).Expect(200);
    }

    [Fact]
    public async Task A_creation_has_no_state_before_that_a_tag_could_name()
    {
        var rows = await shop.Backend.CountAsync("products");

        (await shop.Staff.PostAsync("/v1/products", Shop.Product(), "If-Match: \"v1\"")).Expect(412, "precondition-failed");
        (await shop.Staff.PostAsync("/v1/products", Shop.Product(), "If-Match: *")).Expect(412, "precondition-failed");
        (await shop.Staff.PostAsync("/v1/products:batch", new[] { Shop.Product() }, "If-Match: *")).Expect(400, "malformed-request"); // elements have conditions of their own
        (await shop.Staff.PostAsync("/v1/products", Shop.Product(), "If-None-Match: nonsense")).Expect(412, "precondition-failed");
        (await shop.Staff.PostAsync("/v1/products", Shop.Product(), "If-None-Match: ,")).Expect(412, "precondition-failed");
        (await shop.Backend.CountAsync("products")).ShouldBe(rows);
        (await shop.Staff.PostAsync("/v1/products", Shop.Product(), "If-None-Match: *")).Expect(201);
    }

    [Fact]
    public async Task A_condition_is_asked_only_when_the_request_would_succeed_without_it()
    {
        const string stale = "If-Match: \"v9\"";
        var product = await shop.ProductAsync();
        var (own, foreign) = (await shop.OrderAsync(shop.Ann, "ann"), await shop.OrderAsync(shop.Bob, "bob"));
        var line = (await shop.Ann.PostAsync("/v1/lines", new { orderId = own, ownerId = "ann", text = "x", number = 1 })).Expect(201).Id;

        (await shop.Staff.PatchAsync("/v1/products/product_01h455vb4pex5vsknk084sn02q", "{}", stale)).Expect(404, "not-found");
        (await shop.Anyone.PatchAsync("/v1/products/" + product, "{}", stale)).Expect(401, "unauthenticated");
        (await shop.Ann.PatchAsync("/v1/products/" + product, "{}", stale)).Expect(403, "forbidden");
        (await shop.Staff.PatchAsync("/v1/products/" + product, "{", stale)).Expect(400, "malformed-json");
        (await shop.Staff.PatchAsync("/v1/products/" + product, """{"stock":-1}""", stale)).Expect(400, "validation-failed");
        (await shop.Staff.PatchAsync("/v1/products/" + product, "{}", stale, "Content-Type: text/plain")).Expect(415);
        (await shop.Ann.PatchAsync("/v1/lines/" + line, new { ownerId = "bob" }, stale)).Expect(403, "forbidden");
        (await shop.Ann.PatchAsync("/v1/lines/" + line, new { orderId = foreign }, stale)).Expect(422, "reference-not-found");
        (await shop.Staff.PatchAsync("/v1/products/" + product, "{}", stale)).Expect(412, "precondition-failed");
    }

    [Fact]
    public async Task Who_sends_back_what_the_server_has_changed_since_hears_that_it_has_changed()
    {
        var path = "/v1/products/" + await shop.ProductAsync();
        var got = await shop.Anyone.GetAsync(path);
        await shop.Backend.ExecuteAsync($"update products set sold = 7, row_version = 2 where sku = '{got.Data.GetProperty("sku")}'");

        (await shop.Staff.PutAsync(path, got.Data, "If-Match: " + got.ETag)).Expect(412, "precondition-failed");
        (await shop.Staff.PutAsync(path, got.Data)).Expect(400, "validation-failed").Faults.ShouldBe(["#/sold readOnly"]);
    }

    [Fact]
    public async Task A_failed_condition_leaves_nothing_behind_and_does_not_use_up_the_key()
    {
        const string key = "Idempotency-Key: conditional-1";
        var product = await shop.ProductAsync();
        async Task<long[]> CountsAsync() => [await shop.Backend.CountAsync("mainstay.audit"), await shop.Backend.CountAsync("mainstay.jobs"), await shop.Backend.CountAsync("mainstay.receipts"),
            await shop.Backend.ScalarAsync<long>("select coalesce(sum(row_version + stock), 0)::bigint from products"), await shop.Backend.CountAsync("orders")];
        await shop.Backend.UntilAsync("select count(*) = 0 from mainstay.jobs");
        var before = await CountsAsync();

        (await shop.Staff.PatchAsync("/v1/products/" + product, """{"stock":1}""", "If-Match: \"v9\"", key)).Expect(412, "precondition-failed");
        (await shop.Ann.PostAsync("/v1/orders/place", new { productId = product, quantity = 1 }, "If-Match: \"v1\"", key)).Expect(412, "precondition-failed");

        (await CountsAsync()).ShouldBe(before);
        (await shop.Staff.PatchAsync("/v1/products/" + product, """{"stock":1}""", "If-Match: \"v1\"", key)).Expect(200).Header("Idempotency-Replayed").ShouldBeNull();
        (await shop.Staff.PatchAsync("/v1/products/" + product, """{"stock":1}""", "If-Match: \"v1\"", key)).Expect(200).Header("Idempotency-Replayed").ShouldBe("true");
        (await shop.Ann.PostAsync("/v1/orders/place", new { productId = product, quantity = 1 }, "If-None-Match: *", key)).Expect(201);
    }

    [Fact]
    public async Task A_resource_can_demand_the_tag()
    {
        var made = (await shop.Staff.PostAsync("/v1/customers", Shop.Customer())).Expect(201);
        var path = "/v1/customers/" + made.Id;

        (await shop.Staff.PatchAsync(path, """{"name":"Eve"}""")).Expect(428, "precondition-required");
        (await shop.Staff.PutAsync(path, Shop.Customer())).Expect(428, "precondition-required");
        (await shop.Staff.DeleteAsync(path)).Expect(428, "precondition-required");
        (await shop.Staff.DeleteAsync(path, "If-None-Match: \"v9\"")).Expect(428, "precondition-required");
        (await shop.Staff.PatchAsync("/v1/customers/customer_01h455vb4pex5vsknk084sn02q", "{}")).Expect(404, "not-found");
        (await shop.Staff.PatchAsync(path, """{"name":"Eve"}""", "If-Match: " + made.ETag)).Expect(200);
    }

    [Fact]
    public async Task Of_eight_writers_with_one_tag_exactly_one_succeeds()
    {
        var path = "/v1/products/" + await shop.ProductAsync();
        var tag = (await shop.Anyone.GetAsync(path)).ETag;

        var replies = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => shop.Staff.PatchAsync(path, $$"""{"stock":{{i + 100}}}""", "If-Match: " + tag)));

        var winner = replies.Where(reply => reply.Status == 200).ShouldHaveSingleItem();
        replies.Where(reply => reply.Status == 412).Count().ShouldBe(7);
        (await shop.Anyone.GetAsync(path)).Data.GetProperty("stock").GetInt32().ShouldBe(winner.Data.GetProperty("stock").GetInt32());
        (await shop.Anyone.GetAsync(path)).ETag.ShouldBe(winner.ETag);
    }

    [Fact]
    public async Task Of_writers_of_every_kind_with_one_tag_exactly_one_succeeds()
    {
        var path = "/v1/products/" + await shop.ProductAsync();
        var tag = (await shop.Anyone.GetAsync(path)).ETag;

        var replies = await Task.WhenAll(Enumerable.Range(0, 9).Select(i => (i % 3) switch
        {
            0 => shop.Staff.PatchAsync(path, $$"""{"stock":{{i + 100}}}""", "If-Match: " + tag),
            1 => shop.Staff.PutAsync(path, Shop.Product(), "If-Match: " + tag),
            _ => shop.Staff.DeleteAsync(path, "If-Match: " + tag),
        }));

        replies.Count(reply => reply.Status is 200 or 204).ShouldBe(1);
        replies.Where(reply => reply.Status is not (200 or 204)).ShouldAllBe(reply => reply.Status == 412 || reply.Status == 404);
    }

    [Fact]
    public async Task Without_a_tag_no_change_of_another_member_is_lost()
    {
        var path = "/v1/products/" + await shop.ProductAsync();

        var replies = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => shop.Staff.PatchAsync(path, i % 2 == 0 ? $$"""{"stock":{{i + 100}}}""" : $$"""{"price":{{i}}}""")));

        replies.ShouldAllBe(reply => reply.Status == 200);
        replies.Select(reply => reply.ETag).Distinct().Count().ShouldBe(8);
    }

    [Fact]
    public async Task The_tag_of_a_change_is_that_of_the_next_read_also_for_documents()
    {
        var made = (await shop.Staff.PostAsync("/v1/products", Shop.Product(("attributes", new { zebra = 1, a = 1.50m })))).Expect(201);
        var path = "/v1/products/" + made.Id;

        (await shop.Anyone.GetAsync(path)).ETag.ShouldBe(made.ETag);
        var patched = (await shop.Staff.PatchAsync(path, """{"attributes":{"b":2}}""", "If-Match: " + made.ETag)).Expect(200);
        (await shop.Anyone.GetAsync(path, "If-None-Match: " + patched.ETag)).Expect(304);
    }
}
