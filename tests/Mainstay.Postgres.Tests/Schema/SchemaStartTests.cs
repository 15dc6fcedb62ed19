using System.ComponentModel.DataAnnotations;
using Mainstay.Internal;
using Npgsql;

namespace Mainstay.Tests.Schema;

/// <summary>The table product, release by release. The first is what every test starts from.</summary>
public static class First
{
    public enum Grade
    {
        Low,
        High,
    }

    public sealed record Category(Id<Category> Id, string Name);

    public sealed record Product(Id<Product> Id, [MaxLength(40)] string Sku, string? Nickname, [Range(0, 100)] int Stock, Grade Grade, Id<Category>? CategoryId);
}

public sealed class SchemaStartTests(PostgresFixture postgres) : SchemaTest(postgres)
{
    private const string Row = "insert into product (id, sku, nickname, stock, grade) values (gen_random_uuid(), 'A-1', 'tea', 7, 'low'), (gen_random_uuid(), 'A-2', null, 50, 'high')";

    private static TableModel[] FirstRelease() => [Table<First.Product>("product", table =>
    {
        table.AddIndex(true, table.FindMember("Sku")!);
        table.AddIndex(false, table.FindMember("Stock")!);
    }), Table<First.Category>("category")];

    private async Task<string> PrepareAsync()
    {
        await StartAsync(FirstRelease());
        await ExecuteAsync(Row);
        return await StructureAsync();
    }

    [Fact]
    public async Task An_empty_database_gets_everything_and_the_next_start_finds_nothing_to_do()
    {
        var first = await StartAsync(FirstRelease());
        var structure = await StructureAsync();
        var second = await StartAsync(FirstRelease());

        first.Applied.Select(change => change.Description).ShouldBe([
            "Schema mainstay is new.", "Table mainstay.migrations is new.", "Mainstay's own tables: 0001_mainstay.", "Mainstay's own tables: 0002_queues.", "Mainstay's own tables: 0003_schedules.", "Mainstay's own tables: 0004_sagas.", "Mainstay's own tables: 0005_ledger.", "Mainstay's own tables: 0006_replies.",
            "Table product is new.", "Table category is new.", "Column product.category_id points at category."]);
        first.Summary.ShouldBe("11 changes applied");
        second.Applied.ShouldBeEmpty();
        second.Notes.ShouldBeEmpty();
        second.Summary.ShouldBe("up to date");
        (await StructureAsync()).ShouldBe(structure);
        (await AskAsync<int>(SchemaSql.Version)).ShouldBe(SchemaFiles.Newest);
    }

    [Fact]
    public async Task The_whole_script_run_by_hand_leaves_nothing_to_do()
    {
        foreach (var statement in SchemaStart.Script([.. new Tables(DdlTests.Declare()).Models]))
            await ExecuteAsync(statement);

        (await StartAsync(SchemaMode.Check, DdlTests.Declare())).Applied.ShouldBeEmpty();
        (await StartAsync(SchemaMode.Apply, DdlTests.Declare())).Applied.ShouldBeEmpty();
    }

    [Fact]
    public async Task Off_does_not_look()
    {
        (await StartAsync(SchemaMode.Off, FirstRelease())).Summary.ShouldBe("not checked");

        (await StructureAsync()).ShouldBeEmpty();
    }

    private static class Additive
    {
        public enum Grade
        {
            Low,
            Middle,
            High,
        }

        public sealed record Product(Id<Product> Id, [MaxLength(50)] string Sku, [MaxLength(10)] string? Nickname, int Stock, Grade? Grade, Id<First.Category>? CategoryId,
            int? Weight, DateTimeOffset? SeenAt, string Note = "none", Grade Quality = Grade.Middle);
    }

