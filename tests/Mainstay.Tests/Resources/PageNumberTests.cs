using System.Text.Json;
using Mainstay.Internal;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Mainstay.Tests;

public sealed class PageNumberTests(SpecimenFixture specimens) : IClassFixture<SpecimenFixture>
{
    private async Task<int> BatchAsync(int rows)
    {
        var batch = SpecimenFixture.NextBatch();
        await specimens.InsertAsync(new Random(batch), batch, rows);
        return batch;
    }

    private static Dictionary<string, string> Links(Reply reply) => (reply.Header("Link") ?? "").Split(", ", StringSplitOptions.RemoveEmptyEntries)
        .ToDictionary(link => link.Split("rel=\"")[1].TrimEnd('"'), link => link[1..link.IndexOf('>', StringComparison.Ordinal)]);

    private static IEnumerable<string> Ids(Reply reply) => reply.Data.EnumerateArray().Select(row => row.GetProperty("id").GetString()!);

    [Fact]
    public async Task Pages_have_numbers_totals_and_links_and_together_they_are_the_list()
    {
        var path = $"/v1/specimens?batch={await BatchAsync(23)}&sort=nickname&pageSize=10";

        var first = (await specimens.Staff.GetAsync(path + "&page=1")).Expect(200);
        var second = (await specimens.Staff.GetAsync(Links(first)["next"])).Expect(200);
        var third = (await specimens.Staff.GetAsync(Links(first)["last"])).Expect(200);

        second.Meta.ToString().ShouldContain("\"page\":2,\"totalCount\":23,\"totalCountIsCapped\":false,\"totalPages\":3");
        Links(first).Keys.ShouldBe(["first", "next", "last"]);
        Links(second).Keys.ShouldBe(["first", "prev", "next", "last"]);
        Links(third).Keys.ShouldBe(["first", "prev", "last"]);
        Links(third)["prev"].ShouldEndWith("page=2");
        third.Meta.GetProperty("nextCursor").ValueKind.ShouldBe(JsonValueKind.Null);
        Ids(first).Concat(Ids(second)).Concat(Ids(third)).ShouldBe((await specimens.Staff.WalkAsync(path)).Select(row => row.GetProperty("id").GetString()!));
    }

    [Fact]
    public async Task From_any_page_the_cursor_goes_on()
    {
        var path = $"/v1/specimens?batch={await BatchAsync(9)}&sort=-price&pageSize=3";

        var second = (await specimens.Staff.GetAsync(path + "&page=2")).Expect(200);
        var next = (await specimens.Staff.GetAsync($"{path}&cursor={second.Meta.GetProperty("nextCursor").GetString()}")).Expect(200);

        Ids(next).ShouldBe(Ids((await specimens.Staff.GetAsync(path + "&page=3")).Expect(200)));
        next.Meta.TryGetProperty("page", out _).ShouldBeFalse();
        next.Meta.TryGetProperty("totalCount", out _).ShouldBeFalse();
    }

    [Fact]
    public async Task A_page_behind_the_last_is_empty_and_an_empty_list_has_no_pages()
    {
        var batch = await BatchAsync(3);

        var behind = (await specimens.Staff.GetAsync($"/v1/specimens?batch={batch}&pageSize=2&page=9")).Expect(200);
        behind.Data.GetArrayLength().ShouldBe(0);
        behind.Meta.GetProperty("totalPages").GetInt32().ShouldBe(2);
        Links(behind)["prev"].ShouldEndWith("page=2");
        var empty = (await specimens.Staff.GetAsync($"/v1/specimens?batch={SpecimenFixture.NextBatch()}&page=1")).Expect(200);
        empty.Meta.GetProperty("totalPages").GetInt32().ShouldBe(0);
        Links(empty).Keys.ShouldBe(["first", "last"]);
    }

    [Theory]
    [InlineData("page=0", "page range")]
    [InlineData("page=-1", "page range")]
    [InlineData("page=", "page range")]
    [InlineData("page=1.5", "page range")]
    [InlineData("page=501", "page range")]
    [InlineData("page=101&pageSize=100", "page range")]
    [InlineData("page=99999999999999999999", "page range")]
    [InlineData("page=1&cursor=AAAA", "page exclusive")]
    [InlineData("count=yes", "count type")]
    [InlineData("count=", "count type")]
    [InlineData("counts=true", "counts unknown")]
    public async Task What_pages_and_counts_do_not_take_is_named(string query, string fault) =>
        (await specimens.Staff.GetAsync("/v1/specimens?" + query)).Expect(400, "invalid-parameter").Faults.ShouldBe([fault]);

    [Fact]
    public async Task The_refusal_of_a_deep_page_points_to_the_cursor()
    {
        (await specimens.Staff.GetAsync("/v1/specimens?page=101&pageSize=100")).Expect(400).Text.ShouldContain("meta.nextCursor");
        (await specimens.Staff.GetAsync("/v1/specimens?page=100&pageSize=100")).Expect(200);
        (await specimens.Staff.GetAsync("/v1/specimens?page=334&pageSize=30")).Expect(200);
        (await specimens.Staff.GetAsync("/v1/specimens?page=335&pageSize=30")).Expect(400);
    }

