using Mainstay.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Mainstay.Tests.Schema;

/// <summary>Tables of several schemas, some of them with one name.</summary>
public sealed class ModuleSchemaTests(PostgresFixture postgres) : SchemaTest(postgres)
{
    private sealed record Item(Id<Item> Id, string Name, int Size);

    private sealed record Part(Id<Part> Id, string Name, Id<Item> ItemId);

    private sealed record LargerPart(Id<LargerPart> Id, string Name, Id<Item> ItemId, string? Note);

    private readonly PostgresFixture _postgres = postgres;

    private static TableModel In<T>(string schema, string name, bool isUnique = false)
    {
        var table = new TableModel(typeof(T), name, schema);
        table.AddIndex(isUnique, table.FindMember("Name")!);
        return table;
    }

    private static TableModel[] Declare(string items = "stock") => [In<Item>(items, "items"), In<Part>("sales", "items", isUnique: true)];

    [Fact]
    public async Task Schemas_are_created_and_tables_of_one_name_are_apart()
    {
        var first = await StartAsync(Declare());

        first.Applied.Select(change => change.Description).Where(text => !text.Contains("ainstay", StringComparison.Ordinal)).ShouldBe([
            "Schema stock is new.", "Schema sales is new.", "Table stock.items is new.", "Table sales.items is new.", "Column sales.items.item_id points at stock.items."]);
        (await StartAsync(Declare())).Applied.ShouldBeEmpty();
        (await StartAsync(SchemaMode.Check, Declare())).Notes.ShouldBeEmpty();
        (await AskAsync<string[]>("select array_agg(schemaname || '.' || indexname) from pg_indexes where schemaname in ('stock', 'sales', 'public')")).ShouldBe([
            "sales.items_item_id_idx", "sales.items_name_key", "sales.items_pkey", "stock.items_name_idx", "stock.items_pkey"], ignoreOrder: true);
    }

    [Fact]
    public async Task What_differs_in_one_schema_is_found_there()
    {
        await StartAsync(Declare());
        await ExecuteAsync("alter table sales.items drop constraint items_name_key; drop index stock.items_name_idx");

        var report = await StartAsync(Declare()[0], In<LargerPart>("sales", "items", isUnique: true));

        report.Applied.Select(change => change.Description).ShouldBe([
            "Column sales.items.note is new.", "Constraint items_name_key on sales.items is new: UNIQUE (name).", "Constraint items_note_check on sales.items is new: CHECK ((char_length(note) <= 1000)).", "Index items_name_idx on stock.items is new."]);
        report.Applied[0].Sql.ShouldBe("alter table \"sales\".\"items\" add column \"note\" text;");
    }

