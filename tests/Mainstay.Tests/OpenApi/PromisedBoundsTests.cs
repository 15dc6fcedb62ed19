using System.Text.Json.Nodes;

namespace Mainstay.Tests;

/// <summary>Bounds that the document promises of answers, and that no type enforces.</summary>
public sealed class PromisedBoundsTests(PostgresFixture postgres) : IAsyncLifetime
{
    private TestBackend? _backend;

    public async ValueTask InitializeAsync() => _backend = await TestBackend.StartAsync(await postgres.CreateDatabaseAsync(), backend =>
    {
        backend.Query("GET /v1/texts", (Wish wish) => new Text(wish.Text switch
        {
            "nul" => "a\0b",
            "backslash" => "a\\u0000b",
            "long" => new string('x', 9 * 1024 * 1024),
            _ => wish.Text,
        })).Allow(Policy.Anyone);
        backend.Query("GET /v1/lists", () => Enumerable.Range(0, 3_000_000)).Allow(Policy.Anyone);
        backend.Query("GET /v1/nothing", Nothing).Allow(Policy.Anyone);
        backend.Command("POST /v1/inputs", (Text input, UnitOfWork work) => input).Allow(Policy.Anyone);
    });

    public async ValueTask DisposeAsync()
    {
        if (_backend is not null)
            await _backend.DisposeAsync();
    }

    [Theory]
    [InlineData("/v1/texts?text=fine", 200, null)]
    [InlineData("/v1/texts?text=backslash", 200, null)]
    [InlineData("/v1/texts?text=nul", 500, "has a text with U+0000")]
    [InlineData("/v1/texts?text=long", 500, "bytes of JSON")]
    [InlineData("/v1/lists", 500, "bytes of JSON")]
    [InlineData("/v1/nothing", 500, "async Task<Text?>")]
    public async Task A_result_outside_of_what_is_promised_is_a_fault_that_the_log_explains(string path, int status, string? logged)
    {
        using var response = await _backend!.Http.GetAsync(path, TestContext.Current.CancellationToken);

        ((int)response.StatusCode).ShouldBe(status);
        if (logged is not null)
            _backend.Logs.Lines.ShouldContain(line => line.Error != null && line.Error.Message.Contains(logged));
    }

    [Fact]
    public async Task What_a_problem_quotes_is_cut_and_its_pointer_still_leads_somewhere()
    {
        var name = new string('n', 5000);
        using var body = new StringContent($$"""{"value":"x","{{name}}":1}""", System.Text.Encoding.UTF8, "application/json");
        using var response = await _backend!.Http.PostAsync("/v1/inputs", body, TestContext.Current.CancellationToken);

        var error = JsonNode.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!["errors"]!.AsArray().ShouldHaveSingleItem()!;
        error["pointer"]!.GetValue<string>().ShouldBe("#");
        error["detail"]!.GetValue<string>().Length.ShouldBeLessThanOrEqualTo(2000);
    }

    private static Text Nothing() => null!;

    private sealed record Wish(string Text);

    private sealed record Text(string Value);
}