    [Fact]
    public async Task A_count_is_of_the_filtered_rows_that_the_caller_may_see()
    {
        var batch = SpecimenFixture.NextBatch();
        await specimens.InsertAsync(new Random(1_000_000 + batch), batch, 60);
        async Task<int> CountAsync(Caller caller, string more = "") => (await caller.GetAsync($"/v1/specimens?batch={batch}&count=true&pageSize=5{more}")).Expect(200).Meta.GetProperty("totalCount").GetInt32();
        Task<long> RowsAsync(string condition) => specimens.Backend.CountAsync($"specimens where batch = {batch} and {condition}");

        (await CountAsync(specimens.Staff)).ShouldBe(60);
        ((long)await CountAsync(specimens.Staff, "&flag=true&sort=-nickname")).ShouldBe(await RowsAsync("flag"));
        ((long)await CountAsync(specimens.Backend.User("owner-1"))).ShouldBe(await RowsAsync("owner_id = 'owner-1'"));
        (await CountAsync(specimens.Staff, "&search=tea")).ShouldBe(60);
        (await CountAsync(specimens.Staff, "&search=coffee")).ShouldBe(0);
        (await specimens.Staff.GetAsync($"/v1/specimens?batch={batch}&count=false")).Expect(200).Meta.TryGetProperty("totalCount", out _).ShouldBeFalse();
    }

    [Fact]
    public async Task Counting_ends_at_ten_thousand_and_says_so()
    {
        var batch = SpecimenFixture.NextBatch();
        async Task AddAsync(int from, int to) => await specimens.Backend.ExecuteAsync($"""
            insert into specimens (id, owner_id, batch, name, price, at, grade, flag, ratio, token, description)
            select gen_random_uuid(), 'x', {batch}, 'n', i, now(), 'poor', true, 0, gen_random_uuid(), '' from generate_series({from}, {to}) i
            """);
        async Task<string> MetaAsync() => (await specimens.Staff.GetAsync($"/v1/specimens?batch={batch}&count=true&pageSize=1")).Expect(200).Meta.ToString();

        await AddAsync(1, ListQuery.CountMost);
        (await MetaAsync()).ShouldContain("\"totalCount\":10000,\"totalCountIsCapped\":false");
        await AddAsync(ListQuery.CountMost + 1, ListQuery.CountMost + 50);
        (await MetaAsync()).ShouldContain("\"totalCount\":10000,\"totalCountIsCapped\":true");

        var last = (await specimens.Staff.GetAsync($"/v1/specimens?batch={batch}&sort=price&pageSize=100&page=100")).Expect(200);
        Links(last).Keys.ShouldBe(["first", "prev", "next"]);
        Links(last)["next"].ShouldContain("cursor=");
        (await specimens.Staff.GetAsync(Links(last)["next"])).Expect(200).Data.GetArrayLength().ShouldBe(50);
    }

    [Fact]
    public async Task The_tag_of_a_counted_page_changes_with_the_count()
    {
        var batch = await BatchAsync(5);
        var path = $"/v1/specimens?batch={batch}&sort=name&pageSize=2&count=true";
        var page = (await specimens.Staff.GetAsync(path)).Expect(200);

        (await specimens.Staff.GetAsync(path, "If-None-Match: " + page.ETag)).Expect(304);
        await specimens.Backend.ExecuteAsync($"delete from specimens where id = (select id from specimens where batch = {batch} order by name desc, id desc limit 1)");
        (await specimens.Staff.GetAsync(path, "If-None-Match: " + page.ETag)).Expect(200).Meta.GetProperty("totalCount").GetInt32().ShouldBe(4);
    }

    [Fact]
    public async Task Counted_numbered_and_searched_pages_are_one_round_trip()
    {
        await using var proxy = new CountingProxy(specimens.Backend.ConnectionString);
        await using var backend = await TestBackend.StartAsync(proxy.ConnectionString + ";Application Name=test-app", SpecimenFixture.Declare);
        foreach (var service in backend.Running.App.Services.GetServices<IHostedService>().OfType<BackgroundService>())
            await service.StopAsync(CancellationToken.None);
        var staff = backend.User("sam", "staff");
        foreach (var query in new[] { "count=true", "page=2&pageSize=1", "search=tea", "search=tea&page=1&sort=name", "sort=nickname&count=true" })
        {
            for (var i = 0; i < 3; i++)
                (await staff.GetAsync("/v1/specimens?" + query)).Expect(200);
            var before = proxy.Turns;
            (await staff.GetAsync("/v1/specimens?" + query)).Expect(200);
            (proxy.Turns - before).ShouldBe(1, query);
        }
    }
}
