using System.ComponentModel.DataAnnotations;
using System.Text.Json;

namespace Mainstay.Tests;

/// <summary>Several rows changed or deleted by one request: all or none.</summary>
public sealed class BatchTests(ShopFixture shop) : IClassFixture<ShopFixture>
{
    private const string Nowhere = "product_01h455vb4pex5vsknk084sn02q";

    private static Task<Reply> ChangeAsync(Caller caller, string resource, object body, params string[] headers) => caller.SendAsync("PATCH", $"/v1/{resource}:batch", body, headers);

    private async Task<string[]> ProductsAsync(int count, params (string Name, object? Value)[] changes) =>
        [.. (await shop.Staff.PostAsync("/v1/products:batch", Enumerable.Range(0, count).Select(_ => Shop.Product(changes)).ToArray())).Expect(201).Data.EnumerateArray().Select(row => row.GetProperty("id").GetString()!)];

    private async Task<JsonElement> ProductAsync(string id) => (await shop.Anyone.GetAsync("/v1/products/" + id)).Expect(200).Data;

    [Theory]
    [InlineData("If-Match: *")]
    [InlineData("If-None-Match: *")]
    [InlineData("If-Unmodified-Since: Sat, 31 Jan 2026 09:30:00 GMT")]
    public async Task A_condition_about_one_row_is_refused_where_there_are_several(string header)
    {
        var ids = await ProductsAsync(1);

        (await ChangeAsync(shop.Staff, "products", new object[] { new { id = ids[0], price = 1 } }, header)).Expect(400, "malformed-request");
        (await shop.Staff.PostAsync("/v1/products:batchDelete", ids, header)).Expect(400, "malformed-request");

        (await ProductAsync(ids[0])).GetProperty("price").GetDecimal().ShouldNotBe(1);
    }

    [Fact]
    public async Task A_condition_has_the_bounds_of_a_header()
    {
        var ids = await ProductsAsync(1);

        foreach (var condition in new[] { "\"v1\"\n", new string('x', 40_000) })
            (await ChangeAsync(shop.Staff, "products", new object[] { new { id = ids[0], price = 1, ifMatch = condition } })).Expect(400, "validation-failed").Faults.ShouldAllBe(fault => fault.StartsWith("#/0/ifMatch "));
    }

    [Fact]
    public async Task Rows_are_changed_each_by_its_own_patch_with_audit_entries_and_new_versions()
    {
        var ids = await ProductsAsync(4, ("note", "old"), ("attributes", new { a = 1, b = 2 }));

        var reply = (await ChangeAsync(shop.Staff, "products", new object[]
        {
            new { id = ids[2], price = 7.5m }, new { id = ids[0], note = (string?)null, attributes = new { a = (int?)null, c = 3 } }, new { id = ids[1] }, new { id = ids[3], ifMatch = "\"v1\"", stock = 0, sold = 0 },
        })).Expect(200);

        reply.Data.EnumerateArray().Select(row => row.GetProperty("id").GetString()).ShouldBe([ids[2], ids[0], ids[1], ids[3]]);
        reply.Meta.GetProperty("count").GetInt32().ShouldBe(4);
        var tags = reply.Meta.GetProperty("etags").EnumerateArray().Select(tag => tag.GetString()!).ToArray();
        tags.Select(tag => tag.Split('-')[0]).ShouldBe(["\"v2", "\"v2", "\"v1", "\"v2"]);
        (await ProductAsync(ids[2])).GetProperty("price").GetDecimal().ShouldBe(7.5m);
        (await ProductAsync(ids[0])).GetProperty("note").ValueKind.ShouldBe(JsonValueKind.Null);
        (await ProductAsync(ids[0])).GetProperty("attributes").GetRawText().ShouldBe("""{"b": 2, "c": 3}""");
        (await ProductAsync(ids[3])).GetProperty("note").GetString().ShouldBe("old");
        (await shop.Anyone.GetAsync("/v1/products/" + ids[1])).ETag.ShouldBe(tags[2]);
        (await shop.Anyone.GetAsync("/v1/products/" + ids[2])).ETag.ShouldBe(tags[0]);
        (await shop.Backend.CountAsync($"mainstay.audit where action = 'update' and request_id = '{reply.Header("Request-Id")}' and operation = 'PATCH /v1/products:batch'")).ShouldBe(3);
        (await shop.Staff.PatchAsync("/v1/products/" + ids[2], """{"stock":1}""", "If-Match: " + reply.Meta.GetProperty("etags")[0].GetString())).Expect(200);
    }