    [Fact]
    public async Task The_whole_script_run_by_hand_leaves_nothing_to_do()
    {
        foreach (var statement in SchemaStart.Script([.. new Tables(Declare()).Models]))
            await ExecuteAsync(statement);

        (await StartAsync(SchemaMode.Check, Declare())).Applied.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_resource_that_is_declared_in_another_schema_takes_its_rows_along_and_a_person_says_so()
    {
        await StartAsync(Declare("public"));
        await ExecuteAsync("insert into items (id, name, size) values ('00000000-0000-7000-8000-000000000001', 'Tea', 1); insert into sales.items (id, name, item_id) values (gen_random_uuid(), 'Box', '00000000-0000-7000-8000-000000000001')");

        var refusal = (await Should.ThrowAsync<ConfigurationException>(() => StartAsync(Declare()))).Message;

        refusal.ReplaceLineEndings("\n").ShouldContain("""
            differ from the database in 1 way that a start does not settle by itself. Nothing was changed.

            1. Table stock.items is not there, and public.items is not declared: it looks as if the resource had moved to another schema.
               A new table would leave the rows behind in schema public, and a node of the release before looks for them there. If they are two tables, create this one: create table "stock"."items" (
            """.ReplaceLineEndings("\n"));
        const string move = "create schema if not exists \"stock\";\n       alter table \"public\".\"items\" set schema \"stock\";";
        refusal.ReplaceLineEndings("\n").ShouldContain(move);
        (await AskAsync<bool>("select to_regnamespace('stock') is null")).ShouldBeTrue();

        await ExecuteAsync(move);

        (await StartAsync(Declare())).Applied.ShouldBeEmpty();
        (await AskAsync<long>("select count(*) from stock.items")).ShouldBe(1);
    }

    [Fact]
    public async Task A_table_of_others_with_the_name_of_a_new_one_is_no_move()
    {
        await ExecuteAsync("create table items (id uuid)");

        await StartAsync(Declare());

        (await AskAsync<long>("select count(*) from stock.items")).ShouldBe(0);
    }

    [Fact]
    public async Task A_role_that_may_not_use_a_schema_is_told_at_the_start()
    {
        await StartAsync(Declare());
        var role = $"visitor_{Guid.CreateVersion7():n}";
        var target = new NpgsqlConnectionStringBuilder(_postgres.Server.AdministratorConnectionString) { Database = await AskAsync<string>("select current_database()::text"), Pooling = false };
        await using var administrator = NpgsqlDataSource.Create(target.ConnectionString);
        await using var visitor = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(target.ConnectionString) { Options = $"-c role={role}" }.ConnectionString);
        async Task GrantAsync(string sql)
        {
            await using var command = administrator.CreateCommand(sql);
            await command.ExecuteNonQueryAsync(Cancellation);
        }
        Task<SchemaReport> VisitAsync() => SchemaStart.RunAsync(visitor, new Tables(Declare()).Models, SchemaMode.Check, NullLogger.Instance, Cancellation);
        await GrantAsync($"create role {role}; grant usage on schema mainstay, stock to {role}; grant select on mainstay.migrations to {role}");

        (await Should.ThrowAsync<ConfigurationException>(VisitAsync)).Message.ShouldContain("MST1509: The role of the connection string may not use the schema sales, ");

        await GrantAsync($"grant usage on schema sales to {role}");
        (await VisitAsync()).Applied.ShouldBeEmpty();
    }

    [Fact]
    public void One_name_in_one_schema_is_still_one_table() =>
        Should.Throw<ConfigurationException>(() => SchemaMistakes.Refuse([In<Item>("stock", "items"), In<Part>("stock", "items")])).Message.ShouldContain("MST1503: The records Item and Part are both kept in the table 'stock.items'");

    [Fact]
    public void Statements_name_the_schema_only_where_they_must()
    {
        var item = In<Item>("public", "items");
        item.QuotedName.ShouldBe("\"items\"");

        _ = new Tables([item, In<Part>("sales", "parts")]);
        item.QuotedName.ShouldBe("\"items\"");

        _ = new Tables([item, In<Part>("sales", "items")]);
        item.QuotedName.ShouldBe("\"public\".\"items\"");
    }

    [Theory]
    [InlineData("sales", "sales")]
    [InlineData("stock", "stock")]
    [InlineData("other", null)]
    [InlineData(null, "stock")]
    public void The_columns_behind_a_constraint_are_those_of_the_schema_that_the_error_names(string? schema, string? found)
    {
        var tables = new Tables([In<Item>("stock", "items", isUnique: true), In<Part>("sales", "items", isUnique: true)]);

        tables.FindConstraint(schema, "items_name_key")?.Table.Schema.ShouldBe(found);
        (tables.FindConstraint(schema, "items_name_key") is null).ShouldBe(found is null);
        tables.FindTable(schema, "items")?.Schema.ShouldBe(found);
    }

    /// <summary>Without a schema of its own, a table is wherever the search path finds it.</summary>
    [Fact]
    public void A_table_in_public_is_found_under_the_name_of_any_schema() => new Tables([In<Item>("public", "items", isUnique: true)]).FindConstraint("tenant", "items_name_key").ShouldNotBeNull();
}
