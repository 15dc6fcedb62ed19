using System.ComponentModel.DataAnnotations;

namespace Mainstay.Tests;

public record Article(Id<Article> Id, string OwnerId, [MaxLength(200)] string Title, string? Summary, [MaxLength(20_000)] string Body, int Year);

public sealed class ArticleFixture(PostgresFixture postgres) : IAsyncLifetime
{
    internal TestBackend Backend { get; private set; } = null!;

    internal string Database { get; private set; } = "";

    internal Caller Staff => Backend.User("sam", "staff");

    public async ValueTask InitializeAsync() => Backend = await TestBackend.StartAsync(Database = await postgres.CreateDatabaseAsync(), backend => Declare(backend, SearchLanguage.English));

    internal static void Declare(Backend backend, SearchLanguage? language)
    {
        TestSignIn.AddTo(backend);
        var articles = backend.Resource<Article>("/v1/articles")
            .Filterable(article => article.Year)
            .Sortable(article => article.Year, article => article.Title)
            .AllowRead(Policy.For<Article>((article, user) => article.OwnerId == user.Id) | Policy.Role("staff"))
            .AllowWrite(Policy.Role("staff"));
        if (language is { } chosen)
            articles.Searchable(chosen, article => article.Title, article => article.Summary, article => article.Body);
    }

    internal async Task<string> ArticleAsync(string title, string? summary = null, string body = "", int year = 2026, string owner = "ann") =>
        (await Staff.PostAsync("/v1/articles", new { ownerId = owner, title, summary, body, year })).Expect(201).Id;

    public ValueTask DisposeAsync() => Backend?.DisposeAsync() ?? ValueTask.CompletedTask;
}

public sealed class SearchTests(ArticleFixture articles, PostgresFixture postgres) : IClassFixture<ArticleFixture>
{
    private static int _year = 3000;

    private static async Task<List<string>> FindAsync(Caller caller, int year, string search, string more = "") =>
        [.. (await caller.WalkAsync($"/v1/articles?year={year}&search={Uri.EscapeDataString(search)}{more}")).Select(row => row.GetProperty("title").GetString()!)];

