using System.ComponentModel.DataAnnotations;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Mainstay.Internal;
using Npgsql;

namespace Mainstay.Tests.Schema;

public enum Grade
{
    Low,
    VeryHigh,
}

public sealed record Maker(Id<Maker> Id, [StringLength(80, MinimumLength = 2)] string Name, Id<Maker>? ParentId);

/// <summary>Every type of column, every kind of bound, every kind of default.</summary>
public sealed record Article(
    Id<Article> Id,
    [MaxLength(40)] string Sku,
    string Name,
    [StringLength(20, MinimumLength = 3)] string? Nickname,
    [Required] string? Label,
    Grade Grade,
    Grade? Mood,
    Id<Maker> MakerId,
    Id<Maker>? PreviousMakerId,
    Guid Token,
    bool IsActive,
    [Range(1, 12)] short Month,
    [Range(0, int.MaxValue)] int Stock,
    [Range(-5, 5)] long Shift,
    [Range(typeof(decimal), "0", "99999.99", MinimumIsExclusive = true)] decimal Price,
    decimal Weight,
    [Range(0, 0.1, MaximumIsExclusive = true)] float Share,
    [Range(0, 0.1)] float Rate,
    double Ratio,
    [Range(0, double.MaxValue)] double Length,
    DateTimeOffset PlacedAt,
    DateOnly Day,
    TimeOnly Hour,
    TimeSpan Duration,
    byte[] Photo,
    [MaxLength(16), MinLength(4)] byte[] Digest,
    JsonElement Attributes,
    JsonElement? Extra,
    string Note = "it's \\ new",
    int Priority = -1,
    int? Rank = 3,
    bool IsHidden = false,
    double Factor = 1.5,
    decimal Fee = 0.25m,
    Grade Quality = Grade.VeryHigh,
    Guid Origin = default,
    Id<Maker> Owner = default);

/// <summary>A database with the tables and one row in each.</summary>
public sealed class ArticleDatabase(PostgresFixture postgres) : SchemaTest(postgres), IAsyncLifetime
{
    internal TableModel[] Declared { get; } = DdlTests.Declare();

    async ValueTask IAsyncLifetime.InitializeAsync()
    {
        await InitializeAsync();
        await StartAsync(Declared);
        await ExecuteAsync("""
            insert into maker (id, name) values ('00000000-0000-7000-8000-000000000001', 'Acme');
            insert into article (id, sku, name, label, grade, maker_id, token, is_active, month, stock, shift, price, weight, share, rate, ratio, length,
                placed_at, day, hour, duration, photo, digest, attributes, owner)
            values ('00000000-0000-7000-8000-000000000002', 'A-1', 'Tea', 'l', 'veryHigh', '00000000-0000-7000-8000-000000000001', gen_random_uuid(), true, 1, 0, 0, 1, 1, 0, 0, 0, 0,
                now(), now(), '12:00', '1 hour', '\x00', '\x00010203', '{}', '00000000-0000-7000-8000-000000000001')
            """);
    }
}

public sealed class DdlTests(ArticleDatabase database) : IClassFixture<ArticleDatabase>
{
    internal static TableModel[] Declare()
    {
        TableModel[] tables =
        [
            SchemaTest.Table<Article>("article", table =>
            {
                void Index(bool isUnique, params string[] members) => table.AddIndex(isUnique, [.. members.Select(member => table.FindMember(member)!)]);
                Index(true, "Sku");
                Index(true, "MakerId", "Month");
                Index(false, "Grade");
                Index(false, "Price");
                Index(false, "Grade", "PlacedAt");
                Index(false, "Month", "Id");
            }),
            SchemaTest.Table<Maker>("maker"),
        ];
        return [.. new Tables(tables).Models];
    }

    [Fact]
    public void The_script_is_the_reviewed_one()
    {
        var script = string.Concat(new Ddl().Create(database.Declared).Select(statement => statement.Sql + ";\n\n")).TrimEnd() + "\n";

        script.ShouldBe(Snapshot("article.sql", script));
    }

    [Fact]
    public void Another_schema_is_created_first_and_holds_everything()
    {
        var statements = new Ddl().Create([.. new Tables([new TableModel(typeof(Maker), "maker", "shop"), new TableModel(typeof(Article), "article", "shop")]).Models]);

        statements[0].ShouldBe(new SchemaStatement(SchemaStatementKind.Schema, "create schema \"shop\""));
        statements.ShouldAllBe(statement => statement.Sql.Contains("\"shop\"") && !statement.Sql.Contains("\"public\""));
    }

