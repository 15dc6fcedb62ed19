namespace Mainstay.Tests;

/// <summary>A path has one spelling, and knows its methods.</summary>
public sealed class PathTests(ShopFixture shop) : IClassFixture<ShopFixture>
{
    [Theory]
    [InlineData("/V1/products", "/v1/products")]
    [InlineData("/v1/Products", "/v1/products")]
    [InlineData("/v1/products/", "/v1/products")]
    [InlineData("//v1/products", "/v1/products")]
    [InlineData("/v1//products", "/v1/products")]
    [InlineData("/v1/./products", "/v1/products")]
    [InlineData("/v1/x/../products", "/v1/products")]
    [InlineData("/v1/%2e/products", "/v1/products")]
    [InlineData("/v1/x/%2E%2e/products", "/v1/products")]
    [InlineData("/v1\\products", "/v1/products")]
    [InlineData("/v1%5cproducts", "/v1/products")]
    [InlineData("/HEALTH/live", "/health/live")]
    [InlineData("/health/live/", "/health/live")]
    [InlineData("/Problems/not-found", "/problems/not-found")]
    [InlineData("/v1/OpenAPI.json", "/v1/openapi.json")]
    [InlineData("/docs/", "/docs")]
    public async Task Another_spelling_is_not_found_and_told_the_right_one(string path, string right)
    {
        if (path.Contains('\\', StringComparison.Ordinal))
        {
            (await shop.Anyone.GetAsync(path)).Expect(400, "malformed-request"); // a character that has to be encoded
            return;
        }
        (await shop.Anyone.GetAsync(path)).Expect(404, "not-found").Detail.ShouldContain($"Did you mean {right}?");
        (await shop.Anyone.SendAsync("DELETE", path, null)).Expect(404, "not-found");
        (await shop.Anyone.SendAsync("OPTIONS", path, null)).Expect(404, "not-found");
        (await shop.Anyone.GetAsync(right)).Status.ShouldBeOneOf(200, 302);
    }

    [Theory]
    [InlineData("/v1;a=b/products")]
    [InlineData("/v1/products;a=b")]
    [InlineData("/v1%2fproducts")]
    [InlineData("/v1/products%2F")]
    [InlineData("/v1/products/..%2f..%2fetc%2fpasswd")]
    [InlineData("/v1/products/%2e%2e")]
    [InlineData("/v1/%252e%252e/products")]
    [InlineData("/../../etc/passwd")]
    [InlineData("/v1/products%20")]
    [InlineData("/v1/produ\u0063ts%C3%A4")]
    public async Task What_only_looks_like_a_path_is_not_found(string path) => (await shop.Anyone.GetAsync(path)).Expect(404, "not-found");

    [Theory]
    [InlineData("/v1/%ff%fe")]
    [InlineData("/v1/%C0%AFproducts")]
    [InlineData("/v1/%E0%80%AF")]
    [InlineData("/v1/%ed%a0%80")]
    [InlineData("/v1/%zz")]
    [InlineData("/v1/%")]
    [InlineData("/v1/%4")]
    [InlineData("/v1/%0aproducts")]
    [InlineData("/v1/%7f")]
    [InlineData("/v1/a\"b")]
    [InlineData("/v1/a|b")]
    [InlineData("/v1/products#x")]
    public async Task A_path_that_is_no_encoded_text_is_malformed(string path) => (await shop.Anyone.GetAsync(path)).Expect(400, "malformed-request");

    [Theory]
    [InlineData("/v1/%70roducts")]
    [InlineData("/%76%31/products")]
    [InlineData("/v1/products?pageSize=%31")]
    public async Task A_needlessly_encoded_character_is_the_character(string path) => (await shop.Anyone.GetAsync(path)).Expect(200);

    [Fact]
    public async Task Equal_spellings_are_one_request_to_an_idempotency_key()
    {
        var (key, product) = ("Idempotency-Key: one-spelling", Shop.Product());

        var first = (await shop.Staff.PostAsync("/v1/products", product, key)).Expect(201);
        var again = (await shop.Staff.PostAsync("/v1/%70roducts", product, key)).Expect(201);

        again.Id.ShouldBe(first.Id);
        again.Header("Idempotency-Replayed").ShouldBe("true");
    }

    [Theory]
    [InlineData("/v1/products", "GET, HEAD, OPTIONS, POST")]
    [InlineData("/v1/products/x", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT")]
    [InlineData("/v1/products:batch", "OPTIONS, PATCH, POST")]
    [InlineData("/v1/orders/place", "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT")]
    [InlineData("/v1/orders/x/lines", "GET, HEAD, OPTIONS, POST")]
    [InlineData("/v1/secrets", "OPTIONS, POST")]
    [InlineData("/health/live", "GET, HEAD, OPTIONS")]
    [InlineData("/health/ready", "GET, HEAD, OPTIONS")]
    [InlineData("/openapi.json", "GET, HEAD, OPTIONS")]
    [InlineData("/v1/openapi.json", "GET, HEAD, OPTIONS")]
    [InlineData("/problems/not-found", "GET, HEAD, OPTIONS")]
    [InlineData("/docs", "GET, HEAD, OPTIONS")]
    [InlineData("/docs/index.html", "GET, HEAD, OPTIONS")]
    [InlineData("/docs/docs.js", "GET, HEAD, OPTIONS")]
    [InlineData("/docs/swagger-ui.css", "GET, HEAD, OPTIONS")]
    public async Task Allow_is_complete_and_true(string path, string methods)
    {
        foreach (var method in new[] { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW" })
        {
            var reply = await shop.Anyone.SendAsync(method, path, null);
            if (methods.Split(", ").Contains(method))
                reply.Status.ShouldNotBe(405, $"{method} {path}");
            else
                reply.Expect(405, method == "HEAD" ? null : "method-not-allowed").Header("Allow").ShouldBe(methods, $"{method} {path}");
        }
        var options = (await shop.Anyone.SendAsync("OPTIONS", path, null)).Expect(204);
        options.Header("Allow").ShouldBe(methods);
        options.Text.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("/v1/products?pageSize=1")]
    [InlineData("/v1/products/nothing")]
    [InlineData("/v1/nothing")]
    [InlineData("/v1/Products")]
    [InlineData("/v1/customers")]
    [InlineData("/health/live")]
    [InlineData("/health/ready")]
    [InlineData("/openapi.json")]
    [InlineData("/v1/openapi.json")]
    [InlineData("/problems/not-found")]
    [InlineData("/docs")]
    [InlineData("/docs/index.html")]
    [InlineData("/docs/docs.css")]
    [InlineData("/docs/swagger-ui-bundle.js")]
    public async Task Head_has_every_field_of_get_and_no_body(string path)
    {
        // The Request-Id decides the length of a problem document, so both send the same one.
        var get = await shop.Anyone.GetAsync(path, "Request-Id: the-same-one");
        var head = await shop.Anyone.SendAsync("HEAD", path, null, "Request-Id: the-same-one");

        head.Status.ShouldBe(get.Status);
        head.Text.ShouldBeEmpty();
        head.Headers.Where(header => header.Key is not "Date").OrderBy(header => header.Key, StringComparer.Ordinal)
            .ShouldBe(get.Headers.Where(header => header.Key is not "Date").OrderBy(header => header.Key, StringComparer.Ordinal));
    }
}
