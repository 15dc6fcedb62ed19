using System.Text.Json;
using Mainstay.Internal;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>Specimens enough that the planner has a choice.</summary>
public sealed class ManySpecimens(PostgresFixture postgres) : IAsyncLifetime
{
    internal SpecimenFixture Specimens { get; } = new(postgres);

    public async ValueTask InitializeAsync()
    {
        await Specimens.InitializeAsync();
        await Specimens.Backend.ExecuteAsync("""
            insert into specimens (id, owner_id, batch, name, nickname, price, discount, at, seen_at, grade, maybe_grade, flag, maybe_flag, ratio, token, day, length, description)
            select gen_random_uuid(), 'owner-' || i % 10, i % 5, 'name ' || i % 1000, case when i % 2 = 0 then 'nick ' || i % 700 end, i % 900, nullif(i % 3, 0), now() + i * interval '1 microsecond',
                case when i % 4 > 0 then now() + i % 1000 * interval '1 second' end, 'poor', null, i % 2 = 0, null, i, gen_random_uuid(), null, null,
                case when i % 500 = 0 then 'The rare marmalade' else 'Some tea, number ' || i end
            from generate_series(1, 6000) i
            """);
        await Specimens.Backend.ExecuteAsync("vacuum analyze specimens");
    }

    public ValueTask DisposeAsync() => Specimens.DisposeAsync();
}

/// <summary>What PostgreSQL does for a page near the end of a list: it goes to the place in an index and reads on from there.</summary>
public sealed class ListPlanTests(ManySpecimens many) : IClassFixture<ManySpecimens>
{
    private const int PageSize = 20;

    private static readonly User staff = new("sam", roles: ["staff"]);
    private static readonly User owner = new("owner-3");

    private ResourceModel Resource => many.Specimens.Resource;

    [Theory]
    [InlineData("")]
    [InlineData("sort=-id")]
    [InlineData("sort=price")]
    [InlineData("sort=-price")]
    [InlineData("sort=name")]
    [InlineData("sort=-at")]
    [InlineData("batch=2")]
    [InlineData("batch=2&sort=price")]
    [InlineData("batch=2&sort=-price")]
    public async Task The_page_before_the_last_reads_its_own_rows_only(string query) => await ReadsOnePageAsync(query, staff, fromEnd: PageSize + 2);

    [Theory]
    [InlineData("sort=nickname", 0.004)]
    [InlineData("sort=-nickname", 0.004)]
    [InlineData("sort=seenAt", 0.9)]
    [InlineData("sort=-seenAt", 0.9)]
    [InlineData("sort=nickname", 0.5)]
    [InlineData("sort=-nickname", 0.5)]
    [InlineData("sort=-nickname", 0.2)]
    [InlineData("sort=seenAt", 0.3)]
    [InlineData("sort=-seenAt", 0.2)]
    public async Task A_page_before_on_and_behind_the_border_of_rows_without_a_value_reads_its_own_rows_only(string query, double place) => await ReadsOnePageAsync(query, staff, fromEnd: (int)(6000 * place), parts: 2);

    [Theory]
    [InlineData("")]
    [InlineData("sort=-id")]
    [InlineData("sort=price")]
    [InlineData("sort=-price")]
    public async Task A_row_policy_reads_the_callers_rows_only(string query) => await ReadsOnePageAsync(query, owner, fromEnd: PageSize + 2);

    [Theory]
    [InlineData("search=marmalade")]
    [InlineData("search=marmalades&sort=price")]
    [InlineData("search=marmalade&sort=id&batch=0")]
    public async Task A_search_is_answered_by_its_index_whatever_the_order(string query)
    {
        var plan = await ExplainAsync(Read(query, staff), staff);

        Nodes(plan).ShouldContain(node => node.Type == "Bitmap Index Scan" && node.Index == "specimens_search_idx", plan.ToString());
        Nodes(plan).ShouldAllBe(node => node.Type != "Seq Scan", plan.ToString());
        Nodes(plan).Where(node => node.Type == "Bitmap Heap Scan").Sum(node => node.Rows).ShouldBe(12, plan.ToString());
    }

    [Fact]
    public async Task A_search_without_a_word_that_must_be_there_reads_nothing()
    {
        foreach (var search in new[] { "-tea", "the", "-tea or -coffee", "tea or -coffee", "!!!" })
        {
            var plan = await ExplainAsync(Read("search=" + Uri.EscapeDataString(search), staff), staff);

            Nodes(plan).Where(node => node.Type.EndsWith("Scan", StringComparison.Ordinal)).Sum(node => node.Rows).ShouldBe(0, plan.ToString());
        }
    }