    [Theory]
    [InlineData("running", "Runs")]
    [InlineData("BLACK", "A black cat,Black tea")]
    [InlineData("\"black cat\"", "A black cat")]
    [InlineData("\"cat black\"", "")]
    [InlineData("black -cat", "Black tea")]
    [InlineData("runs or cat", "A black cat,Runs")]
    [InlineData("black runs", "")]
    [InlineData("the", "")]
    [InlineData("-black", "")]
    [InlineData("!!!", "")]
    [InlineData("'x' & | ! ( ) <-> :* \\ \"", "X")]
    [InlineData("\"unclosed black", "")]
    [InlineData("%_", "")]
    [InlineData("hidden", "Black tea")]
    [InlineData("summary", "Runs")]
    [InlineData("😀 or cat", "A black cat")]
    public async Task Words_are_found_and_no_text_is_a_mistake(string search, string titles)
    {
        var year = Interlocked.Increment(ref _year);
        await articles.ArticleAsync("A black cat", year: year);
        await articles.ArticleAsync("Runs", "in the summary", year: year);
        await articles.ArticleAsync("Black tea", body: "hidden in the body", year: year);
        await articles.ArticleAsync("X", year: year);

        (await FindAsync(articles.Staff, year, search)).Order().ShouldBe(titles.Split(',', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public async Task Best_comes_first_then_newest_and_a_title_weighs_more_than_a_body()
    {
        var year = Interlocked.Increment(ref _year);
        await articles.ArticleAsync("one", body: "tea", year: year);
        await articles.ArticleAsync("two", "tea", year: year);
        await articles.ArticleAsync("tea three", year: year);
        await articles.ArticleAsync("four", body: "tea", year: year);
        await articles.ArticleAsync("five", body: "coffee", year: year);

        foreach (var pageSize in new[] { 1, 2, 100 })
            (await FindAsync(articles.Staff, year, "tea", $"&pageSize={pageSize}")).ShouldBe(["tea three", "two", "four", "one"]);
        (await FindAsync(articles.Staff, year, "tea", "&sort=title&pageSize=1")).ShouldBe(["four", "one", "tea three", "two"]);
        (await FindAsync(articles.Staff, year, "tea", "&sort=-id&pageSize=3")).ShouldBe(["four", "tea three", "two", "one"]);
    }

    [Fact]
    public async Task A_search_finds_what_the_caller_may_see_and_its_count_too()
    {
        var year = Interlocked.Increment(ref _year);
        await articles.ArticleAsync("secret of bob", owner: "bob", year: year);
        await articles.ArticleAsync("secret of ann", owner: "ann", year: year);

        (await FindAsync(articles.Backend.User("ann"), year, "secret")).ShouldBe(["secret of ann"]);
        (await FindAsync(articles.Backend.User("eve"), year, "secret or bob")).ShouldBeEmpty();
        (await FindAsync(articles.Staff, year, "secret")).Count.ShouldBe(2);
        (await articles.Backend.Anonymous.GetAsync("/v1/articles?search=secret")).Expect(401);
    }

    [Fact]
    public async Task A_cursor_belongs_to_its_search()
    {
        var year = Interlocked.Increment(ref _year);
        for (var i = 0; i < 3; i++)
            await articles.ArticleAsync($"tea {i}", year: year);
        var cursor = (await articles.Staff.GetAsync($"/v1/articles?year={year}&search=tea&pageSize=1")).Expect(200).Meta.GetProperty("nextCursor").GetString();

        (await articles.Staff.GetAsync($"/v1/articles?year={year}&search=tea&pageSize=1&cursor={cursor}")).Expect(200);
        foreach (var query in new[] { "search=coffee", "search=tea&sort=year", "sort=-id" })
            (await articles.Staff.GetAsync($"/v1/articles?year={year}&{query}&pageSize=1&cursor={cursor}")).Expect(400, "invalid-cursor");
    }

    [Theory]
    [InlineData("search=", "search minLength")]
    [InlineData("search=%20%09", "search minLength")]
    [InlineData("serch=tea", "serch unknown")]
    [InlineData("page=1", "page unknown")]
    [InlineData("count=true", "count unknown")]
    public async Task What_a_search_does_not_take_is_named(string query, string fault)
    {
        var reply = (await articles.Staff.GetAsync("/v1/articles?" + query)).Expect(400, "invalid-parameter");

        reply.Faults.ShouldBe([fault]);
        if (fault == "serch unknown")
            reply.Text.ShouldContain("Did you mean 'search'?");
        if (fault == "page unknown")
            reply.Text.ShouldContain("no page numbers");
    }

    [Fact]
    public async Task A_search_may_have_two_hundred_characters()
    {
        (await articles.Staff.GetAsync("/v1/articles?search=" + string.Concat(Enumerable.Repeat("%F0%9F%98%80", 200)))).Expect(200);
        (await articles.Staff.GetAsync("/v1/articles?search=" + new string('a', 201))).Expect(400).Faults.ShouldBe(["search maxLength"]);
        (await articles.Staff.GetAsync("/v1/articles?search=" + string.Join("+or+", Enumerable.Repeat("-a", 30)))).Expect(200);
    }

    [Fact]
    public async Task The_longest_text_with_only_different_words_can_be_stored_and_found()
    {
        var year = Interlocked.Increment(ref _year);
        var body = string.Join(' ', Enumerable.Range(0, 20_000 / 3).Select(i => char.ConvertFromUtf32(0x20000 + (i / 100)) + char.ConvertFromUtf32(0x21000 + i)));

        await articles.ArticleAsync("long", body: body, year: year);

        (await FindAsync(articles.Staff, year, body.Split(' ')[^1])).ShouldBe(["long"]);
    }

    [Fact]
    public async Task A_search_can_be_added_to_a_table_with_rows_changed_and_taken_away()
    {
        var database = await postgres.CreateDatabaseAsync();
        async Task<Reply> StartAndSearchAsync(SearchLanguage? language, string search)
        {
            await using var backend = await TestBackend.StartAsync(database, declare => ArticleFixture.Declare(declare, language));
            var staff = backend.User("sam", "staff");
            if (language is null)
                (await staff.PostAsync("/v1/articles", new { ownerId = "ann", title = "Running", body = "the body", year = 1 })).Expect(201);
            return await staff.GetAsync("/v1/articles?search=" + search);
        }
        static int Found(Reply reply) => reply.Expect(200).Data.EnumerateArray().Count();

        (await StartAndSearchAsync(null, "run")).Expect(400).Text.ShouldContain("cannot be searched");
        Found(await StartAndSearchAsync(SearchLanguage.English, "run")).ShouldBe(1);
        Found(await StartAndSearchAsync(SearchLanguage.English, "run")).ShouldBe(1);
        Found(await StartAndSearchAsync(SearchLanguage.Simple, "run")).ShouldBe(0);
        Found(await StartAndSearchAsync(SearchLanguage.Simple, "running")).ShouldBe(1);
        (await StartAndSearchAsync(null, "run")).Expect(400);
    }

    [Fact]
    public async Task Every_language_is_known_to_this_postgresql()
    {
        foreach (var language in Enum.GetNames<SearchLanguage>())
            (await articles.Backend.ScalarAsync<bool>($"select exists (select from pg_ts_config where cfgname = '{language.ToLowerInvariant()}')")).ShouldBeTrue(language);
    }
}
