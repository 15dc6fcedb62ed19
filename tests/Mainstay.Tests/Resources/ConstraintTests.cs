namespace Mainstay.Tests;

public sealed class ConstraintTests(ShopFixture shop) : IClassFixture<ShopFixture>
{
    private const string Nowhere = "product_01h455vb4pex5vsknk084sn02q";

    private static object Order(string product, object? customer = null) => new { ownerId = "ann", productId = product, customerId = customer, quantity = 1, status = "placed", placedAt = "2026-01-31T09:30:00Z" };

    [Fact]
    public async Task A_value_that_is_taken_is_a_conflict_that_names_the_member_and_not_the_value()
    {
        await shop.ProductAsync(("sku", "taken"));
        var other = await shop.ProductAsync();

        var reply = (await shop.Staff.PostAsync("/v1/products", Shop.Product(("sku", "taken")))).Expect(409, "already-exists");

        reply.Faults.ShouldBe(["#/sku unique"]);
        reply.Text.ShouldNotContain("23505");
        (await shop.Staff.PatchAsync("/v1/products/" + other, """{"sku":"taken"}""")).Expect(409, "already-exists").Faults.ShouldBe(["#/sku unique"]);
        (await shop.Staff.PutAsync("/v1/products/" + other, Shop.Product(("sku", "taken")))).Expect(409, "already-exists").Faults.ShouldBe(["#/sku unique"]);
    }

    [Fact]
    public async Task Members_that_are_unique_together_are_named_together()
    {
        (await shop.Staff.PostAsync("/v1/customers", Shop.Customer(("country", "DE"), ("taxNumber", "1")))).Expect(201);

        (await shop.Staff.PostAsync("/v1/customers", Shop.Customer(("country", "FR"), ("taxNumber", "1")))).Expect(201);
        (await shop.Staff.PostAsync("/v1/customers", Shop.Customer(("country", "DE"), ("taxNumber", "1")))).Expect(409, "already-exists").Faults.ShouldBe(["#/country unique", "#/taxNumber unique"]);
    }

    [Fact]
    public async Task A_reference_to_nothing_is_named()
    {
        (await shop.Ann.PostAsync("/v1/orders", Order(Nowhere))).Expect(422, "reference-not-found").Faults.ShouldBe(["#/productId reference"]);
        var order = await shop.OrderAsync(shop.Ann, "ann");
        (await shop.Ann.PatchAsync("/v1/orders/" + order, $$"""{"productId":"{{Nowhere}}"}""")).Expect(422, "reference-not-found").Faults.ShouldBe(["#/productId reference"]);
        (await shop.Ann.PostAsync("/v1/orders:batch", new[] { Order(await shop.ProductAsync()), Order(Nowhere) })).Expect(422).Faults.ShouldBe(["#/1/productId reference"]);
    }

    [Fact]
    public async Task A_row_that_others_refer_to_cannot_be_deleted()
    {
        var product = await shop.ProductAsync();
        await shop.OrderAsync(shop.Ann, "ann", product);

        (await shop.Staff.DeleteAsync("/v1/products/" + product)).Expect(409, "still-referenced").Detail.ShouldContain("orders");

        (await shop.Anyone.GetAsync("/v1/products/" + product)).Expect(200);
    }

    [Fact]
    public async Task What_the_database_alone_refuses_is_a_problem_and_not_a_failure()
    {
        await shop.Backend.ExecuteAsync("alter table products add constraint category_allowed check (category <> 'mate')");

        var reply = (await shop.Staff.PostAsync("/v1/products", Shop.Product(("category", "mate")))).Expect(400, "validation-failed");

        reply.Text.ShouldNotContain("mate");
        (await shop.Staff.PostAsync("/v1/products:batch", new[] { Shop.Product(), Shop.Product(("category", "mate")) })).Expect(400, "validation-failed");
    }

    [Fact]
    public async Task Of_twelve_who_create_one_unique_value_at_once_one_succeeds()
    {
        var replies = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => shop.Staff.PostAsync("/v1/products", Shop.Product(("sku", "rush")))));

        replies.Count(reply => reply.Status == 201).ShouldBe(1);
        replies.Count(reply => reply is { Status: 409, Code: "already-exists" }).ShouldBe(11);
        (await shop.Backend.CountAsync("products where sku = 'rush'")).ShouldBe(1);
    }

    [Fact]
    public async Task A_refused_write_leaves_nothing_behind()
    {
        await shop.ProductAsync(("sku", "once"));
        var audit = await shop.AuditedAsync();
        var receipts = await shop.Backend.CountAsync("mainstay.receipts where status < 300");

        (await shop.Staff.PostAsync("/v1/products:batch", new[] { Shop.Product(), Shop.Product(("sku", "once")) }, "Idempotency-Key: leaves-nothing")).Expect(409);

        (await shop.AuditedAsync()).ShouldBe(audit);
        (await shop.Backend.CountAsync("mainstay.receipts where status < 300")).ShouldBe(receipts);
    }
}