    [Theory]
    [InlineData("sku", "repeat('x', 41)")]
    [InlineData("name", "repeat('x', 1001)")]
    [InlineData("nickname", "'ab'")]
    [InlineData("nickname", "repeat('x', 21)")]
    [InlineData("label", "''")]
    [InlineData("grade", "'Low'")]
    [InlineData("mood", "'medium'")]
    [InlineData("month", "0")]
    [InlineData("month", "13")]
    [InlineData("stock", "-1")]
    [InlineData("shift", "-6")]
    [InlineData("shift", "6")]
    [InlineData("price", "0")]
    [InlineData("price", "100000")]
    [InlineData("price", "'NaN'")]
    [InlineData("share", "0.1")]
    [InlineData("rate", "0.11")]
    [InlineData("rate", "'NaN'")]
    [InlineData("ratio", "'NaN'")]
    [InlineData("ratio", "'Infinity'")]
    [InlineData("ratio", "'-Infinity'")]
    [InlineData("length", "-0.1")]
    [InlineData("length", "'Infinity'")]
    [InlineData("photo", "convert_to(repeat('x', 65537), 'UTF8')")]
    [InlineData("digest", "convert_to('abc', 'UTF8')")]
    [InlineData("digest", "convert_to(repeat('x', 17), 'UTF8')")]
    public async Task The_database_refuses_what_the_bounds_forbid(string column, string value)
    {
        var refusal = await Should.ThrowAsync<PostgresException>(() => database.ExecuteAsync($"update article set {column} = {value}"));

        refusal.SqlState.ShouldBe(PostgresErrorCodes.CheckViolation);
        refusal.ConstraintName.ShouldBe($"article_{column}_check");
    }

    [Theory]
    [InlineData("sku", "repeat('€', 40)")]
    [InlineData("name", "repeat('𝄞', 1000)")]
    [InlineData("name", "''")]
    [InlineData("nickname", "null")]
    [InlineData("mood", "null")]
    [InlineData("month", "12")]
    [InlineData("stock", "2147483647")]
    [InlineData("price", "99999.99")]
    [InlineData("rate", "0.1")]
    [InlineData("ratio", "1.7976931348623157e308")]
    [InlineData("photo", "convert_to(repeat('x', 65536), 'UTF8')")]
    public async Task The_database_takes_what_lies_on_the_bounds(string column, string value)
    {
        await database.ExecuteAsync($"update article set {column} = {value}");
    }

    [Fact]
    public async Task Constraints_have_the_names_by_which_fields_are_found()
    {
        var tables = new Tables(database.Declared);
        var names = await database.AskAsync<string[]>("select array_agg(conname::text) from pg_constraint where connamespace = 'public'::regnamespace and contype in ('p', 'u', 'c', 'f')");

        names!.ShouldAllBe(name => tables.FindConstraint("public", name) != null);
        names!.Length.ShouldBeGreaterThan(25);
    }

    [Fact]
    public async Task A_row_that_is_pointed_at_cannot_be_deleted()
    {
        var refusal = await Should.ThrowAsync<PostgresException>(() => database.ExecuteAsync("delete from maker"));

        refusal.ConstraintName.ShouldBe("article_maker_id_fkey");
    }

    [Theory]
    [InlineData("select id from article where grade = $1 order by grade, id", "text", "article_grade_idx", "grade = $1")]
    [InlineData("select id from article order by price, id", "text", "article_price_idx", null)]
    [InlineData("select id from article order by price desc, id desc", "text", "article_price_idx", null)]
    [InlineData("select id from article where (price, id) > ($1::numeric, '00000000-0000-0000-0000-000000000000') order by price, id", "text", "article_price_idx", "ROW(price, id)")]
    [InlineData("select id from article where grade = $1 order by placed_at desc, id desc", "text", "article_grade_placed_at_idx", "grade = $1")]
    [InlineData("select id from article where month = $1 order by id", "smallint", "article_month_id_idx", "month = $1")]
    [InlineData("select id from article where previous_maker_id = $1 order by id", "uuid", "article_previous_maker_id_idx", "previous_maker_id = $1")]
    [InlineData("select id from article where maker_id = $1", "uuid", "article_maker_id_month_key", "maker_id = $1")]
    [InlineData("select id from article where sku = $1", "text", "article_sku_key", "sku = $1")]
    [InlineData("select id from maker where parent_id = $1 order by id", "uuid", "maker_parent_id_idx", "parent_id = $1")]
    public async Task Each_declared_access_has_an_index_that_serves_its_filter_and_its_order(string sql, string type, string index, string? condition)
    {
        await using var connection = await database.Source.OpenConnectionAsync(SchemaTest.Cancellation);
        async Task<string> AskAsync(string statement)
        {
            await using var command = new NpgsqlCommand(statement, connection);
            await using var reader = await command.ExecuteReaderAsync(SchemaTest.Cancellation);
            var lines = new List<string>();
            while (await reader.ReadAsync(SchemaTest.Cancellation))
                lines.Add(reader.GetString(0));
            return string.Join('\n', lines);
        }

        await AskAsync("set enable_seqscan = off; set enable_sort = off; set enable_bitmapscan = off; set plan_cache_mode = force_generic_plan");
        await AskAsync($"prepare access({type}) as {sql}");
        var plan = await AskAsync("explain (costs off) execute access(null)");

        plan.ShouldContain($"using {index}");
        plan.ShouldNotContain("Sort");
        plan.ShouldNotContain("Filter");
        if (condition is not null)
            plan.ShouldContain($"Index Cond: ({condition}");
    }

    /// <summary>Compares with a file beside this one; MAINSTAY_ACCEPT=1 takes the actual text as the new file.</summary>
    private static string Snapshot(string name, string actual, [CallerFilePath] string here = "")
    {
        var path = Path.Combine(Path.GetDirectoryName(here)!, name);
        if (Environment.GetEnvironmentVariable("MAINSTAY_ACCEPT") == "1")
            File.WriteAllText(path, actual);
        return File.Exists(path) ? File.ReadAllText(path).ReplaceLineEndings("\n") : "";
    }
}
