using System.Text.Json;

namespace Mainstay.Tests;

public sealed class ResourceTests(ShopFixture shop) : IClassFixture<ShopFixture>
{
    [Fact]
    public async Task A_created_row_is_answered_with_201_its_location_and_the_very_bytes_that_a_get_gives()
    {
        var created = (await shop.Staff.PostAsync("/v1/products", Shop.Product(("note", "fine")))).Expect(201);

        var read = (await shop.Anyone.GetAsync(created.Header("Location")!)).Expect(200);
        read.Data.GetRawText().ShouldBe(created.Data.GetRawText());
        read.ETag.ShouldBe(created.ETag);
        created.Header("Location").ShouldBe("/v1/products/" + created.Id);
        read.Meta.GetRawText().ShouldBe("{}");
    }

    [Fact]
    public async Task Every_scalar_comes_back_as_it_was_sent_and_a_get_repeats_the_answer_of_the_post()
    {
        var edges = new[]
        {
            Shop.Everything(),
            Shop.Everything(("text", "ä€😀 \"\\\n\t"), ("small", short.MinValue), ("number", int.MinValue), ("big", long.MinValue), ("amount", 79228162514264337593543950335m), ("ratio", double.Epsilon), ("share", float.MaxValue)),
            Shop.Everything(("text", ""), ("small", short.MaxValue), ("number", int.MaxValue), ("big", long.MaxValue), ("amount", -0.0000000000000000000000000001m), ("ratio", double.MinValue), ("share", 0.1f)),
            Shop.Everything(("at", "0001-01-01T00:00:00Z"), ("day", "0001-01-01"), ("time", "00:00:00"), ("length", "PT0S")),
            Shop.Everything(("at", "9999-12-31T23:59:59.999999Z"), ("day", "9999-12-31"), ("time", "23:59:59.999999"), ("length", "P10675199DT2H48M5.477580S")),
            Shop.Everything(("at", "2026-01-31T10:30:00.123456789+01:00".Replace("789", "7", StringComparison.Ordinal)), ("length", "-PT0.000001S")),
            Shop.Everything(("length", "PT0.1234567S"), ("amount", 1.10m), ("bytes", "")),
            Shop.Everything(("document", new object?[] { 1, "a", null, new { b = 1.5 } }), ("maybeText", "x"), ("maybeNumber", 0), ("maybeAt", "2026-01-31T09:30:00Z"), ("maybeState", "inDelivery"), ("maybeAmount", 1.0m),
                ("maybeBytes", "/w=="), ("maybeDocument", "text"), ("origin", "here"), ("productId", await shop.ProductAsync())),
        };
        foreach (var edge in edges)
        {
            var created = (await shop.Anyone.PostAsync("/v1/everything", edge)).Expect(201);

            var read = (await shop.Anyone.GetAsync("/v1/everything/" + created.Id)).Expect(200);
            // Documents come back as PostgreSQL orders and spaces them; everything else byte for byte.
            Bare(read).ShouldBe(Bare(created));
            JsonElement.DeepEquals(read.Data, created.Data).ShouldBeTrue();
            Bare((await shop.Anyone.PutAsync("/v1/everything/" + created.Id, read.Data)).Expect(200)).ShouldBe(Bare(read));
        }
    }

    private static string Bare(Reply reply) => string.Join(',', reply.Data.EnumerateObject().Where(member => !member.Name.EndsWith("ocument", StringComparison.Ordinal)).Select(member => member.ToString()));

    [Fact]
    public async Task Members_left_out_get_their_default_and_optional_ones_null()
    {
        var created = (await shop.Anyone.PostAsync("/v1/everything", Shop.Everything())).Expect(201).Data;

        created.GetProperty("origin").GetString().ShouldBe("nowhere");
        created.GetProperty("maybeText").ValueKind.ShouldBe(JsonValueKind.Null);
    }