    [Fact]
    public async Task Rows_are_deleted_by_id_or_by_id_and_state()
    {
        var ids = await ProductsAsync(3);

        var reply = (await shop.Staff.PostAsync("/v1/products:batchDelete", new object[] { ids[1], new { id = ids[0], ifMatch = "\"v1\"" } })).Expect(204);

        (await shop.Anyone.GetAsync("/v1/products/" + ids[0])).Expect(404);
        (await shop.Anyone.GetAsync("/v1/products/" + ids[1])).Expect(404);
        (await shop.Anyone.GetAsync("/v1/products/" + ids[2])).Expect(200);
        (await shop.Backend.CountAsync($"mainstay.audit where action = 'delete' and request_id = '{reply.Header("Request-Id")}'")).ShouldBe(2);
    }

    [Fact]
    public async Task Every_fault_of_what_was_sent_is_named_with_its_element()
    {
        var ids = await ProductsAsync(3);

        (await ChangeAsync(shop.Staff, "products", new object?[]
        {
            new { id = ids[0], stock = -1, nmae = "x" }, 5, new { stock = 1 }, new { id = "nonsense" }, new { id = ids[0] }, new { id = ids[1], ifMatch = 7 }, null, new { id = ids[2], price = (string?)null },
        })).Expect(400, "validation-failed").Faults.ShouldBe(
            ["#/0/stock range", "#/0/nmae unknown", "#/1 type", "#/2/id required", "#/3/id id", "#/4/id duplicate", "#/5/ifMatch type", "#/6 type", "#/7/price required"]);
        (await shop.Staff.PostAsync("/v1/products:batchDelete", new object?[]
        {
            ids[0], "nonsense", 5, ids[0], new { id = ids[0] }, new { ifMatch = "*" }, new { id = ids[1], x = 1 }, null,
        })).Expect(400, "validation-failed").Faults.ShouldBe(["#/1 id", "#/2 id", "#/3 duplicate", "#/4/id duplicate", "#/5/id required", "#/6/x unknown", "#/7 id"]);
        foreach (var (method, path) in new[] { ("PATCH", "/v1/products:batch"), ("POST", "/v1/products:batchDelete") })
        {
            (await shop.Staff.SendAsync(method, path, "[]")).Expect(400).Faults.ShouldBe(["# maxItems"]);
            (await shop.Staff.SendAsync(method, path, "{}")).Expect(400).Faults.ShouldBe(["# type"]);
            (await shop.Staff.SendAsync(method, path, $"[{string.Join(',', Enumerable.Repeat("0", 1001))}]")).Expect(400).Faults.ShouldBe(["# maxItems"]);
            (await shop.Staff.SendAsync(method, path, $"[{string.Join(',', Enumerable.Repeat("0", 150))}]")).Expect(400).Faults.Count.ShouldBe(100);
            (await shop.Staff.SendAsync(method, path + "?x=1", "[]")).Expect(400, "invalid-parameter");
            (await shop.Staff.SendAsync(method, path, "[]", "If-Match: \"v1\"")).Expect(400, "malformed-request").Detail.ShouldContain("ifMatch");
            (await shop.Ann.SendAsync(method, path, "[]")).Expect(403, "forbidden");
            (await shop.Anyone.SendAsync(method, path, "[]")).Expect(401);
        }
        (await ChangeAsync(shop.Staff, "products", "[]", "Content-Type: application/merge-patch+json")).Expect(415).Header("Accept-Patch").ShouldBe("application/json");
    }

