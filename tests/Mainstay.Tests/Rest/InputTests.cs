using System.ComponentModel.DataAnnotations;
using System.Text;

namespace Mainstay.Tests;

public record Address([MaxLength(20)] string Street, [RegularExpression("^[0-9]{5}$")] string Zip);

public record Item([MaxLength(10)] string Name, [Range(1, 9)] int Count, Address? To = null);

public record Form([MaxLength(10)] string Text, int Number, [Range(0, 100)] double Rate, OrderStatus Status, DateTimeOffset At, IReadOnlyList<Item> Items, string[]? Tags = null, Address? Place = null, DateOnly? Day = null);

public record Odd([MaxLength(5)] string A, Guid? Token = null, byte[]? Bytes = null, TimeSpan? Length = null, bool? Flag = null, short? Small = null, long? Big = null, decimal? Amount = null, float? Share = null);

public sealed class InputFixture(PostgresFixture postgres) : IAsyncLifetime
{
    internal TestBackend Backend { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Backend = await TestBackend.StartAsync(await postgres.CreateDatabaseAsync(), backend =>
    {
        backend.Command("POST /v1/form", (Form form, UnitOfWork work) => form).Allow(Policy.Anyone);
        backend.Command("POST /v1/odd", (Odd odd, UnitOfWork work) => odd).Allow(Policy.Anyone);
        backend.Command("POST /v1/empty", (UnitOfWork work) => { }).Allow(Policy.Anyone);
        backend.Query("GET /v1/now", (Snapshot snapshot) => new[] { 1, 2 }).Allow(Policy.Anyone);
        backend.Query("POST /v1/search", (Form form) => form).Allow(Policy.Anyone);
    });

    public ValueTask DisposeAsync() => Backend?.DisposeAsync() ?? ValueTask.CompletedTask;
}

public sealed class InputTests(InputFixture fixture) : IClassFixture<InputFixture>
{
    private const string Good = """{"text":"a","number":1,"rate":2,"status":"placed","at":"2026-01-31T09:30:00Z","items":[]}""";

    private Caller Anyone => fixture.Backend.Anonymous;

    private Task<Reply> FormAsync(string body, params string[] headers) => Anyone.PostAsync("/v1/form", body, headers);

    private static string With(string member, string value) => System.Text.RegularExpressions.Regex.Replace(Good, $"\"{member}\":(\\[\\]|\"[^\"]*\"|[^,}}]*)", $"\"{member}\":{value.Replace("$", "$$", StringComparison.Ordinal)}");

    [Fact]
    public async Task A_good_form_passes() => (await FormAsync(Good)).Expect(200);

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("{")]
    [InlineData("""{"text":"a""")]
    [InlineData(Good + "x")]
    [InlineData(Good + Good)]
    [InlineData("{\"text\":\"a\",}")]
    [InlineData("/* */" + Good)]
    [InlineData("{'text':'a'}")]
    [InlineData("{text:1}")]
    [InlineData("{\"number\":01}")]
    [InlineData("{\"number\":+1}")]
    [InlineData("{\"number\":NaN}")]
    [InlineData("{\"text\":\"a\nb\"}")]
    [InlineData("{\"text\":\"\\x\"}")]
    [InlineData("\uFEFF" + Good)]
    public async Task What_is_not_one_json_document_is_refused(string body) => (await FormAsync(body)).Expect(400, "malformed-json");

    [Fact]
    public async Task Bytes_that_are_not_utf8_are_refused()
    {
        (await Anyone.PostAsync("/v1/form", Encoding.Latin1.GetBytes(With("text", "\"é\"")))).Expect(400, "malformed-json");
        (await Anyone.PostAsync("/v1/form", Encoding.Unicode.GetBytes(Good))).Expect(400, "malformed-json");
        (await Anyone.PostAsync("/v1/form", new byte[] { 0x7b, 0xed, 0xa0, 0x80, 0x7d })).Expect(400, "malformed-json");
        (await Anyone.PostAsync("/v1/form", new byte[] { 0xc0, 0xaf })).Expect(400, "malformed-json");
    }

    [Fact]
    public async Task Depth_and_size_are_bounded()
    {
        (await FormAsync(new string('[', 20_000))).Expect(400, "malformed-json");
        (await FormAsync(string.Concat(Enumerable.Repeat("{\"a\":", 33)) + "1" + new string('}', 33))).Expect(400, "malformed-json");
        (await FormAsync(With("text", $"\"{new string('a', 1024 * 1024)}\""), "Expect: 100-continue")).Expect(413, "body-too-large");
        (await FormAsync(Good.PadRight(1024 * 1024))).Expect(200);
        (await FormAsync(Good.PadRight(1024 * 1024 + 1), "Expect: 100-continue")).Expect(413, "body-too-large");
        (await FormAsync(Good)).Expect(200);
    }

