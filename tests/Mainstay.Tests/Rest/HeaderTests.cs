using System.Text;

namespace Mainstay.Tests;

/// <summary>Every header that is read is read in one way.</summary>
public sealed class HeaderTests(ShopFixture shop) : IClassFixture<ShopFixture>
{
    [Theory]
    [InlineData("application/json", 201)]
    [InlineData("application/json; charset=utf-8", 201)]
    [InlineData("application/json;charset=UTF-8", 201)]
    [InlineData("Application/JSON; Charset=\"UTF-8\"", 201)]
    [InlineData("application/json; charset=latin1", 415)]
    [InlineData("application/json; charset=", 415)]
    [InlineData("application/json; charset=iso-8859-1", 415)]
    [InlineData("application/json; charset=utf-16", 415)]
    [InlineData("application/json; charset=nonsense", 415)]
    [InlineData("application/json; charset=\"", 415)]
    [InlineData("application/json; charset=utf-8; charset=latin1", 415)]
    [InlineData("application/json; charset=latin1; charset=utf-8", 415)]
    [InlineData("application/json; a=1; A=1", 415)]
    [InlineData("application/json;;", 415)]
    [InlineData("application/json, application/json", 415)]
    [InlineData("application/xml", 415)]
    [InlineData("json", 415)]
    public async Task Only_a_clear_content_type_is_taken(string contentType, int status)
    {
        var reply = (await shop.Staff.PostAsync("/v1/products", Shop.Product(), "Content-Type: " + contentType)).Expect(status);

        if (status == 415)
        {
            reply.Expect(415, "unsupported-media-type").Header("Accept-Post").ShouldBe("application/json");
            reply.Header("Accept").ShouldBe("application/json");
        }
    }

    [Fact]
    public async Task A_refused_media_type_names_the_right_ones_for_each_method()
    {
        var path = "/v1/products/" + await shop.ProductAsync();

        var put = (await shop.Staff.PutAsync(path, Shop.Product(), "Content-Type: text/plain")).Expect(415, "unsupported-media-type");
        put.Header("Accept").ShouldBe("application/json");
        put.Header("Accept-Post").ShouldBeNull();
        (await shop.Staff.SendAsync("PATCH", path, "{}", "Content-Type: text/plain")).Expect(415).Header("Accept-Patch").ShouldBe("application/merge-patch+json, application/json");
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("deflate")]
    [InlineData("br")]
    [InlineData("zstd")]
    [InlineData("gzip, identity")]
    [InlineData("x-nonsense")]
    public async Task A_coded_body_is_refused_with_what_is_taken(string coding) =>
        (await shop.Staff.PostAsync("/v1/products", Shop.Product(), "Content-Encoding: " + coding)).Expect(415, "unsupported-content-coding").Header("Accept-Encoding").ShouldBe("identity");

    [Theory]
    [InlineData("application/json", 200)]
    [InlineData("APPLICATION/JSON", 200)]
    [InlineData("application/json; charset=utf-8", 200)]
    [InlineData("application/json;q=0.001", 200)]
    [InlineData("application/json;q=1.000", 200)]
    [InlineData("text/html, application/json;profile=\"a,b\"", 200)]
    [InlineData("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", 200)] // the client of Java
    [InlineData("application/json;q=abc, */*;q=0.5", 200)]
    [InlineData("application/json;q=0.000", 406)]
    [InlineData("application/json;q=abc", 406)]
    [InlineData("application/json;q=2", 406)]
    [InlineData("application/json;q=-1", 406)]
    [InlineData("application/json;q=1.001", 406)]
    [InlineData("application/json;q=0.1234", 406)]
    [InlineData("application/json;q=", 406)]
    [InlineData("application/json;q=0.5;q=0.5", 406)]
    [InlineData("application/json;q=NaN", 406)]
    [InlineData("application", 406)]
    [InlineData("*/json", 406)]
    [InlineData("@@@", 406)]
    [InlineData(",,,", 406)]
    [InlineData("text/html", 406)]
    public async Task A_range_that_is_malformed_counts_for_nothing(string accept, int status) =>
        (await shop.Anyone.GetAsync("/v1/products?pageSize=1", "Accept: " + accept)).Expect(status, status == 406 ? "not-acceptable" : null);

