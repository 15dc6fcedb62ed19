using System.Text.Json;

namespace Mainstay.Tests;

public sealed class AuditTests(ShopFixture shop) : IClassFixture<ShopFixture>
{
    [Fact]
    public async Task Every_change_leaves_one_entry_with_before_after_actor_and_request()
    {
        var made = (await shop.Staff.PostAsync("/v1/products", Shop.Product(("stock", 1)), "Request-Id: audit-made")).Expect(201);
        (await shop.Staff.PatchAsync("/v1/products/" + made.Id, """{"stock":2}""", "Request-Id: audit-patched")).Expect(200);
        (await shop.Staff.PutAsync("/v1/products/" + made.Id, Shop.Product(("stock", 3)), "Request-Id: audit-replaced")).Expect(200);
        (await shop.Staff.DeleteAsync("/v1/products/" + made.Id, "Request-Id: audit-deleted")).Expect(204);

        var entries = JsonElement.Parse(await shop.Backend.ScalarAsync<string>("""
            select json_agg(json_build_array(request_id, action, actor, operation, resource, before ->> 'stock', after ->> 'stock') order by id)::text from mainstay.audit where request_id like 'audit-%'
            """));

        entries.EnumerateArray().Select(entry => string.Join(' ', entry.EnumerateArray().Select(part => part.GetString() ?? "-"))).ShouldBe(
        [
            "audit-made insert sam POST /v1/products products - 1", "audit-patched update sam PATCH /v1/products/{id} products 1 2",
            "audit-replaced update sam PUT /v1/products/{id} products 2 3", "audit-deleted delete sam DELETE /v1/products/{id} products 3 -",
        ]);
    }

    [Fact]
    public async Task A_command_leaves_an_entry_for_each_row_and_a_replay_none()
    {
        var product = await shop.ProductAsync();
        for (var i = 0; i < 2; i++)
            (await shop.Ann.PostAsync("/v1/orders/place", new { productId = product, quantity = 1 }, "Idempotency-Key: audited", $"Request-Id: audited-{i}")).Expect(201);

        (await shop.Backend.ScalarAsync<string>("select string_agg(request_id || ' ' || resource || ' ' || action, ', ' order by resource) from mainstay.audit where request_id like 'audited-%' and actor <> 'system'"))
            .ShouldBe("audited-0 orders insert, audited-0 products update");
    }
}