    [Fact]
    public async Task A_body_in_chunks_is_bounded_too()
    {
        var chunk = $"10000\r\n{new string(' ', 0x10000)}\r\n";
        var answer = await fixture.Backend.SendRawAsync($"POST /v1/form HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{string.Concat(Enumerable.Repeat(chunk, 20))}0\r\n\r\n");

        answer.ShouldStartWith("HTTP/1.1 413");
        answer.ShouldContain("body-too-large");
    }

    [Theory]
    [InlineData("""{"text":"a","text":"b","number":1,"rate":2,"status":"placed","at":"2026-01-31T09:30:00Z","items":[]}""", "#/text duplicate")]
    [InlineData("""{"text":"a","t\u0065xt":"b","number":1,"rate":2,"status":"placed","at":"2026-01-31T09:30:00Z","items":[]}""", "#/text duplicate")]
    [InlineData("""{"Text":"a","number":1,"rate":2,"status":"placed","at":"2026-01-31T09:30:00Z","items":[]}""", "#/Text unknown", "#/text required")]
    [InlineData("[]", "# type")]
    [InlineData("null", "# type")]
    [InlineData("1", "# type")]
    [InlineData("{}", "#/text required", "#/number required", "#/rate required", "#/status required", "#/at required", "#/items required")]
    public async Task Faults_of_the_whole(string body, params string[] faults) => (await FormAsync(body)).Expect(400, "validation-failed").Faults.ShouldBe(faults);

    [Theory]
    [InlineData("text", "null", "#/text required")]
    [InlineData("text", "1", "#/text type")]
    [InlineData("text", "\"\\u0000\"", "#/text text")]
    [InlineData("text", "\"\\ud800\"", "#/text text")]
    [InlineData("text", "\"\\udc00\\ud800\"", "#/text text")]
    [InlineData("text", "\"12345678901\"", "#/text maxLength")]
    [InlineData("number", "\"1\"", "#/number type")]
    [InlineData("number", "1.5", "#/number type")]
    [InlineData("number", "1e-1", "#/number type")]
    [InlineData("number", "1e-999999999999", "#/number type")]
    [InlineData("number", "2147483648.0", "#/number range")]
    [InlineData("number", "1e999999999999", "#/number range")]
    [InlineData("number", "2147483648", "#/number range")]
    [InlineData("number", "1e999", "#/number range")]
    [InlineData("number", "true", "#/number type")]
    [InlineData("rate", "1e999", "#/rate range")]
    [InlineData("rate", "-1e999", "#/rate range")]
    [InlineData("rate", "1e300", "#/rate range")]
    [InlineData("rate", "-1e30", "#/rate range")]
    [InlineData("rate", "100.5", "#/rate range")]
    [InlineData("rate", "\"NaN\"", "#/rate type")]
    [InlineData("status", "\"Placed\"", "#/status enum")]
    [InlineData("status", "\"in_delivery\"", "#/status enum")]
    [InlineData("status", "0", "#/status enum")]
    [InlineData("status", "\"\"", "#/status enum")]
    [InlineData("at", "\"2026-01-31\"", "#/at type")]
    [InlineData("at", "\"2026-01-31T09:30:00\"", "#/at type")]
    [InlineData("at", "\"2026-01-31 09:30:00Z\"", "#/at type")]
    [InlineData("at", "\"2026-02-30T09:30:00Z\"", "#/at type")]
    [InlineData("at", "\"2026-01-31T09:30:60Z\"", "#/at type")]
    [InlineData("at", "\"0001-01-01T00:00:00+14:00\"", "#/at type")]
    [InlineData("at", "1700000000", "#/at type")]
    [InlineData("items", "{}", "#/items type")]
    [InlineData("items", "[null]", "#/items/0 required")]
    [InlineData("items", """[{"name":"a","count":1},{"name":"b","count":0,"to":{"street":"x","zip":"1"}},7]""", "#/items/1/count range", "#/items/1/to/zip pattern", "#/items/2 type")]
    [InlineData("items", """[{"name":"a","count":1,"to":{"street":"x","zip":"12345","land":1}}]""", "#/items/0/to/land unknown")]
    [InlineData("items", """[{"name":"a","count":1,"a/b~c":1}]""", "#/items/0/a~1b~0c unknown")]
    [InlineData("items", """[{"name":"a","count":1,"ä b%":1}]""", "#/items/0/%C3%A4%20b%25 unknown")]
    public async Task Each_fault_has_its_place_and_kind(string member, string value, params string[] faults) => (await FormAsync(With(member, value))).Expect(400, "validation-failed").Faults.ShouldBe(faults);

