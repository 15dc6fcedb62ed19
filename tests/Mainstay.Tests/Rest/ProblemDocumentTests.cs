using System.Text.Json;

namespace Mainstay.Tests;

/// <summary>RFC 9457, through refusals of every part: router, sign-in, input, conditions, database.</summary>
public sealed class ProblemDocumentTests(ShopFixture shop) : IClassFixture<ShopFixture>
{
    [Fact]
    public async Task Every_refusal_is_a_problem_document_of_one_form()
    {
        var product = await shop.ProductAsync();
        var sku = (await shop.Anyone.GetAsync("/v1/products/" + product)).Data.GetProperty("sku").GetString()!;
        var titles = new Dictionary<string, string>();
        foreach (var reply in new[]
        {
            await shop.Anyone.GetAsync("/nothing"),
            await shop.Anyone.SendAsync("BREW", "/v1/products", null),
            await shop.Anyone.GetAsync("/v1/orders"),
            await shop.Ann.PostAsync("/v1/products", Shop.Product()),
            await shop.Anyone.GetAsync("/v1/products/nothing"),
            await shop.Anyone.GetAsync("/v1/products?prise=1"),
            await shop.Anyone.GetAsync("/v1/products?cursor=x"),
            await shop.Anyone.GetAsync("/v1/products", "Accept: text/csv"),
            await shop.Staff.PostAsync("/v1/products", "{"),
            await shop.Staff.PostAsync("/v1/products", "x", "Content-Type: text/plain"),
            await shop.Staff.PostAsync("/v1/products", new { sku = 1, price = "x", nothing = true }),
            await shop.Staff.PostAsync("/v1/products", Shop.Product(("sku", sku))),
            await shop.Staff.PatchAsync("/v1/products/" + product, "{}", "If-Match: \"x\""),
            await shop.Staff.DeleteAsync("/v1/customers/" + (await shop.Staff.PostAsync("/v1/customers", Shop.Customer())).Id),
            await shop.Ann.PostAsync("/v1/orders/place", new { productId = product, quantity = 99 }),
            await shop.Anyone.GetAsync("/v1/products", "Accept: application/json", "If-Match: \"x\""),
        })
        {
            reply.Expect(reply.Status);
            reply.Status.ShouldBeInRange(400, 499, reply.ToString());
            var problem = reply.Json;
            foreach (var member in problem.EnumerateObject())
            {
                member.Name.ShouldMatch("^[A-Za-z][A-Za-z0-9_]{2,}$");
                member.Value.ValueKind.ShouldBe(member.Name switch { "status" => JsonValueKind.Number, "errors" => JsonValueKind.Array, _ => JsonValueKind.String });
            }
            problem.GetProperty("type").GetString().ShouldBe("/problems/" + reply.Code);
            (await shop.Anyone.GetAsync(problem.GetProperty("type").GetString()!)).Expect(200);
            var title = problem.GetProperty("title").GetString()!;
            titles.TryAdd(reply.Code, title);
            titles[reply.Code].ShouldBe(title);
            reply.Detail.ShouldNotBe(title);
            reply.Text.ShouldNotMatch("(?i)exception|stack|npgsql|select |insert |127\\.0\\.0\\.1|localhost|   at ");
            problem.GetProperty("requestId").GetString().ShouldBe(reply.Header("Request-Id"));
            reply.Header("Content-Length").ShouldBe($"{reply.Bytes.Length}");
            reply.Header("ETag").ShouldBeNull();
        }
        titles.Count.ShouldBeGreaterThan(10);
    }

    [Fact]
    public async Task Several_faults_are_one_problem_with_a_place_for_each()
    {
        var reply = (await shop.Staff.PostAsync("/v1/products", """{"sku":1,"price":-1,"nothing":true}""")).Expect(400, "validation-failed");

        reply.Faults.Count.ShouldBeGreaterThan(3);
        foreach (var error in reply.Json.GetProperty("errors").EnumerateArray())
        {
            error.GetProperty("pointer").GetString()!.ShouldMatch("^#(/[a-z]+)*$");
            error.GetProperty("code").GetString().ShouldNotBeNullOrEmpty();
            error.GetProperty("detail").GetString().ShouldNotBeNullOrEmpty();
        }
    }

    [Theory]
    [InlineData("/nothing", 404)]
    [InlineData("/v1/products/nothing", 404)]
    [InlineData("/v1/orders", 401)]
    [InlineData("/v1/products?prise=1", 400)]
    public async Task Head_of_a_refusal_has_its_fields_and_no_body(string path, int status)
    {
        var get = (await shop.Anyone.GetAsync(path, "Request-Id: same-request")).Expect(status);

        var head = (await shop.Anyone.SendAsync("HEAD", path, null, "Request-Id: same-request")).Expect(status);

        head.Bytes.ShouldBeEmpty();
        // The detail of the router names the method, which is one letter longer.
        foreach (var name in new[] { "Content-Type", "Cache-Control", "WWW-Authenticate", "Request-Id", "X-Content-Type-Options" })
            head.Header(name).ShouldBe(get.Header(name), name);
        head.Header("Content-Length").ShouldNotBeNull();
    }
}
