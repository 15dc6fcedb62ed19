namespace Mainstay.Tests;

public sealed class RouterTests(ShopFixture shop) : IClassFixture<ShopFixture>
{
    [Fact]
    public async Task Head_is_get_without_a_body()
    {
        var path = "/v1/products/" + await shop.ProductAsync();
        var get = (await shop.Anyone.GetAsync(path)).Expect(200);

        var head = (await shop.Anyone.SendAsync("HEAD", path, null)).Expect(200);

        head.Text.ShouldBeEmpty();
        foreach (var name in new[] { "ETag", "Content-Length", "Content-Type", "Cache-Control", "Vary" })
            head.Header(name).ShouldBe(get.Header(name), name);
        (await shop.Anyone.SendAsync("HEAD", path, null, "If-None-Match: " + get.ETag)).Expect(304);
        (await shop.Anyone.SendAsync("HEAD", "/v1/products/nothing", null)).Status.ShouldBe(404);
        (await shop.Anyone.SendAsync("HEAD", "/v1/products?pageSize=1", null)).Expect(200).Text.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("/v1/products", "GET, HEAD, OPTIONS, POST")]
    [InlineData("/v1/products/x", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT")]
    [InlineData("/v1/products:batch", "OPTIONS, POST")]
    [InlineData("/v1/orders/x/lines", "GET, HEAD, OPTIONS, POST")]
    [InlineData("/health/live", "GET, HEAD, OPTIONS")]
    public async Task A_path_names_all_its_methods(string path, string methods)
    {
        static string Sorted(string? allow) => string.Join(", ", allow!.Split(',', StringSplitOptions.TrimEntries).Order(StringComparer.Ordinal));

        Sorted((await shop.Anyone.SendAsync("TRACE", path, null)).Expect(405, "method-not-allowed").Header("Allow")).ShouldBe(methods);
        Sorted((await shop.Anyone.SendAsync("BREW", path, null)).Expect(405, "method-not-allowed").Header("Allow")).ShouldBe(methods);
        var options = (await shop.Anyone.SendAsync("OPTIONS", path, null)).Expect(204);
        Sorted(options.Header("Allow")).ShouldBe(methods);
        options.Text.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/v1")]
    [InlineData("/v2/products")]
    [InlineData("/v1/products/x/y/z")]
    [InlineData("/v1/products/..%2f..%2fetc%2fpasswd")]
    [InlineData("/v1/%F0%9F%98%80")]
    public async Task What_is_not_there_is_a_problem_document(string path)
    {
        var reply = (await shop.Anyone.GetAsync(path)).Expect(404, "not-found");
        reply.Header("Request-Id").ShouldNotBeNull();
    }

    [Theory]
    [InlineData("my-request-0001", true)]
    [InlineData("short", false)]
    [InlineData("has spaces in it", false)]
    [InlineData("<script>alert(1)</script>", false)]
    [InlineData("0123456789012345678901234567890123456789012345678901234567890123456789", false)]
    public async Task A_harmless_request_id_of_the_caller_is_kept_and_any_other_replaced(string id, bool isKept)
    {
        var reply = (await shop.Staff.PostAsync("/v1/products", Shop.Product(), "Request-Id: " + id)).Expect(201);

        (reply.Header("Request-Id") == id).ShouldBe(isKept);
        reply.Meta.GetProperty("requestId").GetString().ShouldBe(reply.Header("Request-Id"));
        reply.Header("X-Content-Type-Options").ShouldBe("nosniff");
        reply.Header("Server").ShouldBeNull();
    }

    [Fact]
    public async Task Media_types_of_a_patch_are_named_when_another_is_sent()
    {
        var path = "/v1/products/" + await shop.ProductAsync();

        (await shop.Staff.SendAsync("PATCH", path, "[]", "Content-Type: application/json-patch+json")).Expect(415).Header("Accept-Patch").ShouldBe("application/merge-patch+json, application/json");
        (await shop.Staff.SendAsync("PATCH", path, """{"stock":1}""", "Content-Type: application/json")).Expect(200);
        (await shop.Staff.SendAsync("DELETE", path, "{}")).Expect(204);
    }

    [Fact]
    public async Task Writes_take_no_query()
    {
        (await shop.Staff.PostAsync("/v1/products?dryRun=true", Shop.Product())).Expect(400, "invalid-parameter").Faults.ShouldBe(["dryRun unknown"]);
        (await shop.Staff.PostAsync("/v1/products?a=%ff", Shop.Product())).Expect(400, "invalid-parameter");
    }

    [Fact]
    public async Task A_target_or_headers_that_are_too_large_are_problems_like_any_other()
    {
        (await shop.Anyone.GetAsync("/v1/products?cursor=" + new string('a', 9000))).Expect(414, "uri-too-long");
        (await shop.Anyone.GetAsync("/v1/products", "X-Large: " + new string('a', 33_000))).Expect(431, "headers-too-large");
        (await shop.Anyone.GetAsync("/v1/products?pageSize=1")).Expect(200);
    }
}