    [Fact]
    public async Task Every_fault_of_the_rows_is_named_at_once_and_nothing_is_changed()
    {
        var ids = await ProductsAsync(4);
        (await shop.Staff.PatchAsync("/v1/products/" + ids[1], """{"stock":2}""")).Expect(200);
        var audit = await shop.AuditedAsync();

        var mixed = (await ChangeAsync(shop.Staff, "products", new object[]
        {
            new { id = ids[0], stock = 77 }, new { id = Nowhere }, new { id = ids[1], ifMatch = "\"v1\"" }, new { id = ids[2], sold = 5 }, new { id = ids[3], ifMatch = "W/\"v1\"" },
        })).Expect(404, "not-found");
        (await ChangeAsync(shop.Staff, "products", new object[] { new { id = ids[0], stock = 77 }, new { id = ids[1], ifMatch = "\"v1\"" } })).Expect(412, "precondition-failed").Faults.ShouldBe(["#/1/ifMatch changed"]);
        (await ChangeAsync(shop.Staff, "products", new object[] { new { id = ids[0], stock = 77 }, new { id = ids[2], sold = 5 } })).Expect(400, "validation-failed").Faults.ShouldBe(["#/1/sold readOnly"]);
        (await shop.Staff.PostAsync("/v1/products:batchDelete", new object[] { ids[0], Nowhere, new { id = ids[1], ifMatch = "\"v1\"" } })).Expect(404).Faults.ShouldBe(["#/1 notFound", "#/2/ifMatch changed"]);

        mixed.Faults.ShouldBe(["#/1 notFound", "#/2/ifMatch changed", "#/4/ifMatch changed", "#/3/sold readOnly"], ignoreOrder: true);
        (await ProductAsync(ids[0])).GetProperty("stock").GetInt32().ShouldBe(10);
        (await shop.AuditedAsync()).ShouldBe(audit);
    }

    [Fact]
    public async Task Where_a_state_must_be_named_each_element_names_it()
    {
        var customer = (await shop.Staff.PostAsync("/v1/customers", Shop.Customer())).Expect(201).Id;

        (await ChangeAsync(shop.Staff, "customers", new[] { new { id = customer, name = "Eve" } })).Expect(428, "precondition-required").Faults.ShouldBe(["#/0/ifMatch required"]);
        (await shop.Staff.PostAsync("/v1/customers:batchDelete", new[] { customer })).Expect(428, "precondition-required").Faults.ShouldBe(["#/0/ifMatch required"]);

        (await ChangeAsync(shop.Staff, "customers", new[] { new { id = customer, ifMatch = "\"v9\", \"v1\"", name = "Eve" } })).Expect(200).Data[0].GetProperty("name").GetString().ShouldBe("Eve");
        (await shop.Staff.PostAsync("/v1/customers:batchDelete", new[] { new { id = customer, ifMatch = "*" } })).Expect(204);
    }

    [Fact]
    public async Task Policies_hold_for_each_row_before_and_after_and_hide_what_is_not_visible()
    {
        var mine = await shop.OrderAsync(shop.Ann, "ann");
        var other = await shop.OrderAsync(shop.Bob, "bob");

        (await ChangeAsync(shop.Ann, "orders", new object[] { new { id = mine, quantity = 2 }, new { id = other, quantity = 2 } })).Expect(404).Faults.ShouldBe(["#/1 notFound"]);
        (await ChangeAsync(shop.Ann, "orders", new object[] { new { id = mine, ownerId = "bob" } })).Expect(403, "forbidden").Faults.ShouldBe(["#/0 forbidden"]);
        (await shop.Ann.PostAsync("/v1/orders:batchDelete", new[] { mine, other })).Expect(404).Faults.ShouldBe(["#/1 notFound"]);
        (await shop.Ann.PostAsync("/v1/orders:batch", new[] { Order("ann"), Order("bob"), Order("bob") })).Expect(403).Faults.ShouldBe(["#/1 forbidden", "#/2 forbidden"]);
        (await shop.Backend.CountAsync($"orders where quantity = 2")).ShouldBe(0);

        (await shop.Ann.PostAsync("/v1/orders:batchDelete", new[] { mine })).Expect(204);

        object Order(string owner) => new { ownerId = owner, productId = Nowhere, quantity = 1, status = "placed", placedAt = "2026-01-31T09:30:00Z" };
    }