    private ListQuery Read(string query, User user) => ListQuery.Read(Resource, QueryParameters.Parse(query.Length == 0 ? "" : query), user, many.Specimens.Backend.Running.Services.Cursors, null) with { PageSize = PageSize };

    private Predicate Visible(User user) => Resource.Read!.Resolve(user, Resource.Table.RowType);

    private async Task ReadsOnePageAsync(string text, User user, int fromEnd, int parts = 1)
    {
        var query = Read(text, user);
        query = query with { After = await PositionAsync(query, user, fromEnd) };

        var plan = await ExplainAsync(query, user);

        var nodes = Nodes(plan);
        // Where a page may reach from the rows with a value to those without, a page of each is read and put in order. And where few rows are left, the planner may take
        // them all by another index and sort them: that is its freedom, as long as what it reads does not grow with the list.
        nodes.ShouldAllBe(node => node.Type != "Seq Scan" && node.Type != "Incremental Sort", plan.ToString());
        nodes.Where(node => node.Index is not null).Sum(node => node.Rows + node.Removed).ShouldBeInRange(PageSize + 1, (parts + 2) * (PageSize + 1), plan.ToString());
    }

    /// <summary>The same pages when several share a statement: what each finds, it finds as it would alone.</summary>
    [Theory]
    [InlineData("", "sam")]
    [InlineData("sort=-id", "sam")]
    [InlineData("sort=price", "sam")]
    [InlineData("sort=-price", "sam")]
    [InlineData("sort=name", "sam")]
    [InlineData("batch=2&sort=price", "sam")]
    [InlineData("sort=price", "owner-3")]
    [InlineData("sort=-price", "owner-3")]
    public async Task Pages_that_share_a_statement_read_their_own_rows_only(string text, string caller)
    {
        const int Shared = 5;
        var user = caller == "sam" ? staff : owner;
        var query = Read(text, user);
        var statements = new List<ReadStatement>();
        for (var i = 0; i < Shared; i++)
            statements.Add(ListSql.List(Resource, Visible(user), query with { After = await PositionAsync(query, user, PageSize + 2 + (50 * i)) }));
        statements.ShouldAllBe(statement => statement.Text == statements[0].Text && statement.CanBeShared);

        var plan = await ExplainAsync(ReadStatement.Together(statements));

        var nodes = Nodes(plan);
        nodes.ShouldAllBe(node => node.Type != "Seq Scan" && node.Type != "Sort" && node.Type != "Incremental Sort", plan.ToString());
        nodes.Where(node => node.Index is not null).Sum(node => node.Rows + node.Removed).ShouldBeInRange(Shared * (PageSize + 1), Shared * 3 * (PageSize + 1), plan.ToString());
    }

    /// <summary>Where a walk stands when so many rows are left.</summary>
    private async Task<Position> PositionAsync(ListQuery query, User user, int fromEnd)
    {
        var all = ListSql.List(Resource, Visible(user), query with { PageSize = 100_000 });
        await using var connection = await many.Specimens.Backend.ConnectAsync();
        await using var command = new NpgsqlCommand(all.Text, connection);
        foreach (var value in all.Values)
            command.Parameters.Add(value);
        await using var reader = await command.ExecuteReaderAsync();
        var positions = new List<Position>();
        while (await reader.ReadAsync())
            positions.Add(new Position(query.Order.ValueOf(reader, Resource.Table.Columns.Count + 1), reader.GetGuid(0)));
        return positions[^(fromEnd + 1)];
    }

    private Task<JsonElement> ExplainAsync(ListQuery query, User user) => ExplainAsync(ListSql.List(Resource, Visible(user), query));

    private async Task<JsonElement> ExplainAsync(ReadStatement list)
    {
        await using var connection = await many.Specimens.Backend.ConnectAsync();
        await using var command = new NpgsqlCommand("explain (analyze, timing off, summary off, format json) " + list.Text, connection);
        foreach (var value in list.Values)
            command.Parameters.Add(value);
        return JsonElement.Parse((string)(await command.ExecuteScalarAsync())!)[0].GetProperty("Plan");
    }

    private sealed record Node(string Type, string? Index, double Rows, double Removed);

    private static List<Node> Nodes(JsonElement plan)
    {
        double Number(string name) => plan.TryGetProperty(name, out var value) ? value.GetDouble() : 0;
        var node = new Node(plan.GetProperty("Node Type").GetString()!, plan.TryGetProperty("Index Name", out var index) ? index.GetString() : null,
            Number("Actual Rows") * Number("Actual Loops"), Number("Rows Removed by Filter") + Number("Rows Removed by Index Recheck"));
        return [node, .. plan.TryGetProperty("Plans", out var parts) ? parts.EnumerateArray().SelectMany(Nodes) : []];
    }
}
