using System.Globalization;
using Npgsql;

namespace Mainstay.Tests;

public sealed class PagingPropertyTests(SpecimenFixture specimens) : IClassFixture<SpecimenFixture>
{
    private static readonly (string Query, string Sql)[] filters =
    [
        ("", "true"), ("", "true"), ("&flag=true", "flag"), ("&maybeFlag.null=false", "maybe_flag is not null"), ("&nickname.null=true", "nickname is null"),
        ("&grade.in=poor,good", "grade in ('poor', 'good')"), ("&price.gte=0.1", "price >= 0.1"), ("&discount.lt=1", "discount < 1"),
    ];

    public static TheoryData<string> Sorts => ["id", "name", "nickname", "price", "discount", "at", "seenAt", "grade", "maybeGrade", "flag", "maybeFlag", "ratio", "token", "day", "length"];

    /// <summary>
    /// Rows are sorted by any member in any direction under any filter, on pages of any size. Between two pages other rows come, go, and move. Rows that
    /// nobody touches are seen once each, in the order of one statement.
    /// </summary>
    [Theory]
    [MemberData(nameof(Sorts))]
    public async Task A_walk_neither_repeats_nor_skips_rows_that_stay_whatever_happens_to_others(string sort)
    {
        var seed = Environment.GetEnvironmentVariable("MAINSTAY_TEST_SEED") is { } given ? int.Parse(given, CultureInfo.InvariantCulture) : Random.Shared.Next();
        var random = new Random(seed);
        for (var walk = 0; walk < 4; walk++)
        {
            var isDescending = walk % 2 == 1;
            var batch = SpecimenFixture.NextBatch();
            var stay = (await specimens.InsertAsync(random, batch, 30)).ToHashSet();
            var others = await specimens.InsertAsync(random, batch, 15);
            var (filter, condition) = filters[random.Next(filters.Length)];
            var pageSize = random.Next(1, 9);
            var path = $"/v1/specimens?batch={batch}{filter}&sort={(isDescending ? "-" : "")}{sort}&pageSize={pageSize}{(random.Next(2) == 0 ? "&count=true" : "")}&fields=id";

            // Not for ever: rows that keep coming before the walk would keep it from ending.
            var left = 40;
            var seen = (await specimens.Staff.WalkAsync(path, () => left-- > 0 ? DisturbAsync(random, batch, others) : Task.CompletedTask)).Select(row => row.GetProperty("id").GetString()!).ToList();

            var expected = (await OrderedAsync(batch, condition, sort, isDescending)).Where(stay.Contains).ToList();
            seen.Where(stay.Contains).ShouldBe(expected, $"MAINSTAY_TEST_SEED={seed}: {path}");
        }
    }

    private async Task DisturbAsync(Random random, int batch, List<string> others)
    {
        others.AddRange(await specimens.InsertAsync(random, batch, random.Next(3)));
        for (var i = random.Next(3); i > 0 && others.Count > 0; i--)
        {
            var at = random.Next(others.Count);
            var id = Id<Specimen>.Parse(others[at]).Value;
            if (random.Next(2) == 0)
            {
                others.RemoveAt(at);
                await specimens.Backend.ExecuteAsync($"delete from specimens where id = '{id}'");
            }
            else
                await specimens.Backend.ExecuteAsync($"update specimens set {string.Join(", ", SpecimenFixture.Columns.Select(column => $"{column} = {SpecimenFixture.Value(random, column)}"))} where id = '{id}'");
        }
    }

    private async Task<List<string>> OrderedAsync(int batch, string condition, string sort, bool isDescending)
    {
        var direction = isDescending ? " desc" : "";
        var column = Mainstay.Internal.SqlName.SnakeCase(sort);
        await using var connection = await specimens.Backend.ConnectAsync();
        await using var command = new NpgsqlCommand($"select id from specimens where batch = {batch} and {condition} order by {column}{direction}, id{direction}", connection);
        await using var reader = await command.ExecuteReaderAsync();
        var ids = new List<string>();
        while (await reader.ReadAsync())
            ids.Add(Id<Specimen>.From(reader.GetGuid(0)).ToString());
        return ids;
    }

    [Fact]
    public async Task The_same_order_by_relevance_is_walked_while_other_rows_come_and_go()
    {
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        var batch = SpecimenFixture.NextBatch();
        var stay = await specimens.InsertAsync(random, batch, 40);
        string[] texts = ["tea", "tea tea", "tea and tea with tea", "a cup of tea in the morning", "green tea"];
        foreach (var id in stay)
            await specimens.Backend.ExecuteAsync($"update specimens set name = '{texts[random.Next(5)]}', description = '{texts[random.Next(5)]}' where id = '{Id<Specimen>.Parse(id).Value}'");

        var left = 10;
        var seen = (await specimens.Staff.WalkAsync($"/v1/specimens?batch={batch}&search=tea&pageSize={random.Next(1, 8)}&fields=id", () => left-- > 0 ? specimens.InsertAsync(random, batch, 2) : Task.CompletedTask))
            .Select(row => row.GetProperty("id").GetString()!).Where(stay.Contains).ToList();

        var whole = (await specimens.Staff.GetAsync($"/v1/specimens?batch={batch}&search=tea&pageSize=100&fields=id")).Expect(200).Data.EnumerateArray().Select(row => row.GetProperty("id").GetString()!).Where(stay.Contains);
        seen.Count.ShouldBe(40, $"seed {seed}");
        seen.ShouldBe(whole, $"seed {seed}");
    }
}