    [Fact]
    public async Task Every_value_that_is_taken_is_named_in_creations_and_changes()
    {
        var ids = await ProductsAsync(5);
        await shop.ProductAsync(("sku", "batch-taken-1"));
        await shop.ProductAsync(("sku", "batch-taken-2"));

        (await ChangeAsync(shop.Staff, "products", new object[]
        {
            new { id = ids[0], sku = "batch-taken-1" }, new { id = ids[1], sku = "batch-free" }, new { id = ids[2], sku = "batch-taken-2" }, new { id = ids[3], sku = "batch-free" }, new { id = ids[4], stock = 1 },
        })).Expect(409, "already-exists").Faults.ShouldBe(["#/0/sku unique", "#/2/sku unique", "#/3/sku unique"]);
        (await shop.Staff.PostAsync("/v1/products:batch", new[]
        {
            Shop.Product(), Shop.Product(("sku", "batch-taken-1")), Shop.Product(("sku", "batch-new")), Shop.Product(("sku", "batch-taken-2")), Shop.Product(("sku", "batch-new")),
        })).Expect(409, "already-exists").Faults.ShouldBe(["#/1/sku unique", "#/3/sku unique", "#/4/sku unique"]);
        (await shop.Staff.PostAsync("/v1/customers", Shop.Customer(("country", "IT"), ("taxNumber", "77")))).Expect(201);
        (await shop.Staff.PostAsync("/v1/customers:batch", new[] { Shop.Customer(("country", "IT"), ("taxNumber", "77")), Shop.Customer(), Shop.Customer(("country", "IT"), ("taxNumber", "77")) }))
            .Expect(409).Faults.ShouldBe(["#/0/country unique", "#/0/taxNumber unique", "#/2/country unique", "#/2/taxNumber unique"]);
        // An exchange is one change after the other, and the first of them meets the old value of the second.
        var one = (await ProductAsync(ids[0])).GetProperty("sku").GetString();
        var two = (await ProductAsync(ids[1])).GetProperty("sku").GetString();
        (await ChangeAsync(shop.Staff, "products", new object[] { new { id = ids[4], stock = 1 }, new { id = ids[0], sku = two }, new { id = ids[1], sku = one } })).Expect(409).Faults.ShouldBe(["#/1/sku unique"]);

        (await shop.Backend.CountAsync("products where sku in ('batch-free', 'batch-new') or stock = 1 and sku like 'batch%'")).ShouldBe(0);
    }

    [Fact]
    public async Task Every_reference_to_nothing_and_every_row_still_in_use_is_named()
    {
        var orders = new[] { await shop.OrderAsync(shop.Ann, "ann"), await shop.OrderAsync(shop.Ann, "ann"), await shop.OrderAsync(shop.Ann, "ann") };
        var used = await ProductsAsync(3);
        await shop.OrderAsync(shop.Ann, "ann", used[0]);
        await shop.OrderAsync(shop.Ann, "ann", used[2]);

        (await ChangeAsync(shop.Ann, "orders", new object[] { new { id = orders[0], productId = Nowhere }, new { id = orders[1], productId = used[1] }, new { id = orders[2], productId = Nowhere } }))
            .Expect(422, "reference-not-found").Faults.ShouldBe(["#/0/productId reference", "#/2/productId reference"]);
        (await shop.Staff.PostAsync("/v1/products:batchDelete", used)).Expect(409, "still-referenced").Faults.ShouldBe(["#/0 referenced", "#/2 referenced"]);

        (await shop.Anyone.GetAsync("/v1/products/" + used[1])).Expect(200);
    }

    [Fact]
    public async Task What_rows_point_at_must_be_visible_also_in_a_batch()
    {
        var hidden = (await shop.Staff.PostAsync("/v1/customers", Shop.Customer())).Expect(201).Id;
        var bobs = await shop.OrderAsync(shop.Bob, "bob");
        var anns = new[] { await shop.OrderAsync(shop.Ann, "ann"), await shop.OrderAsync(shop.Ann, "ann") };
        var line = (await shop.Ann.PostAsync("/v1/lines", new { orderId = anns[0], ownerId = "ann", text = "x", number = 1 })).Expect(201).Id;

        (await ChangeAsync(shop.Ann, "orders", new object[] { new { id = anns[0], quantity = 3 }, new { id = anns[1], customerId = hidden } })).Expect(422).Faults.ShouldBe(["#/1/customerId reference"]);
        (await ChangeAsync(shop.Ann, "lines", new object[] { new { id = line, orderId = bobs } })).Expect(422).Faults.ShouldBe(["#/0/orderId reference"]);
        (await ChangeAsync(shop.Ann, "lines", new object[] { new { id = line, orderId = anns[1] } })).Expect(200);
    }

