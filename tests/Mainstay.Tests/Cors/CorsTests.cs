namespace Mainstay.Tests;

public sealed class CorsFixture(PostgresFixture postgres) : IAsyncLifetime
{
    internal string Database { get; private set; } = "";

    internal TestBackend Backend { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Database = await postgres.CreateDatabaseAsync();
        Backend = await StartAsync(backend => backend.Cors("https://app.example.com", "http://localhost:5173").AllowHeaders("Api-Key"));
    }

    internal Task<TestBackend> StartAsync(Action<Backend> cors, params string[] settings) => TestBackend.StartAsync(Database, backend =>
    {
        Shop.Declare(backend);
        backend.Query("GET /v1/broken", string () => throw new InvalidOperationException("broken")).Allow(Policy.Anyone);
        cors(backend);
    }, settings);

    public ValueTask DisposeAsync() => Backend?.DisposeAsync() ?? ValueTask.CompletedTask;
}

public sealed class CorsTests(CorsFixture fixture) : IClassFixture<CorsFixture>
{
    private const string Origin = "https://app.example.com";

    private Caller Anyone => fixture.Backend.Anonymous;

    private Task<Reply> PreflightAsync(string path, string method, string origin = Origin) =>
        Anyone.SendAsync("OPTIONS", path, null, $"Origin: {origin}", $"Access-Control-Request-Method: {method}", "Access-Control-Request-Headers: authorization,content-type,idempotency-key");