    [Fact]
    public async Task Put_replaces_everything_that_the_client_may_set_and_keeps_the_rest()
    {
        var id = await shop.ProductAsync(("note", "old"));
        await shop.Backend.ExecuteAsync($"update products set sold = 7 where sku = '{(await shop.Anyone.GetAsync("/v1/products/" + id)).Data.GetProperty("sku")}'");

        var replaced = (await shop.Staff.PutAsync("/v1/products/" + id, Shop.Product(("name", "New")))).Expect(200);

        replaced.Data.GetProperty("note").ValueKind.ShouldBe(JsonValueKind.Null);
        replaced.Data.GetProperty("sold").GetInt32().ShouldBe(7);
        replaced.Data.GetProperty("id").GetString().ShouldBe(id);
        replaced.Header("ETag").ShouldBeNull();
        (await shop.Anyone.GetAsync("/v1/products/" + id)).ETag.ShouldStartWith("\"v2-");
    }

    [Fact]
    public async Task Put_takes_back_what_was_got_but_no_change_of_what_the_server_sets()
    {
        var id = await shop.ProductAsync();
        var got = (await shop.Anyone.GetAsync("/v1/products/" + id)).Data;
        var other = await shop.ProductAsync();

        (await shop.Staff.PutAsync("/v1/products/" + id, got)).Expect(200);

        (await shop.Staff.PutAsync("/v1/products/" + id, Shop.Product(("sold", 5), ("id", other)))).Expect(400, "validation-failed").Faults.ShouldBe(["#/id readOnly", "#/sold readOnly"]);
        (await shop.Staff.PutAsync("/v1/products/" + id, Shop.Product(("sold", 5)).Where(pair => pair.Key != "name").ToDictionary())).Expect(400).Faults.ShouldContain("#/name required");
    }

    [Fact]
    public async Task A_member_that_the_server_sets_is_refused_once_at_creation()
    {
        (await shop.Staff.PostAsync("/v1/products", Shop.Product(("sold", 5)))).Expect(400, "validation-failed").Faults.ShouldBe(["#/sold readOnly"]);
        (await shop.Staff.PostAsync("/v1/products", Shop.Product(("id", "product_01h455vb4pex5vsknk084sn02q")))).Expect(400, "validation-failed").Faults.ShouldBe(["#/id readOnly"]);
    }

    [Fact]
    public async Task Merge_patch_keeps_what_is_absent_and_removes_what_is_null()
    {
        var id = await shop.ProductAsync(("note", "old"));

        var patched = (await shop.Staff.PatchAsync("/v1/products/" + id, """{"price":7,"note":null}""")).Expect(200);

        patched.Data.GetProperty("price").GetDecimal().ShouldBe(7);
        patched.Data.GetProperty("note").ValueKind.ShouldBe(JsonValueKind.Null);
        patched.Data.GetProperty("stock").GetInt32().ShouldBe(10);
        (await shop.Staff.PatchAsync("/v1/products/" + id, """{"name":null}""")).Expect(400).Faults.ShouldBe(["#/name required"]);
        (await shop.Staff.PatchAsync("/v1/products/" + id, "[]")).Expect(400).Faults.ShouldBe(["# type"]);
        (await shop.Staff.PatchAsync("/v1/products/" + id, """{"stock":-1,"prise":1}""")).Expect(400).Faults.ShouldBe(["#/stock range", "#/prise unknown"]);
        (await shop.Anyone.GetAsync("/v1/products/" + id)).ETag.ShouldBe(patched.ETag);
    }

    /// <summary>RFC 7396, appendix A, as far as a member can hold the result: null would be no document.</summary>
    [Theory]
    [MemberData(nameof(MergePatchTests.OfDocuments), MemberType = typeof(MergePatchTests))]
    public async Task Merge_patch_goes_into_documents(string target, string patch, string result)
    {
        var id = (await shop.Anyone.PostAsync("/v1/everything", Shop.Everything(("document", JsonElement.Parse(target))))).Expect(201).Id;

        (await shop.Anyone.PatchAsync("/v1/everything/" + id, $$"""{"document":{{patch}}}""")).Expect(200);

        var stored = (await shop.Anyone.GetAsync("/v1/everything/" + id)).Data.GetProperty("document");
        JsonElement.DeepEquals(stored, JsonElement.Parse(result)).ShouldBeTrue(stored.GetRawText());
    }