    [Fact]
    public async Task Everything_additive_is_applied_in_one_start()
    {
        await PrepareAsync();
        TableModel[] Next() => [Table<Additive.Product>("product", table =>
        {
            table.AddIndex(true, table.FindMember("Sku")!, table.FindMember("Stock")!);
            table.AddIndex(false, table.FindMember("Weight")!);
            table.AddIndex(false, table.FindMember("Stock")!);
        }), FirstRelease()[1]];

        var report = await StartAsync(Next());

        report.Applied.Select(change => $"{change.Kind} {change.Description}").ShouldBe([
            "Add Column product.weight is new.",
            "Add Column product.seen_at is new.",
            "Add Column product.note is new.",
            "Add Column product.quality is new.",
            "Remove Constraint product_sku_key on product is not declared any more: UNIQUE (sku).",
            "Remove Constraint product_stock_check on product is not declared any more: CHECK (((stock >= 0) AND (stock <= 100))).",
            "Change Column product.grade is never null, declared as nullable.",
            "Add Constraint product_sku_stock_key on product is new: UNIQUE (sku, stock).",
            "Change Constraint product_sku_check on product is CHECK ((char_length(sku) <= 40)), declared CHECK ((char_length(sku) <= 50)).",
            "Change Constraint product_nickname_check on product is CHECK ((char_length(nickname) <= 1000)), declared CHECK ((char_length(nickname) <= 10)).",
            "Change Constraint product_grade_check on product is CHECK ((grade = ANY (ARRAY['low'::text, 'high'::text]))), declared CHECK ((grade = ANY (ARRAY['low'::text, 'middle'::text, 'high'::text]))).",
            "Add Constraint product_note_check on product is new: CHECK ((char_length(note) <= 1000)).",
            "Add Constraint product_quality_check on product is new: CHECK ((quality = ANY (ARRAY['low'::text, 'middle'::text, 'high'::text]))).",
            "Add Index product_weight_idx on product is new."]);
        (await AskAsync<long>("select count(*) from product where note = 'none' and quality = 'middle'")).ShouldBe(2);
        (await StartAsync(SchemaMode.Check, Next())).Notes.ShouldBeEmpty();
    }

    private static class Required
    {
        public sealed record Product(Id<Product> Id, [MaxLength(40)] string Sku, string? Nickname, [Range(0, 100)] int Stock, First.Grade Grade, Id<First.Category>? CategoryId, decimal Price);
    }

    private static TableModel[] RequiredRelease() => [Table<Required.Product>("product", table =>
    {
        table.AddIndex(true, table.FindMember("Sku")!);
        table.AddIndex(false, table.FindMember("Stock")!);
        table.AddIndex(false, table.FindMember("Price")!);
    }), FirstRelease()[1]];

    [Fact]
    public async Task A_required_column_is_added_to_an_empty_table()
    {
        await StartAsync(FirstRelease());

        var report = await StartAsync(RequiredRelease());

        report.Applied.Select(change => change.Sql).ShouldBe([
            "alter table \"public\".\"product\" add column \"price\" numeric not null;",
            "create index \"product_price_idx\" on \"public\".\"product\" (\"price\", \"id\");"]);
    }

    [Fact]
    public async Task A_required_column_without_default_is_refused_when_there_are_rows_and_the_printed_statement_settles_it()
    {
        var before = await PrepareAsync();

        var refusal = await Should.ThrowAsync<ConfigurationException>(() => StartAsync(RequiredRelease()));

        refusal.Code.ShouldBe("MST1501");
        refusal.Message.ShouldBe("""
            MST1501: The declared tables differ from the database in 1 way that a start does not settle by itself. Nothing was changed.

            1. Column product.price is new, must have a value and has no default, and the table has rows.
               Mainstay cannot know the value for the rows that are there. Put it in the place of <value>, or declare a default in the record, such as 'Decimal Price = …', or make the member nullable.
                   alter table "public"."product" add column "price" numeric not null default <value>;
                   alter table "public"."product" alter column "price" drop default;

            Run the statements yourself, after reading them, and start again. In development you can instead delete the data folder of the embedded database and start with an empty one.
            """);
        (await StructureAsync()).ShouldBe(before);

        await ExecuteAsync(Printed(refusal).Replace("<value>", "9.5", StringComparison.Ordinal));
        (await StartAsync(RequiredRelease())).Applied.Single().Description.ShouldBe("Index product_price_idx on product is new.");
    }

    private static class Renamed
    {
        public sealed record Product(Id<Product> Id, [MaxLength(40)] string ArticleNumber, string? Nickname, [Range(0, 100)] int Stock, First.Grade Grade, Id<First.Category>? CategoryId);
    }

