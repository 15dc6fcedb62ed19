using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Mainstay.Internal;

namespace Mainstay.Tests;

public sealed partial class DocumentationPageTests(Library library, PostgresFixture postgres) : IClassFixture<Library>
{
    public static TheoryData<string> Codes => [.. ProblemCatalogue.All.Select(problem => problem.Code)];

    [Fact]
    public async Task The_documentation_comes_from_the_application_alone()
    {
        var page = await TextAsync("/docs/index.html");
        var own = Source().Matches(page).Select(match => match.Groups["path"].Value).Where(path => !path.StartsWith("data:", StringComparison.Ordinal) && !path.StartsWith('?')).ToArray();

        own.ShouldContain("docs.js");
        foreach (var path in own)
        {
            path.ShouldNotContain("//");
            using var response = await library.Client.GetAsync(new Uri(new Uri(library.Client.BaseAddress!, "/docs/"), path), TestContext.Current.CancellationToken);
            response.StatusCode.ShouldBe(HttpStatusCode.OK, path);
        }
        (await TextAsync("/docs/docs.js")).ShouldNotContain("http");
        (await TextAsync("/docs/docs.css")).ShouldNotContain("url(");
        page.ShouldNotContain("<script>");
        page.ShouldContain("<title>Library API</title>");
    }

    [Fact]
    public async Task The_documentation_may_neither_load_from_elsewhere_nor_be_framed()
    {
        using var response = await library.Client.GetAsync("/docs/index.html", TestContext.Current.CancellationToken);

        var policy = response.Headers.GetValues("Content-Security-Policy").Single();
        policy.ShouldContain("default-src 'none'");
        policy.ShouldContain("script-src 'self';");
        policy.ShouldContain("frame-ancestors 'none'");
        response.Headers.Contains("x-swagger-ui-version").ShouldBeFalse();
    }

    [Theory, MemberData(nameof(Codes))]
    public async Task Every_problem_has_a_page(string code)
    {
        var page = await TextAsync($"/problems/{code}");

        page.ShouldContain($"<code>{code}</code>");
        page.ShouldContain("What to do.");
        page.ShouldNotContain("**");
        page.ShouldNotContain(".md");
    }

    [Fact]
    public async Task A_problem_of_the_application_has_a_page_that_names_its_operations()
    {
        var page = await TextAsync("/problems/book-not-there");

        page.ShouldContain("The book is not there");
        page.ShouldContain("POST /v1/books/{id}/lend");
    }

    [Fact]
    public async Task A_program_gets_the_page_of_a_problem_as_json()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/problems/not-found") { Headers = { { "Accept", "application/json" } } };
        using var response = await library.Client.SendAsync(request, TestContext.Current.CancellationToken);

        var data = JsonNode.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!["data"]!;
        data["code"]!.GetValue<string>().ShouldBe("not-found");
        data["status"]!.GetValue<int>().ShouldBe(404);
    }

    [Fact]
    public async Task An_unknown_problem_is_not_found()
    {
        using var response = await library.Client.GetAsync("/problems/nothing-like-this", TestContext.Current.CancellationToken);

        response.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
    }

    [Fact]
    public async Task Switched_off_there_is_no_document_and_no_documentation_but_problems_keep_their_pages()
    {
        using var folder = new TemporaryFolder();
        await using var running = await Library.StartAsync(await postgres.CreateDatabaseAsync(), folder.Path, "--Mainstay:Docs=false");

        foreach (var path in new[] { "/openapi.json", "/v1/openapi.json", "/docs", "/docs/index.html", "/docs/swagger-ui-bundle.js" })
        {
            using var response = await library.Client.GetAsync(running.Address + path, TestContext.Current.CancellationToken);
            response.StatusCode.ShouldBe(HttpStatusCode.NotFound, path);
        }
        using var problem = await library.Client.GetAsync(running.Address + "/problems/not-found", TestContext.Current.CancellationToken);
        problem.StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("a `<b>` & **c**", "<p>a <code>&lt;b&gt;</code> &amp; <strong>c</strong></p>\n")]
    [InlineData("- one\n- two", "<ul><li>one</li><li>two</li></ul>\n")]
    [InlineData("```json\n{\n\n}\n```", "<pre><code>{\n\n}</code></pre>\n")]
    [InlineData("[x](not-found.md) [y](../guide/z.md)", "<p><a href=\"not-found\">x</a> y</p>\n")]
    public void Text_of_a_page_becomes_harmless_html(string text, string html) =>
        PageText.Html(text, System.Text.Encodings.Web.HtmlEncoder.Create(System.Text.Unicode.UnicodeRanges.All)).ShouldBe(html);

    private async Task<string> TextAsync(string path) => await library.Client.GetStringAsync(path, TestContext.Current.CancellationToken);

    [GeneratedRegex("(?:src|href)=\"(?<path>[^\"]+)\"")]
    private static partial Regex Source();
}