    [Fact]
    public async Task A_repeated_batch_is_answered_and_not_made_again()
    {
        var ids = await ProductsAsync(3);
        var change = new[] { new { id = ids[0], stock = 1 }, new { id = ids[1], stock = 2 } };

        var first = (await ChangeAsync(shop.Staff, "products", change, "Idempotency-Key: batch-change")).Expect(200);
        (await shop.Staff.PatchAsync("/v1/products/" + ids[0], """{"stock":50}""")).Expect(200);
        var second = (await ChangeAsync(shop.Staff, "products", change, "Idempotency-Key: batch-change")).Expect(200);
        var gone = (await shop.Staff.PostAsync("/v1/products:batchDelete", ids, "Idempotency-Key: batch-delete")).Expect(204);
        var goneAgain = (await shop.Staff.PostAsync("/v1/products:batchDelete", ids, "Idempotency-Key: batch-delete")).Expect(204);
        var twelve = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => shop.Staff.PostAsync("/v1/products:batch", new[] { Shop.Product(("sku", "batch-once"), ("name", "n"), ("price", 1)) }, "Idempotency-Key: batch-create")));

        second.Text.ShouldBe(first.Text);
        new[] { first, second, gone, goneAgain }.Select(reply => reply.Header("Idempotency-Replayed")).ShouldBe([null, "true", null, "true"]);
        twelve.Select(reply => reply.Expect(201).Text).Distinct().ShouldHaveSingleItem();
    }

    [Fact]
    public async Task Batches_over_the_same_rows_in_any_order_all_come_through()
    {
        var seed = Random.Shared.Next();
        var ids = await ProductsAsync(40);

        await Task.WhenAll(Enumerable.Range(0, 8).Select(async worker =>
        {
            var random = new Random(seed + worker);
            for (var round = 0; round < 6; round++)
            {
                var mine = ids.ToArray();
                random.Shuffle(mine);
                (await ChangeAsync(shop.Staff, "products", mine.Take(30).Select(id => new { id, stock = random.Next(1000) }).ToArray())).Status.ShouldBe(200, $"seed {seed}");
            }
        }));
    }

    /// <summary>While the first row is held by somebody else, a batch that names it last waits for it and holds none of the others.</summary>
    [Fact]
    public async Task Rows_are_locked_in_the_order_of_their_ids_and_not_of_the_elements()
    {
        var ids = await ProductsAsync(3, ("category", "in order"));
        await using var holder = await shop.Backend.ConnectAsync();
        await using var transaction = await holder.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await using (var hold = new Npgsql.NpgsqlCommand("select 1 from products where id = (select min(id::text)::uuid from products where category = 'in order') for update", holder, transaction))
            await hold.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);

        var waiting = ChangeAsync(shop.Staff, "products", ids.OrderDescending(StringComparer.Ordinal).Select(id => new { id, stock = 3 }).ToArray());
        await shop.Backend.UntilAsync("select count(*) > 0 from pg_stat_activity where datname = current_database() and application_name = 'test-app' and wait_event_type = 'Lock'");
        var free = await shop.Backend.ScalarAsync<long>("select count(*) from (select 1 from products where category = 'in order' for update skip locked) as row");
        await transaction.RollbackAsync(TestContext.Current.CancellationToken);

        free.ShouldBe(2);
        (await waiting).Expect(200);
    }

    [Fact]
    public async Task Of_two_batches_that_name_the_same_state_one_succeeds()
    {
        var ids = await ProductsAsync(20);

        var replies = await Task.WhenAll(Enumerable.Range(0, 6).Select(worker => ChangeAsync(shop.Staff, "products", ids.Select(id => new { id, ifMatch = "\"v1\"", stock = worker }).ToArray())));

        replies.Count(reply => reply.Status == 200).ShouldBe(1);
        replies.Count(reply => reply is { Status: 412, Faults.Count: 20 }).ShouldBe(5);
    }

    [Fact]
    public async Task A_thousand_rows_are_changed_and_deleted_at_once()
    {
        var ids = await ProductsAsync(1000, ("category", "thousand"));

        (await ChangeAsync(shop.Staff, "products", ids.Select((id, i) => new { id, stock = i }).ToArray())).Expect(200).Meta.GetProperty("count").GetInt32().ShouldBe(1000);
        (await shop.Backend.ScalarAsync<long>("select sum(stock) from products where category = 'thousand'")).ShouldBe(499_500);
        (await shop.Staff.PostAsync("/v1/products:batchDelete", ids)).Expect(204);
        (await shop.Backend.CountAsync("products where category = 'thousand'")).ShouldBe(0);
    }

    [Fact]
    public async Task What_a_resource_does_not_allow_has_no_batch_and_a_member_that_looks_like_a_condition_is_refused()
    {
        (await shop.Ann.PostAsync("/v1/secrets:batchDelete", new[] { "x" })).Expect(404);

        (await TestBackend.RefuseAsync(shop.Backend.ConnectionString, backend => backend.Resource<Conditional>("/v1/conditionals").AllowWrite(Policy.SignedIn))).ShouldContain("MST1404");
    }
}

public record Conditional(Id<Conditional> Id, [MaxLength(10)] string IfMatch);