    [Fact]
    public async Task What_looks_like_a_rename_is_left_to_a_person_and_the_printed_statements_settle_it()
    {
        var before = await PrepareAsync();
        TableModel[] Next() => [Table<Renamed.Product>("product", table =>
        {
            table.AddIndex(true, table.FindMember("ArticleNumber")!);
            table.AddIndex(false, table.FindMember("Stock")!);
        }), FirstRelease()[1]];

        var refusal = await Should.ThrowAsync<ConfigurationException>(() => StartAsync(Next()));

        refusal.Code.ShouldBe("MST1501");
        refusal.Message.ShouldContain("Column product.sku is gone and product.article_number of the same type text is new: it looks like a rename.");
        refusal.Message.ShouldContain("If it is no rename, add the column: alter table \"public\".\"product\" add column \"article_number\" text not null default <value>;");
        Printed(refusal).ShouldBe("""
            alter table "public"."product" rename column "sku" to "article_number";
            alter table "public"."product" rename constraint "product_sku_check" to "product_article_number_check";
            alter table "public"."product" rename constraint "product_sku_key" to "product_article_number_key";
            """);
        (await StructureAsync()).ShouldBe(before);

        await ExecuteAsync(Printed(refusal));
        (await StartAsync(SchemaMode.Check, Next())).Notes.ShouldBeEmpty();
    }

    private static class Retyped
    {
        public sealed record Product(Id<Product> Id, [MaxLength(40)] string Sku, string? Nickname, [Range(0, 100)] long Stock, First.Grade Grade, Id<First.Category>? CategoryId);
    }

    [Fact]
    public async Task A_changed_type_is_refused_and_the_printed_statement_settles_it()
    {
        var before = await PrepareAsync();
        TableModel[] Next() => [Table<Retyped.Product>("product", table =>
        {
            table.AddIndex(true, table.FindMember("Sku")!);
            table.AddIndex(false, table.FindMember("Stock")!);
        }), FirstRelease()[1]];

        var refusal = await Should.ThrowAsync<ConfigurationException>(() => StartAsync(Next()));

        refusal.Message.ShouldContain("1. Column product.stock is integer, declared bigint.");
        Printed(refusal).ShouldBe("alter table \"public\".\"product\" alter column \"stock\" type bigint using \"stock\"::bigint;");
        (await StructureAsync()).ShouldBe(before);

        await ExecuteAsync(Printed(refusal));
        await StartAsync(Next());
        (await StartAsync(SchemaMode.Check, Next())).Notes.ShouldBeEmpty();
    }

    private static class Shorter
    {
        public sealed record Product(Id<Product> Id, [MaxLength(40)] string Sku, First.Grade Grade, Id<First.Category>? CategoryId);
    }

    [Fact]
    public async Task A_column_that_no_record_has_any_more_stops_the_start_only_when_inserts_would_fail()
    {
        var before = await PrepareAsync();
        TableModel[] Next() => [Table<Shorter.Product>("product", table => table.AddIndex(true, table.FindMember("Sku")!)), FirstRelease()[1]];

        var refusal = await Should.ThrowAsync<ConfigurationException>(() => StartAsync(Next()));

        refusal.Message.ShouldContain("1. Column product.stock is not declared, must have a value and has no default, so every insert would fail.");
        refusal.Message.ShouldNotContain("2.");
        refusal.Message.ShouldContain("once nobody needs them, drop it: alter table \"public\".\"product\" drop column \"stock\";");
        (await StructureAsync()).ShouldBe(before);

        await ExecuteAsync(Printed(refusal));
        var report = await StartAsync(Next());
        report.Applied.ShouldBeEmpty();
        report.Notes.ShouldBe([
            "Column product.nickname is not declared and is left as it is. Once no release uses it: alter table \"public\".\"product\" drop column \"nickname\";",
            "Column product.stock is not declared and is left as it is. Once no release uses it: alter table \"public\".\"product\" drop column \"stock\";",
            "Index product_stock_idx on product is not declared and is left as it is. If no release uses it: drop index \"public\".\"product_stock_idx\";"]);
    }