    [Theory]
    [InlineData("1.0", "1")]
    [InlineData("1e2", "100")]
    [InlineData("1.5E1", "15")]
    [InlineData("100e-2", "1")]
    [InlineData("-0", "0")]
    [InlineData("-0.0", "0")]
    [InlineData("0e999999999999", "0")]
    [InlineData("2147483647.000", "2147483647")]
    [InlineData("-2147483648e0", "-2147483648")]
    public async Task An_integer_is_one_by_its_value(string sent, string read) => (await FormAsync(With("number", sent))).Expect(200).Data.GetProperty("number").GetRawText().ShouldBe(read);

    [Fact]
    public async Task A_byte_order_mark_is_named() => (await FormAsync("\uFEFF" + Good)).Expect(400, "malformed-json").Detail.ShouldContain("byte order mark");

    [Fact]
    public async Task All_faults_are_reported_at_once_but_not_without_end()
    {
        (await FormAsync("""{"txet":"a","number":"x","rate":101,"status":"x","at":"x","items":[{}],"tags":[1],"place":{"zip":"x"},"day":"x"}""")).Expect(400).Faults.ShouldBe(
        [
            "#/txet unknown", "#/number type", "#/rate range", "#/status enum", "#/at type", "#/items/0/name required", "#/items/0/count required", "#/tags/0 type", "#/place/zip pattern", "#/place/street required",
            "#/day type", "#/text required",
        ], ignoreOrder: true);
        (await FormAsync("""{"txet":"a"}""")).Text.ShouldContain("Did you mean 'text'?");
        (await FormAsync(With("items", $"[{string.Join(',', Enumerable.Repeat("{}", 100))}]"))).Expect(400).Faults.Count.ShouldBe(100);
        (await FormAsync(With("items", $"[{string.Join(',', Enumerable.Repeat("""{"name":"a","count":1}""", 101))}]"))).Expect(400).Faults.ShouldBe(["#/items maxLength"]);
    }

    [Theory]
    [InlineData("""{"a":"😀😀😀😀😀"}""", 200)]
    [InlineData("""{"a":"😀😀😀😀😀😀"}""", 400)]
    [InlineData("""{"a":"","token":"01890A5D-ac96-774b-bcce-b302099a8057"}""", 400)]
    [InlineData("""{"a":"","bytes":"AAE"}""", 400)]
    [InlineData("""{"a":"","bytes":"AA E="}""", 400)]
    [InlineData("""{"a":"","bytes":"A-_="}""", 400)]
    [InlineData("""{"a":"","length":"1:30"}""", 400)]
    [InlineData("""{"a":"","length":"P99999999999999999999D"}""", 400)]
    [InlineData("""{"a":"","flag":"true"}""", 400)]
    [InlineData("""{"a":"","flag":1}""", 400)]
    [InlineData("""{"a":"","small":32768}""", 400)]
    [InlineData("""{"a":"","big":9223372036854775808}""", 400)]
    [InlineData("""{"a":"","amount":1e29}""", 400)]
    [InlineData("""{"a":"","amount":1e-40}""", 400)]
    [InlineData("""{"a":"","share":1e39}""", 400)]
    [InlineData("""{"a":null}""", 400)]
    [InlineData("""{"a":"","flag":null,"small":null}""", 200)]
    public async Task Scalars_are_strict(string body, int status) => (await Anyone.PostAsync("/v1/odd", body)).Expect(status);

    [Theory]
    [InlineData("", 415)]
    [InlineData("text/plain", 415)]
    [InlineData("application/json; charset=utf-8", 200)]
    [InlineData("application/json;charset=\"UTF-8\"", 200)]
    [InlineData("Application/JSON", 200)]
    [InlineData("application/json; charset=latin1", 415)]
    [InlineData("application/json; charset=nonsense", 415)]
    [InlineData("application/json; charset=utf-7", 415)]
    [InlineData("application/xml", 415)]
    [InlineData("application/jsonp", 415)]
    [InlineData("application/vnd.api+json", 415)]
    [InlineData("application/merge-patch+json", 415)]
    [InlineData("application/json, text/plain", 415)]
    [InlineData("nonsense", 415)]
    public async Task Only_json_in_utf8_is_taken(string contentType, int status)
    {
        var reply = (await FormAsync(Good, "Content-Type: " + contentType)).Expect(status);
        if (status == 415)
            reply.Header("Accept-Post").ShouldBe("application/json");
    }

    [Theory]
    [InlineData("gzip", 415)]
    [InlineData("br, gzip", 415)]
    [InlineData("identity", 200)]
    [InlineData("nonsense", 415)]
    public async Task A_coded_body_is_refused_not_misread(string coding, int status)
    {
        var reply = (await FormAsync(Good, "Content-Encoding: " + coding)).Expect(status);
        if (status == 415)
            reply.Header("Accept-Encoding").ShouldBe("identity");
    }

    [Theory]
    [InlineData("*/*", 200)]
    [InlineData("application/*;q=0.1", 200)]
    [InlineData("application/problem+json", 200)]
    [InlineData("text/html", 406)]
    [InlineData("application/json;q=0", 406)]
    [InlineData("*/*, application/json;q=0", 406)]
    [InlineData("application/json;q=0, */*", 406)]
    [InlineData("text/html, application/xhtml+xml, */*;q=0.8", 200)]
    public async Task Accept_is_respected(string accept, int status) => (await Anyone.GetAsync("/v1/now", "Accept: " + accept)).Expect(status);

    [Fact]
    public async Task A_body_where_none_is_taken()
    {
        (await Anyone.PostAsync("/v1/empty", null)).Expect(204);
        (await Anyone.PostAsync("/v1/empty", "", "Content-Type: text/plain")).Expect(204);
        (await Anyone.PostAsync("/v1/empty", "{}")).Expect(204);
        (await Anyone.PostAsync("/v1/empty", """{"a":1}""")).Expect(400, "malformed-request");
        (await Anyone.SendAsync("GET", "/v1/now", """{"a":1}""")).Expect(400, "malformed-request");
        (await Anyone.SendAsync("GET", "/v1/now", "{}")).Expect(200);
        (await Anyone.PostAsync("/v1/search", Good)).Expect(200).Meta.GetRawText().ShouldBe("{}");
    }

    [Theory]
    [InlineData("GARBAGE\r\n\r\n", 400)]
    [InlineData("GET /v1/now HTTP/1.1\r\n\r\n", 400)]
    [InlineData("GET /v1/now HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400)]
    [InlineData("GET /v1/now%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400)]
    [InlineData("GET /v1/now HTTP/1.1\r\nHost: x\r\nBad Header: y\r\n\r\n", 400)]
    [InlineData("POST /v1/form HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}{}{}", 400)]
    [InlineData("POST /v1/form HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", 400)]
    [InlineData("POST /v1/form HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: -1\r\n\r\n", 400)]
    public async Task Http_that_is_not_well_formed_is_never_a_5xx(string request, int status) => (await fixture.Backend.SendRawAsync(request)).ShouldStartWith($"HTTP/1.1 {status}");

    [Fact]
    public async Task A_client_that_leaves_in_the_middle_of_its_body_is_no_failure_of_ours()
    {
        await fixture.Backend.SendRawAsync("POST /v1/form HTTP/1.1\r\nHost: x\r\nRequest-Id: left-early\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{}", endsEarly: true);

        await Waiting.UntilAsync(() => Task.FromResult(fixture.Backend.Logs.Lines.Any(line => line.Text.StartsWith("POST /v1/form 4", StringComparison.Ordinal))));
        fixture.Backend.Logs.Lines.ShouldNotContain(line => line.Level == Microsoft.Extensions.Logging.LogLevel.Error && line.Text.Contains("left-early", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_request_that_asks_two_questions_in_one_is_answered_once_and_closed()
    {
        var answer = await fixture.Backend.SendRawAsync("POST /v1/form HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/now HTTP/1.1\r\nHost: x\r\n\r\n");

        answer.Split("HTTP/1.1 ").Length.ShouldBe(2, answer);
    }

    [Fact]
    public async Task Headers_and_lines_without_end_are_refused()
    {
        (await fixture.Backend.SendRawAsync($"GET /v1/now?a={new string('a', 20_000)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).ShouldStartWith("HTTP/1.1 414");
        (await fixture.Backend.SendRawAsync($"GET /v1/now HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: {new string('a', 100_000)}\r\n\r\n")).ShouldStartWith("HTTP/1.1 431");
    }
}
