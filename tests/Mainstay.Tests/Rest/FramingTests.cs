using System.Text;
using Mainstay.Internal;
using Microsoft.AspNetCore.Hosting;

namespace Mainstay.Tests;

/// <summary>Requests that two programs could read differently, sent byte by byte.</summary>
public sealed class FramingTests(InputFixture fixture, PostgresFixture postgres) : IClassFixture<InputFixture>
{
    private const string Search = "POST /v1/empty HTTP/1.1\r\nHost: x\r\n";

    [Theory]
    [InlineData("GARBAGE\r\n\r\n")]
    [InlineData("\u0016\u0003\u0001\u0002\r\n\r\n")]
    [InlineData("GET  /v1/now HTTP/1.1\r\nHost: x\r\n\r\n")]
    [InlineData(" GET /v1/now HTTP/1.1\r\nHost: x\r\n\r\n")]
    [InlineData("GET /v1/now HTTP/1.1 \r\nHost: x\r\n\r\n")]
    [InlineData("G@T /v1/now HTTP/1.1\r\nHost: x\r\n\r\n")]
    [InlineData("GET /v1/now\r\n\r\n")]
    [InlineData("GET /v1/now%00 HTTP/1.1\r\nHost: x\r\n\r\n")]
    [InlineData("GET /v1/\u00e4 HTTP/1.1\r\nHost: x\r\n\r\n")]
    [InlineData("GET v1/now HTTP/1.1\r\nHost: x\r\n\r\n")]
    [InlineData("GET * HTTP/1.1\r\nHost: x\r\n\r\n")]
    [InlineData("GET x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n")]
    [InlineData("GET http://y/v1/now HTTP/1.1\r\nHost: x\r\n\r\n")]
    [InlineData("GET /v1/now HTTP/1.1\r\n\r\n")]
    [InlineData("GET /v1/now HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n")]
    [InlineData("GET /v1/now HTTP/1.1\r\nHost: x, y\r\n\r\n")]
    [InlineData("GET /v1/now HTTP/1.1\r\nHost: a b\r\n\r\n")]
    [InlineData("GET /v1/now HTTP/1.1\r\nHost: x@y\r\n\r\n")]
    [InlineData("GET /v1/now HTTP/1.1\r\nHost: x:port\r\n\r\n")]
    [InlineData("GET /v1/now HTTP/1.1\r\nHost: x\r\nBad Header: y\r\n\r\n")]
    [InlineData("GET /v1/now HTTP/1.1\r\nHost: x\r\nSpaced : y\r\n\r\n")]
    [InlineData("GET /v1/now HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n")]
    [InlineData("GET /v1/now HTTP/1.1\r\nHost: x\r\nNoColon\r\n\r\n")]
    [InlineData("GET /v1/now HTTP/1.1\r\nHost: x\r\nFolded: a\r\n b\r\n\r\n")]
    [InlineData("GET /v1/now HTTP/1.1\r\nHost: x\r\nNul: a\0b\r\n\r\n")]
    [InlineData("GET /v1/now HTTP/1.1\r\nHost: x\r\nLatin: \u00e4\r\n\r\n")]
    [InlineData("GET /v1/now HTTP/1.1\nHost: x\n\n")]
    [InlineData("GET /v1/now HTTP/1.1\r\nHost: x\nA: b\r\n\r\n")]
    [InlineData("GET /v1/now HTTP/1.1\r\nHost: x\r\nA: b\rC: d\r\n\r\n")]
    [InlineData(Search + "Content-Length: +2\r\n\r\n{}")]
    [InlineData(Search + "Content-Length: -1\r\n\r\n{}")]
    [InlineData(Search + "Content-Length: -0\r\n\r\n{}")]
    [InlineData(Search + "Content-Length: 0x2\r\n\r\n{}")]
    [InlineData(Search + "Content-Length: 2 2\r\n\r\n{}")]
    [InlineData(Search + "Content-Length: 2,2\r\n\r\n{}")]
    [InlineData(Search + "Content-Length: two\r\n\r\n{}")]
    [InlineData(Search + "Content-Length:\r\n\r\n{}")]
    [InlineData(Search + "Content-Length: 99999999999999999999999999999999\r\n\r\n{}")]
    [InlineData(Search + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}")]
    [InlineData(Search + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}")]
    [InlineData(Search + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n")]
    [InlineData(Search + "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n")]
    [InlineData(Search + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n")]
    [InlineData("POST /v1/empty HTTP/1.0\r\nHost: x\r\n\r\n{}")]
    public async Task What_is_no_request_is_refused_once_with_a_problem_and_the_connection_closed(string request) =>
        await fixture.Backend.RefusedRawAsync(request + "GET /v1/now HTTP/1.1\r\nHost: x\r\n\r\n", 400, "malformed-request");

    [Theory]
    [InlineData(Search + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "malformed-request")]
    [InlineData(Search + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", 400, "malformed-request")]
    [InlineData("POST /v1/empty HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n0\r\n\r\n", 400, "malformed-request")]
    [InlineData(Search + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 501, "unsupported-transfer-coding")]
    [InlineData(Search + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501, "unsupported-transfer-coding")]
    [InlineData(Search + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, "unsupported-transfer-coding")]
    [InlineData("GET /v1/now HTTP/3.7\r\nHost: x\r\n\r\n", 505, "http-version-not-supported")]
    [InlineData("CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n", 405, "method-not-allowed")]
    public async Task What_could_be_read_in_two_ways_is_refused_once_and_the_connection_closed(string request, int status, string code) =>
        await fixture.Backend.RefusedRawAsync(request + "GET /v1/now HTTP/1.1\r\nHost: x\r\n\r\n", status, code);

    [Fact]
    public async Task Lines_and_fields_without_end_are_refused_by_their_limits()
    {
        await fixture.Backend.RefusedRawAsync($"GET /v1/now?a={new string('a', ServerLimits.RequestLineBytesMost)} HTTP/1.1\r\nHost: x\r\n\r\n", 414, "uri-too-long");
        await fixture.Backend.RefusedRawAsync($"GET /v1/now HTTP/1.1\r\nHost: x\r\nX: {new string('a', ServerLimits.HeaderBytesMost)}\r\n\r\n", 431, "headers-too-large");
        await fixture.Backend.RefusedRawAsync($"GET /v1/now HTTP/1.1\r\nHost: x\r\n{string.Concat(Enumerable.Range(0, ServerLimits.HeadersMost).Select(i => $"H{i}: 1\r\n"))}\r\n", 431, "headers-too-large");
        var fits = $"GET /v1/now HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{string.Concat(Enumerable.Range(0, ServerLimits.HeadersMost - 2).Select(i => $"H{i}: {new string('a', 200)}\r\n"))}\r\n";
        (await fixture.Backend.RawAsync(fits)).ShouldHaveSingleItem().Expect(200);
    }

    [Fact]
    public async Task Answers_before_a_refusal_are_as_they_were_and_nothing_follows_it()
    {
        var good = "GET /v1/now HTTP/1.1\r\nHost: x\r\n\r\n";

        var replies = await fixture.Backend.RawAsync(good + good + "GET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n" + "GET /v1/now HTTP/1.1\r\nHost: x\r\nBad : y\r\n\r\n" + good);

        replies.Select(reply => reply.Status).ShouldBe([200, 200, 404, 400]);
        replies[0].Text.ShouldBe(replies[1].Text);
        replies[2].Header("Connection").ShouldBeNull();
        replies[3].Expect(400, "malformed-request").Header("Connection").ShouldBe("close");
        replies.Select(reply => reply.Header("Request-Id")).Distinct().Count().ShouldBe(4);
    }

    [Fact]
    public async Task A_refused_head_has_no_body()
    {
        var text = await fixture.Backend.SendRawAsync("HEAD /v1/now HTTP/1.1\r\nHost: x\r\nBad : y\r\n\r\n");

        var reply = RawHttp.Parse(text, isHead: true).ShouldHaveSingleItem();
        reply.Status.ShouldBe(400);
        reply.Header("Content-Type").ShouldBe("application/problem+json");
    }

    [Fact]
    public async Task A_request_id_that_was_read_before_the_fault_is_kept() =>
        (await fixture.Backend.RefusedRawAsync("GET /v1/now HTTP/1.1\r\nHost: x\r\nRequest-Id: mine-0001\r\nBad : y\r\n\r\n", 400, "malformed-request")).Header("Request-Id").ShouldBe("mine-0001");

    [Fact]
    public async Task A_refusal_does_not_repeat_what_was_sent()
    {
        var reply = await fixture.Backend.RefusedRawAsync("GET /v1/now HTTP/1.1\r\nHost: x\r\nAuthorization : Bearer hunter2\r\n\r\n", 400, "malformed-request");

        reply.Text.ShouldNotContain("hunter2");
        fixture.Backend.Logs.Lines.ShouldNotContain(line => line.Text.Contains("hunter2", StringComparison.Ordinal));
        fixture.Backend.Logs.Lines.ShouldContain(line => line.Text.Contains(reply.Header("Request-Id")!, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("Transfer-Encoding: chunked\r\n\r\nZZ\r\n")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n80000000\r\n{}\r\n0\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF2\r\n{}\r\n0\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n2\r\n{}{}\r\n0\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n2;a=\nb\r\n{}\r\n0\r\n\r\n")]
    public async Task Broken_chunks_are_refused_and_the_connection_closed(string rest) =>
        await fixture.Backend.RefusedRawAsync("POST /v1/empty HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + rest, 400, "malformed-request");

    [Theory]
    [InlineData("GET http://x/v1/now HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200)]
    [InlineData("GET /v1/now HTTP/1.0\r\n\r\n", 200)]
    [InlineData("GET /v1/now HTTP/1.0\r\nHost: x\r\n\r\n", 200)]
    [InlineData("\r\nGET /v1/now HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200)]
    [InlineData("POST /v1/empty HTTP/1.1\r\nHost: x\r\nContent-Length: 002\r\nConnection: close\r\n\r\n{}", 204)]
    [InlineData("POST /v1/empty HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: CHUNKED\r\nConnection: close\r\n\r\n2;a=b\r\n{}\r\n0\r\nTrailer: x\r\n\r\n", 204)]
    [InlineData("GET http://x/v1/NOW HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404)]
    [InlineData("GET /v1/now HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n", 400)]
    [InlineData("get /v1/now HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405)]
    [InlineData("TRACE /v1/now HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer s3cret\r\nConnection: close\r\n\r\n", 405)]
    [InlineData("BREW /v1/now HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405)]
    [InlineData("POST /v1/now HTTP/1.1\r\nHost: x\r\nX-HTTP-Method-Override: GET\r\nConnection: close\r\n\r\n", 405)]
    [InlineData("GET / HTTP/1.1\r\nHost: x\r\nX-Original-URL: /v1/now\r\nX-Rewrite-URL: /v1/now\r\nConnection: close\r\n\r\n", 404)]
    public async Task Odd_but_clear_requests_have_one_answer(string request, int status)
    {
        var reply = (await fixture.Backend.RawAsync(request)).ShouldHaveSingleItem();

        reply.Expect(status);
        reply.Text.ShouldNotContain("s3cret");
        if (status == 405)
            reply.Expect(405, "method-not-allowed").Header("Allow").ShouldBe("GET, HEAD, OPTIONS");
    }

    [Fact]
    public async Task The_server_itself_is_asked_with_an_asterisk()
    {
        var reply = (await fixture.Backend.RawAsync("OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).ShouldHaveSingleItem();

        reply.Expect(204).Header("Allow").ShouldBe("DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT");
    }

    [Fact]
    public async Task Slow_clients_are_told_so_and_the_connection_closed()
    {
        await using var backend = await TestBackend.StartAsync(await postgres.CreateDatabaseAsync(), declared =>
        {
            declared.Builder.WebHost.ConfigureKestrel(server =>
            {
                server.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(1);
                server.Limits.MinRequestBodyDataRate = new(240, TimeSpan.FromSeconds(1.5));
            });
            declared.Command("POST /v1/empty", (UnitOfWork work) => { }).Allow(Policy.Anyone);
        });

        var headers = backend.SlowlyAsync("GET /v1/now HTTP/1.1\r\nHost: x\r\nA: ");
        var body = backend.SlowlyAsync("POST /v1/empty HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{");

        foreach (var text in new[] { await headers, await body })
        {
            var reply = RawHttp.Parse(text).ShouldHaveSingleItem().Expect(408, "request-timeout");
            reply.Header("Connection").ShouldBe("close");
        }
    }

    [Fact]
    public async Task Random_bytes_never_make_a_500_nor_an_answer_without_a_problem()
    {
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        string[] parts = ["GET ", "POST ", "/v1/now", "/v1/empty", " HTTP/1.1", "\r\n", "Host: x", "Content-Length: ", "2", "Transfer-Encoding: ", "chunked", ":", " ", "\t", "\0", "\n", "\r", "%", "%zz", "\u00ff", "{}", "?", "a", "*"];
        for (var i = 0; i < 200; i++)
        {
            var text = (random.Next(2) == 0 ? "GET /v1/now HTTP/1.1\r\nHost: x\r\n" : "") + string.Concat(Enumerable.Range(0, random.Next(1, 20)).Select(_ => parts[random.Next(parts.Length)])) + "\r\n\r\n";
            var answer = await fixture.Backend.SendRawAsync(text, endsEarly: true);
            foreach (var reply in RawHttp.Parse(answer))
            {
                (reply.Status is 200 or 204 or (>= 400 and < 500) or 501 or 505).ShouldBeTrue($"seed {seed}: {Convert.ToHexString(Encoding.Latin1.GetBytes(text))}\n{reply}");
                reply.Expect(reply.Status).Header("Request-Id").ShouldNotBeNull($"seed {seed}");
            }
        }
    }
}