    private static class Tighter
    {
        public sealed record Product(Id<Product> Id, [MaxLength(2)] string Sku, [Required] string Nickname, [Range(0, 10)] int Stock, First.Grade Grade, Id<First.Category>? CategoryId);
    }

    [Fact]
    public async Task Rules_that_rows_violate_are_all_named_with_a_query_for_the_rows_and_without_their_values()
    {
        var before = await PrepareAsync();
        await ExecuteAsync("update product set grade = 'high'");

        var refusal = await Should.ThrowAsync<ConfigurationException>(() => StartAsync(Table<Tighter.Product>("product", table =>
        {
            table.AddIndex(true, table.FindMember("Sku")!);
            table.AddIndex(true, table.FindMember("Grade")!);
            table.AddIndex(false, table.FindMember("Stock")!);
        }), FirstRelease()[1]));

        refusal.Code.ShouldBe("MST1501");
        refusal.Message.ShouldContain("in 4 ways that");
        refusal.Message.ShouldContain("column \"nickname\" of relation \"product\" contains null values. Find the rows with: select \"id\" from \"public\".\"product\" where \"nickname\" is null;");
        refusal.Message.ShouldContain("could not create unique index \"product_grade_key\". Find the rows with: select \"grade\", count(*) from \"public\".\"product\" group by \"grade\" having count(*) > 1;");
        refusal.Message.ShouldContain("check constraint \"product_stock_check\" of relation \"product\" is violated by some row. Find the rows with: select \"id\" from \"public\".\"product\" where not (\"stock\" >= 0 and \"stock\" <= 10);");
        refusal.Message.ShouldNotContain("A-1");
        (await StructureAsync()).ShouldBe(before);
    }

    private static class Referring
    {
        public sealed record Product(Id<Product> Id, [MaxLength(40)] string Sku, string? Nickname, [Range(0, 100)] int Stock, First.Grade Grade, Id<First.Category>? CategoryId);
    }

    [Fact]
    public async Task A_foreign_key_is_added_when_all_rows_keep_it_and_refused_when_one_does_not()
    {
        TableModel Product() => Table<Referring.Product>("product");
        await StartAsync(Product());
        await ExecuteAsync("insert into product (id, sku, stock, grade, category_id) values (gen_random_uuid(), 'A', 1, 'low', gen_random_uuid())");

        var refusal = await Should.ThrowAsync<ConfigurationException>(() => StartAsync(Product(), FirstRelease()[1]));
        (await AskAsync<bool>("select to_regclass('category') is null")).ShouldBeTrue();
        await ExecuteAsync("update product set category_id = null");
        var report = await StartAsync(Product(), FirstRelease()[1]);

        refusal.Message.ShouldContain("violates foreign key constraint \"product_category_id_fkey\". Find the rows with: select \"id\" from \"public\".\"product\" a where \"category_id\" is not null and not exists");
        refusal.Message.ShouldContain("2 other changes will then be made by the start");
        report.Applied.Select(change => change.Description).ShouldBe(["Table category is new.", "Index product_category_id_idx on product is new.", "Column product.category_id points at category."]);
    }

    [Theory]
    [InlineData("alter table product drop constraint product_sku_key; create unique index product_sku_key on product (sku)", "add constraint \"product_sku_key\" unique using index")]
    [InlineData("alter table product drop constraint product_sku_key; alter table product add constraint product_sku_key unique (sku) deferrable", "drop constraint \"product_sku_key\"")]
    [InlineData("alter table product drop constraint product_sku_key; alter table product add constraint product_sku_key unique (sku, stock)", "unique (\"sku\")")]
    [InlineData("drop index product_stock_idx; create index product_stock_idx on product (stock, id) where stock > 0", "(\"stock\", \"id\")")]
    [InlineData("alter table product drop constraint product_pkey", "primary key (\"id\")")]
    [InlineData("alter table product rename constraint product_pkey to other", "rename constraint \"other\" to \"product_pkey\"")]
    [InlineData("alter table product drop constraint product_stock_check; alter table product add constraint product_stock_check check (stock >= 0 and stock <= 100) not valid", "validate constraint \"product_stock_check\"")]
    [InlineData("alter table product drop constraint product_category_id_fkey; alter table product add constraint product_category_id_fkey foreign key (category_id) references category on delete cascade", "on delete restrict")]
    [InlineData("alter table product drop constraint product_category_id_fkey; alter table product add constraint product_category_id_fkey foreign key (category_id) references category on delete restrict not valid", "validate constraint")]
    [InlineData("drop index product_stock_idx; create index product_stock_idx on product (stock)", "(\"stock\", \"id\")")]
    [InlineData("alter table product drop column row_version", "add column row_version bigint not null default 1")]
    [InlineData("alter table product alter column row_version drop default", "alter column \"row_version\" set default 1")]
    public async Task Drift_is_mended(string drift, string mend)
    {
        var before = await PrepareAsync();
        await ExecuteAsync(drift);

        var report = await StartAsync(FirstRelease());

        report.Applied.Single().Sql.ShouldContain(mend);
        (await StructureAsync()).Split('\n').Order().ShouldBe(before.Split('\n').Order());
    }

