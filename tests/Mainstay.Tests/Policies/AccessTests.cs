namespace Mainstay.Tests;

public sealed class AccessTests(ShopFixture shop) : IClassFixture<ShopFixture>
{
    private static object Line(string order, string owner, string text = "x") => new { orderId = order, ownerId = owner, text, number = 1 };

    private static object Order(string product, string owner) => new { ownerId = owner, productId = product, quantity = 1, status = "placed", placedAt = "2026-01-31T09:30:00Z" };

    [Fact]
    public async Task Who_has_not_proved_who_he_is_gets_401_and_who_may_not_gets_403()
    {
        var anonymous = (await shop.Anyone.PostAsync("/v1/products", Shop.Product())).Expect(401, "unauthenticated");
        anonymous.Header("WWW-Authenticate").ShouldBe("Bearer");
        (await shop.Ann.PostAsync("/v1/products", Shop.Product())).Expect(403, "forbidden").Detail.ShouldContain("role staff");
        (await shop.Anyone.GetAsync("/v1/orders")).Expect(401, "unauthenticated");
        (await shop.Anyone.GetAsync("/v1/customers")).Expect(401, "unauthenticated");
        (await shop.Ann.GetAsync("/v1/customers")).Expect(403, "forbidden");
        (await shop.Anyone.PostAsync("/v1/orders/place", "not even json")).Expect(401, "unauthenticated");
    }

    [Theory]
    [InlineData("Bearer nonsense")]
    [InlineData("Bearer dev_staff_AAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("Bearer ")]
    [InlineData("Basic YTpi")]
    [InlineData("Test wrong")]
    [InlineData("nonsense")]
    public async Task A_wrong_credential_is_refused_even_where_none_is_needed(string authorization)
    {
        (await shop.Anyone.GetAsync("/v1/products", "Authorization: " + authorization)).Expect(401, "unauthenticated");
    }

    [Fact]
    public async Task An_authentication_scheme_that_fails_is_a_problem_like_any_other() =>
        (await shop.Anyone.GetAsync("/v1/products", "Authorization: Test broken")).Expect(500, "internal-error").Text.ShouldNotContain("The scheme is broken");

    [Fact]
    public async Task Two_credentials_are_refused()
    {
        var answer = await shop.Backend.SendRawAsync("GET /v1/products HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Test ann;customer\r\nAuthorization: Test sam;staff\r\n\r\n");

        answer.ShouldStartWith("HTTP/1.1 401");
    }

    [Fact]
    public async Task Development_keys_and_an_authentication_scheme_work_side_by_side()
    {
        (await shop.Backend.Role("staff").GetAsync("/v1/customers")).Expect(200);
        (await shop.Staff.GetAsync("/v1/customers")).Expect(200);
    }

    [Fact]
    public async Task No_route_shows_or_changes_a_row_of_somebody_else()
    {
        var product = await shop.ProductAsync();
        var order = await shop.OrderAsync(shop.Ann, "ann", product);
        var line = (await shop.Ann.PostAsync("/v1/lines", Line(order, "ann", "annotation"))).Expect(201).Id;
        var before = (await shop.Ann.GetAsync("/v1/orders/" + order)).Text;

        (await shop.Bob.GetAsync("/v1/orders/" + order)).Expect(404, "not-found");
        (await shop.Bob.SendAsync("HEAD", "/v1/orders/" + order, null)).Status.ShouldBe(404);
        (await shop.Bob.GetAsync("/v1/orders/" + order, "If-None-Match: *")).Expect(404, "not-found");
        (await shop.Bob.PutAsync("/v1/orders/" + order, Order(product, "bob"))).Expect(404, "not-found");
        (await shop.Bob.PutAsync("/v1/orders/" + order, Order(product, "bob"), "If-Match: \"v1\"")).Expect(404, "not-found");
        (await shop.Bob.PutAsync("/v1/orders/" + order, Order(product, "bob"), "If-Match: \"v9\"")).Expect(404, "not-found");
        (await shop.Bob.PatchAsync("/v1/orders/" + order, """{"ownerId":"bob"}""")).Expect(404, "not-found");
        (await shop.Bob.DeleteAsync("/v1/orders/" + order)).Expect(404, "not-found");
        (await shop.Bob.GetAsync($"/v1/orders/{order}/lines")).Expect(404, "not-found");
        (await shop.Bob.PostAsync($"/v1/orders/{order}/lines", new { ownerId = "bob", text = "x", number = 1 })).Expect(404, "not-found");
        (await shop.Bob.GetAsync("/v1/lines/" + line)).Expect(404, "not-found");
        foreach (var list in new[] { "/v1/orders", "/v1/orders?include=lines,product", "/v1/orders?status=placed&sort=-placedAt", "/v1/lines", "/v1/lines?include=order", $"/v1/products/{product}/orders", $"/v1/products/{product}?include=orders", "/v1/products?include=orders&pageSize=100" })
        {
            var reply = (await shop.Bob.GetAsync(list)).Expect(200);
            reply.Text.ShouldNotContain(order, customMessage: list);
            reply.Text.ShouldNotContain(line, customMessage: list);
        }
        // Nor can anything of his be hung under what he may not see.
        (await shop.Bob.PostAsync("/v1/lines", Line(order, "bob", "mine"))).Expect(422, "reference-not-found").Faults.ShouldBe(["#/orderId reference"]);
        (await shop.Bob.PostAsync("/v1/lines:batch", new[] { Line(order, "bob", "mine") })).Expect(422, "reference-not-found").Faults.ShouldBe(["#/0/orderId reference"]);
        (await shop.Ann.GetAsync("/v1/orders/" + order)).Text.ShouldBe(before);
        (await shop.Staff.GetAsync("/v1/orders/" + order)).Expect(200);
        (await shop.Anyone.GetAsync($"/v1/products/{product}?include=orders")).Expect(200).Data.GetProperty("orders").GetArrayLength().ShouldBe(0);
    }

    [Fact]
    public async Task Nobody_makes_a_row_that_would_be_somebody_elses_or_gives_one_away()
    {
        var product = await shop.ProductAsync();
        var order = await shop.OrderAsync(shop.Ann, "ann", product);

        (await shop.Ann.PostAsync("/v1/orders", Order(product, "bob"))).Expect(403, "forbidden");
        (await shop.Ann.PostAsync("/v1/orders:batch", new[] { Order(product, "ann"), Order(product, "bob") })).Expect(403, "forbidden");
        (await shop.Ann.PatchAsync("/v1/orders/" + order, """{"ownerId":"bob"}""")).Expect(403, "forbidden");
        (await shop.Ann.PutAsync("/v1/orders/" + order, Order(product, "bob"))).Expect(403, "forbidden");

        (await shop.Backend.CountAsync("orders where owner_id = 'bob' and product_id = (select product_id from orders limit 1)")).ShouldBe(0);
    }

    [Fact]
    public async Task Who_can_not_read_a_row_but_write_it_sees_only_what_the_write_says()
    {
        var made = (await shop.Ann.PostAsync("/v1/secrets", new { ownerId = "ann", text = "x" })).Expect(201);

        (await shop.Ann.GetAsync("/v1/secrets/" + made.Id)).Expect(405, "method-not-allowed");
        (await shop.Ann.PatchAsync("/v1/secrets/" + made.Id, """{"text":"y"}""")).Expect(200);
        (await shop.Bob.PatchAsync("/v1/secrets/" + made.Id, """{"text":"z"}""")).Expect(404, "not-found");
        (await shop.Ann.DeleteAsync("/v1/secrets/" + made.Id)).Expect(405);
    }
}
