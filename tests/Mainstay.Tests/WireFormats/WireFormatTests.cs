using System.Text.Json.Nodes;

namespace Mainstay.Tests;

public record Summary(long Products);

/// <summary>The same shop behind envelopes of other contracts. Everything that answers must keep to them: operations, router, sign-in, replays.</summary>
public sealed class WireFormatTests(PostgresFixture postgres)
{
    private static readonly object tea = new { sku = "T-1", name = "Assam", category = "tea", price = 4.5, stock = 3 };

    [Fact]
    public async Task Refusals_take_the_form_of_an_error_envelope_wherever_they_come_from()
    {
        await using var backend = await StartAsync(new ErrorEnvelope());
        var staff = backend.User("sam", "staff");

        var created = (await staff.PostAsync("/v1/products", tea)).Expect(201);
        (Reply Reply, int Status, string Code)[] refusals =
        [
            (await staff.PostAsync("/v1/products", new { sku = "T-2" }), 400, "VALIDATION_FAILED"),
            (await staff.PostAsync("/v1/products", tea), 409, "ALREADY_EXISTS"),
            (await staff.PostAsync("/v1/products", "{"), 400, "MALFORMED_JSON"),
            (await staff.PostAsync("/v1/products", tea, "Content-Type: text/plain"), 415, "UNSUPPORTED_MEDIA_TYPE"),
            (await backend.Anonymous.GetAsync("/v1/products?colour=red"), 400, "INVALID_PARAMETER"),
            (await backend.Anonymous.GetAsync("/v1/orders"), 401, "UNAUTHENTICATED"),
            (await backend.User("ann", "customer").PostAsync("/v1/products", tea), 403, "FORBIDDEN"),
            (await backend.Anonymous.GetAsync("/nowhere"), 404, "NOT_FOUND"),
            (await backend.Anonymous.SendAsync("DELETE", "/v1/products", null), 405, "METHOD_NOT_ALLOWED"),
            (await backend.Anonymous.GetAsync("/v1/products", "Accept: text/csv"), 406, "NOT_ACCEPTABLE"),
            (await staff.PatchAsync($"/v1/products/{created.Id}", new { name = "Darjeeling" }, "If-Match: \"v99\""), 412, "PRECONDITION_FAILED"),
        ];

        foreach (var (reply, status, code) in refusals)
        {
            reply.Status.ShouldBe(status, reply.ToString());
            reply.Header("Content-Type").ShouldBe("application/json", reply.ToString());
            reply.Header("Cache-Control").ShouldBe("no-store", reply.ToString());
            reply.Json.EnumerateObject().ShouldHaveSingleItem().Name.ShouldBe("error");
            var error = reply.Json.GetProperty("error");
            error.GetProperty("code").GetString().ShouldBe(code);
            error.GetProperty("message").GetString().ShouldNotBeNullOrEmpty();
            error.GetProperty("details").GetArrayLength().ShouldBe(code is "VALIDATION_FAILED" ? error.GetProperty("details").GetArrayLength() : code is "INVALID_PARAMETER" or "ALREADY_EXISTS" ? 1 : 0);
        }
        refusals[0].Reply.Json.GetProperty("error").GetProperty("details").EnumerateArray().Select(detail => detail.GetProperty("field").GetString()).ShouldContain("name");
    }

    [Fact]
    public async Task Results_keep_the_default_form_when_only_refusals_are_replaced()
    {
        await using var backend = await StartAsync(new ErrorEnvelope());

        var created = (await backend.User("sam", "staff").PostAsync("/v1/products", tea)).Expect(201);
        var page = (await backend.Anonymous.GetAsync("/v1/products")).Expect(200);

        created.Meta.GetProperty("requestId").GetString().ShouldStartWith("req_");
        page.Data.GetArrayLength().ShouldBe(1);
        page.Meta.GetProperty("pageSize").GetInt32().ShouldBe(20);
    }

    [Fact]
    public async Task Results_take_the_names_of_a_foreign_contract()
    {
        await using var backend = await StartAsync(new NamedEnvelope());
        var staff = backend.User("sam", "staff");

        var created = await staff.PostAsync("/v1/products", tea, "Idempotency-Key: \"one\"");
        created.Status.ShouldBe(201, created.ToString());
        var id = created.Json.GetProperty("product").GetProperty("id").GetString()!;
        var repeated = await staff.PostAsync("/v1/products", tea, "Idempotency-Key: \"one\"");
        var one = await backend.Anonymous.GetAsync($"/v1/products/{id}");
        var page = await backend.Anonymous.GetAsync("/v1/products");
        var sameOne = await backend.Anonymous.GetAsync($"/v1/products/{id}", $"If-None-Match: {one.ETag}");
        var samePage = await backend.Anonymous.GetAsync("/v1/products", $"If-None-Match: {page.ETag}");
        var batch = await staff.PostAsync("/v1/products:batch", new[] { new { sku = "T-2", name = "Uji", category = "tea", price = 4.5, stock = 3 } });
        var order = await backend.User("ann", "customer").PostAsync("/v1/orders/place", new { productId = id, quantity = 1 });
        var summary = await staff.GetAsync("/v1/summary");

        created.Json.EnumerateObject().ShouldHaveSingleItem().Name.ShouldBe("product");
        repeated.Text.ShouldBe(created.Text);
        repeated.Header("Idempotency-Replayed").ShouldBe("true");
        one.Json.GetProperty("product").GetProperty("name").GetString().ShouldBe("Assam");
        page.Json.GetProperty("products").GetArrayLength().ShouldBe(1);
        page.Json.GetProperty("productsCount").GetInt32().ShouldBe(1);
        sameOne.Status.ShouldBe(304);
        samePage.Status.ShouldBe(304);
        batch.Json.GetProperty("productsCount").GetInt32().ShouldBe(1);
        order.Json.GetProperty("order").GetProperty("quantity").GetInt32().ShouldBe(1);
        summary.Json.EnumerateObject().ShouldHaveSingleItem().Name.ShouldBe("result");
    }