    [Fact]
    public async Task What_others_added_to_a_table_stays()
    {
        await PrepareAsync();
        await ExecuteAsync("alter table product add constraint house_rule check (stock <> 13); create index by_hand on product (nickname) where stock > 0; create table other (x text)");

        var report = await StartAsync(FirstRelease());

        report.Applied.ShouldBeEmpty();
        report.Notes.ShouldBe(["Constraint house_rule on product is not declared and is left as it is. A row it refuses is answered with an internal error."]);
    }

    [Fact]
    public async Task A_view_with_the_name_of_a_table_is_refused()
    {
        await ExecuteAsync("create view category as select 1 as id");

        var refusal = await Should.ThrowAsync<ConfigurationException>(() => StartAsync(FirstRelease()));

        refusal.Message.ShouldContain("category exists in schema public and is not a table.");
    }

    [Fact]
    public async Task Check_lists_every_difference_and_changes_nothing()
    {
        var refusal = await Should.ThrowAsync<ConfigurationException>(() => StartAsync(SchemaMode.Check, FirstRelease()));

        refusal.Code.ShouldBe("MST1502");
        refusal.Message.ShouldContain("in 11 ways");
        refusal.Message.ShouldContain("create table mainstay.receipts (");
        refusal.Message.ShouldContain("create table \"public\".\"product\" (");
        refusal.Message.ShouldEndWith("Start one node with Mainstay__Schema=apply, which makes these changes, or run the statements yourself before this release starts.");
        (await StructureAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task Check_says_when_apply_would_not_help_either()
    {
        await PrepareAsync();

        var refusal = await Should.ThrowAsync<ConfigurationException>(() => StartAsync(SchemaMode.Check, RequiredRelease()));

        refusal.Message.ShouldEndWith("Run the statements yourself before this release starts. Mainstay__Schema=apply makes only the additive ones and refuses these.");
    }

    [Fact]
    public async Task The_release_before_starts_on_what_the_next_one_added()
    {
        await PrepareAsync();
        await ExecuteAsync("alter table product add column note text not null default ''; alter table product add constraint product_note_check check (char_length(note) <= 10); alter table product add constraint product_nickname_key unique (nickname)");

        var report = await StartAsync(SchemaMode.Check, FirstRelease());

        report.Applied.ShouldBeEmpty();
        report.Notes.ShouldContain(note => note.StartsWith("Column product.note is not declared", StringComparison.Ordinal));
        report.Notes.ShouldContain(note => note.StartsWith("Constraint product_nickname_key on product is not declared any more", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Eight_nodes_that_start_at_once_on_an_empty_database_all_start()
    {
        var reports = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => StartAsync(FirstRelease())));

        reports.Count(report => report.Applied.Count > 0).ShouldBe(1);
        (await StartAsync(SchemaMode.Check, FirstRelease())).Notes.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_start_that_is_killed_in_the_middle_leaves_nothing()
    {
        await StartAsync(FirstRelease()[1]);
        var before = await StructureAsync();
        await using var writer = await Source.OpenConnectionAsync(Cancellation);
        await using var writing = await writer.BeginTransactionAsync(Cancellation);
        await using (var write = new NpgsqlCommand("lock table category in row exclusive mode", writer))
            await write.ExecuteNonQueryAsync(Cancellation);

        // The new table is made; the foreign key then waits for the table that is being written.
        var start = StartAsync(SchemaMode.Apply, new SchemaLimits { Lock = TimeSpan.FromMinutes(1) }, FirstRelease());
        while (!await AskAsync<bool>("select coalesce(bool_or(pg_terminate_backend(pid)), false) from pg_stat_activity where datname = current_database() and backend_type = 'client backend' and wait_event_type = 'Lock'"))
            await Task.Delay(10, Cancellation);

        await Should.ThrowAsync<NpgsqlException>(() => start);
        await writing.RollbackAsync(Cancellation);
        (await StructureAsync()).ShouldBe(before);
        (await StartAsync(FirstRelease())).Applied.Count.ShouldBe(2);
    }

    [Fact]
    public async Task A_table_in_use_ends_the_start_instead_of_making_queries_queue()
    {
        await PrepareAsync();
        await using var reader = await Source.OpenConnectionAsync(Cancellation);
        await using var reading = await reader.BeginTransactionAsync(Cancellation);
        await using (var read = new NpgsqlCommand("select from product", reader))
            await read.ExecuteNonQueryAsync(Cancellation);

        var refusal = await Should.ThrowAsync<ConfigurationException>(() => StartAsync(SchemaMode.Apply, new SchemaLimits { Lock = TimeSpan.FromMilliseconds(100) }, FirstRelease()[1], Table<Required.Product>("product")));

        refusal.Code.ShouldBe("MST1510");
        refusal.Message.ShouldContain("waited 0.1 s for a table");
    }

    [Fact]
    public async Task A_start_stops_waiting_for_a_node_that_does_not_finish()
    {
        await using var other = await Source.OpenConnectionAsync(Cancellation);
        await using var preparing = await other.BeginTransactionAsync(Cancellation);
        await using (var hold = new NpgsqlCommand(SchemaSql.TryLock, other))
            await hold.ExecuteNonQueryAsync(Cancellation);

        var refusal = await Should.ThrowAsync<ConfigurationException>(() => StartAsync(SchemaMode.Apply, new SchemaLimits { OtherNode = TimeSpan.FromMilliseconds(100) }, FirstRelease()));

        refusal.Code.ShouldBe("MST1510");
    }

    [Fact]
    public async Task A_database_of_a_newer_build_is_refused()
    {
        await PrepareAsync();
        await ExecuteAsync("insert into mainstay.migrations (number, name, checksum) values (9999, '9999_later', 'x')");

        foreach (var mode in new[] { SchemaMode.Apply, SchemaMode.Check })
            (await Should.ThrowAsync<ConfigurationException>(() => StartAsync(mode, FirstRelease()))).Message.ShouldStartWith($"MST1508: The database has version 9999 of Mainstay's own tables, and this build knows up to {SchemaFiles.Newest}.");
    }

    [Fact]
    public async Task An_applied_file_that_was_edited_is_refused()
    {
        await PrepareAsync();
        await ExecuteAsync("update mainstay.migrations set checksum = repeat('0', 64)");

        (await Should.ThrowAsync<ConfigurationException>(() => StartAsync(FirstRelease()))).Message.ShouldStartWith("MST1507: File 0001_mainstay.sql of Mainstay's own tables was applied to this database with the checksum 000000000000,");
    }

    [Fact]
    public async Task A_missing_right_is_named()
    {
        await ExecuteAsync("revoke create on schema public from pg_database_owner");

        var refusal = await Should.ThrowAsync<ConfigurationException>(() => StartAsync(FirstRelease()));

        refusal.Code.ShouldBe("MST1509");
        refusal.Message.ShouldContain("permission denied for schema public");
        (await StructureAsync()).ShouldBeEmpty();
    }

    /// <summary>The statements in a refusal: what is indented deepest.</summary>
    private static string Printed(ConfigurationException refusal) =>
        string.Join('\n', refusal.Message.Split('\n').Where(line => line.StartsWith("       ", StringComparison.Ordinal)).Select(line => line.Trim()));
}