    [Fact]
    public async Task A_document_that_must_be_there_cannot_be_removed_and_one_that_need_not_can()
    {
        var id = (await shop.Anyone.PostAsync("/v1/everything", Shop.Everything(("maybeDocument", new { a = 1 })))).Expect(201).Id;

        (await shop.Anyone.PatchAsync("/v1/everything/" + id, """{"document":null}""")).Expect(400).Faults.ShouldBe(["#/document required"]);
        (await shop.Anyone.PatchAsync("/v1/everything/" + id, """{"maybeDocument":null}""")).Expect(200).Data.GetProperty("maybeDocument").ValueKind.ShouldBe(JsonValueKind.Null);
        (await shop.Anyone.PostAsync("/v1/everything", Shop.Everything(("document", null)))).Expect(400).Faults.ShouldBe(["#/document required"]);
    }

    [Theory]
    [InlineData("1e200000")]
    [InlineData("-1e200000")]
    [InlineData("1e-200000")]
    public async Task A_number_that_the_database_cannot_hold_is_refused_in_a_document(string number)
    {
        var body = JsonSerializer.Serialize(Shop.Everything(("document", "#"))).Replace("\"#\"", $$"""{"a":[{{number}}]}""", StringComparison.Ordinal);

        (await shop.Anyone.PostAsync("/v1/everything", body)).Expect(400, "validation-failed").Faults.ShouldBe(["#/document/a/0 range"]);
    }

    [Fact]
    public async Task A_patch_that_changes_nothing_makes_no_new_version_and_no_audit_entry()
    {
        var id = await shop.ProductAsync();
        var before = (await shop.Anyone.GetAsync("/v1/products/" + id)).ETag;
        var entries = await shop.AuditedAsync();

        (await shop.Staff.PatchAsync("/v1/products/" + id, """{"stock":10}""")).Expect(200).ETag.ShouldBe(before);
        (await shop.AuditedAsync()).ShouldBe(entries);
    }

    [Fact]
    public async Task A_deleted_row_is_gone()
    {
        var id = await shop.ProductAsync();

        var deleted = (await shop.Staff.DeleteAsync("/v1/products/" + id)).Expect(204);

        deleted.Text.ShouldBeEmpty();
        (await shop.Anyone.GetAsync("/v1/products/" + id)).Expect(404, "not-found");
        (await shop.Staff.DeleteAsync("/v1/products/" + id)).Expect(404, "not-found");
        (await shop.Staff.PutAsync("/v1/products/" + id, Shop.Product())).Expect(404, "not-found");
        (await shop.Staff.PatchAsync("/v1/products/" + id, """{"price":7}""")).Expect(404, "not-found");
    }

    [Theory]
    [InlineData("order_01h455vb4pex5vsknk084sn02q")]
    [InlineData("PRODUCT_01h455vb4pex5vsknk084sn02q")]
    [InlineData("product_01H455VB4PEX5VSKNK084SN02Q")]
    [InlineData("01h455vb4pex5vsknk084sn02q")]
    [InlineData("product_81h455vb4pex5vsknk084sn02q")]
    [InlineData("01890a5d-ac96-774b-bcce-b302099a8057")]
    [InlineData("product_01h455vb4pex5vsknk084sn02q%20")]
    [InlineData("%E2%82%AC")]
    [InlineData("1;drop%20table%20products")]
    [InlineData("product_01h455vb4pex5vsknk084sn02q")]
    public async Task What_is_no_id_of_the_resource_names_nothing(string id)
    {
        (await shop.Anyone.GetAsync("/v1/products/" + id)).Expect(404, "not-found");
        (await shop.Staff.PatchAsync("/v1/products/" + id, "{}")).Expect(404, "not-found");
        (await shop.Staff.DeleteAsync("/v1/products/" + id)).Expect(404, "not-found");
    }