    [Fact]
    public async Task Refusals_take_the_names_and_the_statuses_of_a_foreign_contract()
    {
        await using var backend = await StartAsync(new NamedEnvelope());
        var staff = backend.User("sam", "staff");
        await staff.PostAsync("/v1/products", tea);

        var invalid = await staff.PostAsync("/v1/products", new { sku = "T-2", name = 1, category = "tea", price = -1, stock = 3 }, "Idempotency-Key: \"bad\"");
        var taken = await staff.PostAsync("/v1/products", tea, "Idempotency-Key: \"taken\"");
        var takenAgain = await staff.PostAsync("/v1/products", tea, "Idempotency-Key: \"taken\"");
        var missing = await backend.Anonymous.GetAsync("/nowhere");

        invalid.Status.ShouldBe(422, invalid.ToString());
        invalid.Json.GetProperty("errors").EnumerateObject().Select(field => field.Name).ShouldBe(["name", "price"], ignoreOrder: true);
        taken.Status.ShouldBe(422, taken.ToString());
        taken.Json.GetProperty("errors").GetProperty("sku").GetArrayLength().ShouldBe(1);
        takenAgain.Text.ShouldBe(taken.Text);
        takenAgain.Status.ShouldBe(422);
        takenAgain.Header("Idempotency-Replayed").ShouldBe("true");
        missing.Status.ShouldBe(404);
        missing.Json.GetProperty("errors").GetProperty("body")[0].GetString()!.ShouldContain("/nowhere");
    }

    [Theory]
    [InlineData(typeof(ErrorEnvelope))]
    [InlineData(typeof(NamedEnvelope))]
    public async Task The_document_describes_what_is_served(Type format)
    {
        await using var backend = await StartAsync((WireFormat)Activator.CreateInstance(format)!);
        var staff = backend.User("sam", "staff");
        var document = JsonNode.Parse((await staff.GetAsync("/openapi.json")).Text)!;
        var created = await staff.PostAsync("/v1/products", tea);

        foreach (var (path, method, reply) in new[]
        {
            ("/v1/products", "post", created),
            ("/v1/products", "post", await staff.PostAsync("/v1/products", tea)),
            ("/v1/products", "post", await staff.PostAsync("/v1/products", new { sku = "x" })),
            ("/v1/products", "get", await staff.GetAsync("/v1/products")),
            ("/v1/products", "get", await staff.GetAsync("/v1/products?colour=red")),
            ("/v1/products/{id}", "get", await staff.GetAsync(created.Header("Location")!)),
            ("/v1/products/{id}", "get", await staff.GetAsync("/v1/products/nothing")),
            ("/v1/products:batch", "post", await staff.PostAsync("/v1/products:batch", new[] { new { sku = "T-9", name = "Uji", category = "tea", price = 4.5, stock = 3 } })),
            ("/v1/summary", "get", await staff.GetAsync("/v1/summary")),
        })
        {
            var check = new SchemaCheck(document);
            var answer = check.Resolve(document["paths"]![path]![method]!["responses"]![$"{reply.Status}"] ?? throw new KeyNotFoundException($"{method} {path} documents no {reply.Status}."));
            var media = answer["content"]![reply.Header("Content-Type")!] ?? throw new KeyNotFoundException($"{method} {path} {reply.Status} documents no {reply.Header("Content-Type")}.");
            check.Check(JsonNode.Parse(reply.Text), media["schema"]!, $"{method} {path}");
            check.Findings.ShouldBeEmpty();
        }
    }

    [Fact]
    public async Task A_format_that_writes_what_it_does_not_describe_refuses_the_start()
    {
        var message = await TestBackend.RefuseAsync(await postgres.CreateDatabaseAsync(), shop =>
        {
            Shop.Declare(shop);
            shop.Format(new UndescribedEnvelope());
        });

        message.ShouldContain("MST1016");
        message.ShouldContain("EndItem but not ItemSchema");
        message.ShouldContain("WriteProblem but not ProblemSchema");
    }

    [Fact]
    public async Task A_format_that_fails_changes_nothing()
    {
        await using var backend = await StartAsync(new BrokenEnvelope());

        (await backend.User("sam", "staff").PostAsync("/v1/products", tea)).Expect(500, "internal-error").Text.ShouldNotContain("broken");

        (await backend.CountAsync("products")).ShouldBe(0);
    }

    private async Task<TestBackend> StartAsync(WireFormat format) =>
        await TestBackend.StartAsync(await postgres.CreateDatabaseAsync() + ";Application Name=test-app", shop =>
        {
            Shop.Declare(shop);
            shop.Query("GET /v1/summary", async (Snapshot snapshot) => (await snapshot.QueryAsync<Summary>($"select count(*) as products from products"))[0]).Allow(Policy.Anyone);
            shop.Format(format);
        });
}