    [Fact]
    public async Task A_preflight_is_answered_with_the_methods_of_its_path_and_the_headers_of_the_contract()
    {
        var list = (await PreflightAsync("/v1/products", "POST")).Expect(204);
        var item = (await PreflightAsync("/v1/products/product_01h455vb4pex5vsknk084sn02q", "PATCH")).Expect(204);

        list.Header("Access-Control-Allow-Origin").ShouldBe(Origin);
        Methods(list).ShouldBe(["GET", "HEAD", "OPTIONS", "POST"]);
        Methods(item).ShouldBe(["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "PUT"]);
        var headers = list.Header("Access-Control-Allow-Headers")!.Split(',');
        foreach (var name in new[] { "Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "Prefer", "Request-Id", "traceparent", "Api-Key" })
            headers.ShouldContain(name);
        list.Header("Access-Control-Max-Age").ShouldBe("600");
        list.Header("Access-Control-Allow-Credentials").ShouldBeNull();
        list.Header("Vary").ShouldBe("Origin");
        list.Header("Request-Id").ShouldNotBeNull();
        list.Text.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_preflight_for_a_method_that_the_path_lacks_does_not_name_it() =>
        Methods((await PreflightAsync("/v1/products", "DELETE")).Expect(204)).ShouldNotContain("DELETE");

    [Fact]
    public async Task A_preflight_for_a_path_that_does_not_exist_lets_the_page_see_the_404()
    {
        var preflight = (await PreflightAsync("/v1/nothing", "GET")).Expect(204);
        var request = (await Anyone.GetAsync("/v1/nothing", $"Origin: {Origin}")).Expect(404, "not-found");

        preflight.Header("Access-Control-Allow-Origin").ShouldBe(Origin);
        preflight.Header("Access-Control-Allow-Methods").ShouldBeNull();
        request.Header("Access-Control-Allow-Origin").ShouldBe(Origin);
    }

    [Fact]
    public async Task An_answer_may_be_read_by_the_page_with_the_headers_of_the_contract()
    {
        var reply = (await Anyone.GetAsync("/v1/products", "Origin: http://localhost:5173")).Expect(200);

        reply.Header("Access-Control-Allow-Origin").ShouldBe("http://localhost:5173");
        var exposed = reply.Header("Access-Control-Expose-Headers")!.Split(',');
        foreach (var name in new[] { "Request-Id", "ETag", "Location", "Link", "Retry-After", "RateLimit", "RateLimit-Policy", "Idempotency-Replayed", "Deprecation", "Sunset", "Preference-Applied" })
            exposed.ShouldContain(name);
        reply.Header("Access-Control-Allow-Methods").ShouldBeNull();
    }

    [Fact]
    public async Task Refusals_from_everywhere_may_be_read_too()
    {
        var etag = (await Anyone.GetAsync("/v1/products")).Expect(200).Header("ETag");
        Reply[] replies =
        [
            (await Anyone.GetAsync("/v1/products", $"Origin: {Origin}", $"If-None-Match: {etag}")).Expect(304),
            (await Anyone.GetAsync("/v1/products?nonsense=1", $"Origin: {Origin}")).Expect(400),
            (await Anyone.GetAsync("/v1/customers", $"Origin: {Origin}")).Expect(401),
            (await Anyone.GetAsync("/nothing", $"Origin: {Origin}")).Expect(404),
            (await Anyone.DeleteAsync("/v1/products", $"Origin: {Origin}")).Expect(405),
            (await Anyone.GetAsync("/v1/broken", $"Origin: {Origin}")).Expect(500),
            (await Anyone.GetAsync("/health/live", $"Origin: {Origin}")),
        ];

        replies.ShouldAllBe(reply => reply.Header("Access-Control-Allow-Origin") == Origin && reply.Header("Access-Control-Expose-Headers") != null && reply.Header("Vary")!.EndsWith("Origin"));
    }

    [Theory]
    [InlineData("https://evil.example.com")]
    [InlineData("https://app.example.com.evil.example")]
    [InlineData("http://app.example.com")]
    [InlineData("https://app.example.com:8443")]
    [InlineData("https://app.example.com/")]
    [InlineData("null")]
    public async Task Another_origin_gets_the_answer_of_any_client_and_no_permission(string origin)
    {
        var reply = (await Anyone.GetAsync("/v1/products", $"Origin: {origin}")).Expect(200);
        var preflight = (await PreflightAsync("/v1/products", "POST", origin)).Expect(204);
        (await PreflightAsync("/v1/nothing", "POST", origin)).Expect(404);

        foreach (var name in reply.Headers.Keys.Concat(preflight.Headers.Keys))
            name.ShouldNotStartWith("Access-Control", Case.Insensitive);
        reply.Header("Vary").ShouldBe("Authorization, Accept-Encoding, Origin");
        preflight.Header("Vary").ShouldBe("Origin");
    }

    [Fact]
    public async Task Caches_are_told_also_when_no_origin_is_named()
    {
        var reply = (await Anyone.GetAsync("/v1/products")).Expect(200);

        reply.Header("Vary").ShouldBe("Authorization, Accept-Encoding, Origin");
        reply.Header("Access-Control-Allow-Origin").ShouldBeNull();
    }

    [Fact]
    public async Task An_ordinary_options_still_says_what_is_allowed()
    {
        var reply = (await Anyone.SendAsync("OPTIONS", "/v1/products", null)).Expect(204);

        reply.Header("Allow")!.Split(", ").Order().ShouldBe(["GET", "HEAD", "OPTIONS", "POST"]);
        reply.Header("Access-Control-Allow-Methods").ShouldBeNull();
        (await Anyone.SendAsync("OPTIONS", "/v1/nothing", null)).Expect(404);
    }

    [Fact]
    public async Task Without_a_declaration_there_is_no_trace_of_it()
    {
        await using var backend = await fixture.StartAsync(_ => { });

        var reply = (await backend.Anonymous.GetAsync("/v1/products", $"Origin: {Origin}")).Expect(200);
        var preflight = (await backend.Anonymous.SendAsync("OPTIONS", "/v1/products", null, $"Origin: {Origin}", "Access-Control-Request-Method: POST")).Expect(204);

        reply.Header("Vary").ShouldBe("Authorization, Accept-Encoding");
        foreach (var name in reply.Headers.Keys.Concat(preflight.Headers.Keys))
            name.ShouldNotStartWith("Access-Control", Case.Insensitive);
    }

    [Fact]
    public async Task Everybody_may_be_allowed_by_name_of_the_star()
    {
        await using var backend = await fixture.StartAsync(backend => backend.Cors("*"));

        var reply = (await backend.Anonymous.GetAsync("/v1/products", "Origin: https://anything.example")).Expect(200);

        reply.Header("Access-Control-Allow-Origin").ShouldBe("*");
        reply.Header("Access-Control-Allow-Credentials").ShouldBeNull();
        reply.Header("Vary").ShouldBe("Authorization, Accept-Encoding, Origin");
    }

    [Fact]
    public async Task Credentials_are_allowed_to_named_origins_where_the_application_says_so()
    {
        await using var backend = await fixture.StartAsync(backend => backend.Cors(Origin).AllowCredentials());

        (await backend.Anonymous.GetAsync("/v1/products", $"Origin: {Origin}")).Header("Access-Control-Allow-Credentials").ShouldBe("true");
        (await backend.Anonymous.GetAsync("/v1/products", "Origin: https://evil.example")).Header("Access-Control-Allow-Credentials").ShouldBeNull();
    }

    [Fact]
    public async Task Operators_replace_the_declared_origins()
    {
        await using var one = await fixture.StartAsync(backend => backend.Cors(Origin), "--Mainstay:Cors:Origins=https://a.example, https://b.example");
        await using var other = await fixture.StartAsync(_ => { }, "--Mainstay:Cors:Origins:0=https://a.example", "--Mainstay:Cors:Origins:1=https://b.example");

        foreach (var backend in new[] { one, other })
        {
            (await backend.Anonymous.GetAsync("/v1/products", "Origin: https://b.example")).Header("Access-Control-Allow-Origin").ShouldBe("https://b.example");
            (await backend.Anonymous.GetAsync("/v1/products", $"Origin: {Origin}")).Header("Access-Control-Allow-Origin").ShouldBeNull();
        }
    }

    [Theory]
    [InlineData("https://app.example.com/", "a browser never sends; it would be https://app.example.com")]
    [InlineData("https://app.example.com/page", "a browser never sends; it would be https://app.example.com")]
    [InlineData("https://App.example.com", "a browser never sends; it would be https://app.example.com")]
    [InlineData("https://app.example.com:443", "a browser never sends; it would be https://app.example.com")]
    [InlineData("https://user@app.example.com", "a browser never sends; it would be https://app.example.com")]
    [InlineData("https://bücher.example", "a browser never sends; it would be https://xn--bcher-kva.example")]
    [InlineData("https://*.example.com", "has a wildcard")]
    [InlineData("app.example.com", "is no origin")]
    [InlineData("null", "is what every sandboxed page and local file says it is")]
    public async Task An_origin_that_no_browser_sends_refuses_the_start(string origin, string fault)
    {
        (await TestBackend.RefuseAsync(fixture.Database, backend => backend.Cors(origin))).ShouldStartWith($"MST2301: Cors has the origin '{origin}', which {fault}, expected scheme, host and port");
        (await TestBackend.RefuseAsync(fixture.Database, _ => { }, $"--Mainstay:Cors:Origins={origin}")).ShouldStartWith($"MST2301: Mainstay:Cors:Origins has the origin '{origin}', which {fault}");
    }

    [Fact]
    public async Task What_contradicts_itself_refuses_the_start_all_at_once()
    {
        var message = await TestBackend.RefuseAsync(fixture.Database, backend => backend.Cors("*").AllowCredentials().AllowHeaders("Not a name"));

        message.ShouldContain("MST2301: Cors allows '*' together with credentials, expected '*' alone");
        message.ShouldContain("MST2301: Cors allows the header 'Not a name'");
        (await TestBackend.RefuseAsync(fixture.Database, backend => backend.Cors("*", Origin))).ShouldContain("'*' together with other origins");
        (await TestBackend.RefuseAsync(fixture.Database, backend => backend.Cors().AllowCredentials())).ShouldContain("allows something to no origin");
    }

    private static IEnumerable<string> Methods(Reply reply) => reply.Header("Access-Control-Allow-Methods")!.Split(',').Order();
}