    [Fact]
    public async Task Sparse_fields_show_what_is_asked_for_under_a_tag_of_its_own_that_still_guards_a_write()
    {
        var id = await shop.ProductAsync();
        var whole = (await shop.Anyone.GetAsync("/v1/products/" + id)).Expect(200);

        var part = (await shop.Anyone.GetAsync($"/v1/products/{id}?fields=name,id")).Expect(200);

        part.Data.EnumerateObject().Select(member => member.Name).ShouldBe(["id", "name"]);
        part.ETag.ShouldNotBe(whole.ETag);
        (await shop.Anyone.GetAsync($"/v1/products/{id}?fields=name,id", "If-None-Match: " + whole.ETag)).Expect(200);
        (await shop.Anyone.GetAsync($"/v1/products/{id}?fields=name,id", "If-None-Match: " + part.ETag)).Expect(304);
        (await shop.Staff.PatchAsync("/v1/products/" + id, """{"price":1}""", "If-Match: " + part.ETag)).Expect(200);
        (await shop.Anyone.GetAsync("/v1/products?fields=sku&pageSize=1")).Data[0].EnumerateObject().Single().Name.ShouldBe("sku");
        (await shop.Anyone.GetAsync($"/v1/products/{id}?fields=naem,row_version")).Expect(400, "invalid-parameter").Faults.ShouldBe(["fields unknown", "fields unknown"]);
        (await shop.Anyone.GetAsync($"/v1/products/{id}?feilds=name")).Detail.ShouldNotBeNull();
        (await shop.Anyone.GetAsync($"/v1/products/{id}?feilds=name")).Text.ShouldContain("Did you mean 'fields'?");
    }

    [Fact]
    public async Task Nested_routes_list_and_create_under_their_parent()
    {
        var order = await shop.OrderAsync(shop.Ann, "ann");
        var other = await shop.OrderAsync(shop.Ann, "ann");

        var made = (await shop.Ann.PostAsync($"/v1/orders/{order}/lines", new { ownerId = "ann", text = "one", number = 1 })).Expect(201);

        made.Data.GetProperty("orderId").GetString().ShouldBe(order);
        (await shop.Ann.GetAsync($"/v1/orders/{order}/lines")).Expect(200).Data.GetArrayLength().ShouldBe(1);
        (await shop.Ann.GetAsync($"/v1/orders/{other}/lines")).Expect(200).Data.GetArrayLength().ShouldBe(0);
        (await shop.Ann.PostAsync($"/v1/orders/{order}/lines", new { orderId = other, ownerId = "ann", text = "one", number = 1 })).Expect(400).Faults.ShouldBe(["#/orderId mismatch"]);
        (await shop.Ann.PostAsync($"/v1/orders/{order}/lines", new { orderId = order, ownerId = "ann", text = "two", number = 2 })).Expect(201);
        (await shop.Ann.GetAsync("/v1/orders/order_01h455vb4pex5vsknk084sn02q/lines")).Expect(404, "not-found");
        (await shop.Ann.PostAsync("/v1/orders/order_01h455vb4pex5vsknk084sn02q/lines", new { ownerId = "ann", text = "one", number = 1 })).Expect(404, "not-found");
        (await shop.Ann.GetAsync("/v1/orders/nonsense/lines")).Expect(404, "not-found");
    }

    [Fact]
    public async Task Includes_show_parents_and_the_newest_children_and_null_for_an_optional_parent()
    {
        var order = await shop.OrderAsync(shop.Ann, "ann");
        foreach (var number in new[] { 1, 2, 3 })
            (await shop.Ann.PostAsync("/v1/lines", new { orderId = order, ownerId = "ann", text = "x", number })).Expect(201);

        var got = (await shop.Ann.GetAsync($"/v1/orders/{order}?include=product,customer,lines")).Expect(200);

        got.Data.GetProperty("product").GetProperty("name").GetString()!.ShouldStartWith("Tea");
        got.Data.GetProperty("customer").ValueKind.ShouldBe(JsonValueKind.Null);
        got.Data.GetProperty("lines").EnumerateArray().Select(line => line.GetProperty("number").GetInt32()).ShouldBe([3, 2]);
        (await shop.Ann.GetAsync($"/v1/orders/{order}?include=product,customer,lines", "If-None-Match: " + got.ETag)).Expect(304);
        await shop.Staff.PatchAsync("/v1/products/" + got.Data.GetProperty("productId").GetString(), """{"stock":9}""");
        (await shop.Ann.GetAsync($"/v1/orders/{order}?include=product,customer,lines", "If-None-Match: " + got.ETag)).Expect(200);
        (await shop.Ann.GetAsync($"/v1/orders/{order}?include=produkt")).Expect(400, "invalid-parameter").Text.ShouldContain("Did you mean 'product'?");
    }