    [Theory]
    [InlineData("Accept-Charset: utf-16")]
    [InlineData("Accept-Charset: @@;q=7")]
    [InlineData("Accept-Encoding: @@;q=7")]
    [InlineData("Accept-Encoding: zstd;q=1.0, gzip;q=abc")]
    [InlineData("Accept-Language: ;;q=x")]
    [InlineData("Range: bytes=0-1")]
    [InlineData("X-Forwarded-Host: evil.example")]
    [InlineData("X-Forwarded-Prefix: /evil")]
    [InlineData("Forwarded: host=evil.example")]
    [InlineData("traceparent: nonsense")]
    public async Task Fields_that_choose_nothing_here_change_nothing(string header)
    {
        await shop.ProductAsync();
        var plain = (await shop.Anyone.GetAsync("/v1/products?pageSize=1")).Expect(200);

        var reply = (await shop.Anyone.GetAsync("/v1/products?pageSize=1", header)).Expect(200);

        reply.Text.ShouldBe(plain.Text);
        reply.Header("Link").ShouldBe(plain.Header("Link"));
    }

    [Fact]
    public async Task No_link_is_built_from_the_host_of_a_request()
    {
        foreach (var _ in new[] { 1, 2 })
            await shop.ProductAsync();

        foreach (var path in new[] { "/v1/products?pageSize=1", "/docs", "/v1/nothing" })
            (await shop.Backend.RawAsync($"GET {path} HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\nForwarded: host=evil.example\r\nConnection: close\r\n\r\n"))
                .ShouldHaveSingleItem().ToString().ShouldNotContain("evil", Case.Insensitive, path);
    }

    [Theory]
    [InlineData("Authorization: Test ann;customer", "+Authorization: Test ann;customer", 401, "unauthenticated")]
    [InlineData("Idempotency-Key: one", "+Idempotency-Key: one", 400, "invalid-idempotency-key")]
    [InlineData("Content-Type: application/json", "+Content-Type: application/json", 415, "unsupported-media-type")]
    [InlineData("Idempotency-Key: schlüssel", "X-Other: 1", 400, "invalid-idempotency-key")]
    [InlineData("Authorization: Bearer schlüssel", "X-Other: 1", 401, "unauthenticated")]
    public async Task A_field_that_stands_alone_is_refused_when_it_comes_twice_or_not_in_ascii(string first, string second, int status, string code)
    {
        var body = """{"sku":"twice"}""";
        var lines = new[] { "Authorization: Test sam;staff", "Content-Type: application/json" }.Where(line => !line.StartsWith(first[..first.IndexOf(':', StringComparison.Ordinal)], StringComparison.Ordinal));

        // By hand: the client would join the lines.
        var reply = (await shop.Backend.RawAsync($"POST /v1/products HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {body.Length}\r\n{string.Concat(lines.Append(first).Append(second.TrimStart('+')).Select(line => Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(line)) + "\r\n"))}\r\n{body}")).ShouldHaveSingleItem();

        reply.Expect(status, code);
    }

    [Fact]
    public async Task Lines_of_a_list_are_one_list()
    {
        var path = "/v1/products/" + await shop.ProductAsync();
        var etag = (await shop.Anyone.GetAsync(path)).ETag;

        foreach (var (name, method, status) in new[] { ("If-None-Match", "GET", 304), ("If-Match", "DELETE", 204) })
            (await shop.Backend.RawAsync($"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Test sam;staff\r\nConnection: close\r\n{name}: \"other\"\r\n{name}: {etag}\r\n\r\n")).ShouldHaveSingleItem().Expect(status);
    }
}