    [Fact]
    public async Task A_list_with_includes_takes_as_many_statements_for_thirty_rows_as_for_one()
    {
        for (var i = 0; i < 30; i++)
            await shop.OrderAsync(shop.User("cat"), "cat");
        async Task<int> RoundTripsAsync(int size)
        {
            var page = (await shop.User("cat").GetAsync($"/v1/orders?include=product,lines&pageSize={size}", $"Request-Id: trips-{size:0000}")).Expect(200);
            page.Data.EnumerateArray().ShouldAllBe(order => order.GetProperty("product").ValueKind == JsonValueKind.Object);
            return page.Data.GetArrayLength();
        }

        (await RoundTripsAsync(1)).ShouldBe(1);
        (await RoundTripsAsync(30)).ShouldBe(30);
    }

    [Fact]
    public async Task Includes_show_only_what_their_own_policy_lets_the_caller_see()
    {
        var customer = (await shop.Staff.PostAsync("/v1/customers", Shop.Customer())).Expect(201).Id;
        var order = await shop.OrderAsync(shop.Staff, "ann", customer: customer);
        foreach (var owner in new[] { "ann", "bob" })
            (await shop.Staff.PostAsync("/v1/lines", new { orderId = order, ownerId = owner, text = "x", number = 1 })).Expect(201);

        var ann = (await shop.Ann.GetAsync($"/v1/orders/{order}?include=customer,lines")).Expect(200).Data;
        var staff = (await shop.Staff.GetAsync($"/v1/orders/{order}?include=customer,lines")).Expect(200).Data;

        ann.GetProperty("customer").ValueKind.ShouldBe(JsonValueKind.Null);
        ann.GetProperty("lines").EnumerateArray().Select(line => line.GetProperty("ownerId").GetString()).ShouldBe(["ann"]);
        staff.GetProperty("customer").GetProperty("id").GetString().ShouldBe(customer);
        staff.GetProperty("lines").GetArrayLength().ShouldBe(2);
    }

    [Fact]
    public async Task A_batch_is_created_whole_or_not_at_all_and_names_the_elements_at_fault()
    {
        var rows = await shop.Backend.CountAsync("products");

        (await shop.Staff.PostAsync("/v1/products:batch", new[] { Shop.Product(), Shop.Product() })).Expect(201).Data.GetArrayLength().ShouldBe(2);
        (await shop.Staff.PostAsync("/v1/products:batch", new[] { Shop.Product(), Shop.Product(("stock", -1)), Shop.Product(("nmae", "x"), ("sold", 1)) })).Expect(400, "validation-failed")
            .Faults.ShouldBe(["#/1/stock range", "#/2/sold readOnly", "#/2/nmae unknown"], ignoreOrder: true);
        (await shop.Staff.PostAsync("/v1/products:batch", new[] { Shop.Product(("sku", "twin")), Shop.Product(), Shop.Product(("sku", "twin")) })).Expect(409, "already-exists").Faults.ShouldBe(["#/2/sku unique"]);
        (await shop.Staff.PostAsync("/v1/products:batch", "[]")).Expect(400).Faults.ShouldBe(["# maxItems"]);
        (await shop.Staff.PostAsync("/v1/products:batch", "{}")).Expect(400).Faults.ShouldBe(["# type"]);
        (await shop.Staff.PostAsync("/v1/products:batch", "[1,null]")).Expect(400).Faults.ShouldBe(["#/0 type", "#/1 type"]);
        (await shop.Staff.PostAsync("/v1/products:batch", $"[{string.Join(',', Enumerable.Repeat("{}", 1001))}]")).Expect(400).Faults.ShouldBe(["# maxItems"]);
        (await shop.Backend.CountAsync("products")).ShouldBe(rows + 2);
    }

    [Fact]
    public async Task A_batch_of_a_thousand_rows_is_one_transaction()
    {
        var rows = await shop.Backend.CountAsync("products");

        (await shop.Staff.PostAsync("/v1/products:batch", Enumerable.Range(0, 1000).Select(_ => Shop.Product(("category", "bulk"))).ToArray())).Expect(201).Meta.GetProperty("count").GetInt32().ShouldBe(1000);

        (await shop.Backend.CountAsync("products")).ShouldBe(rows + 1000);
    }
}
