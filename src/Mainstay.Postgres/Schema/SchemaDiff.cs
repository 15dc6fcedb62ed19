namespace Mainstay.Internal;

/// <summary>
/// Compares what is declared with what the database has. Both sides are catalogs, because PostgreSQL does not give back the text it was given
/// (<c>x in ('a', 'b')</c> returns as <c>x = ANY (ARRAY['a'::text, 'b'::text])</c>): outlines of the declared tables are created as temporary ones first.
/// </summary>
/// <remarks>
/// Additive, that is, done by a start: what adds, what loosens, and what tightens a rule that all rows already keep. Not additive: what loses values,
/// what rewrites them, and what would make inserts fail.
/// </remarks>
internal sealed class SchemaDiff(Ddl ddl)
{
    /// <summary>Tables that get a column which must have a value and has no default: whether that is possible depends on whether there are rows.</summary>
    public static IEnumerable<TableModel> WhoseRowsMatter(IReadOnlyList<TableModel> tables, Catalog existing) => tables.Where(table =>
        existing.Find(table) is { IsTable: true } there && table.Columns.Any(column => NeedsValue(column) && there.FindColumn(column.Name) is null));

    /// <param name="tables">What is declared.</param>
    /// <param name="declared">The same as PostgreSQL shows it; needs to have only the tables that exist.</param>
    /// <param name="existing">What the database has.</param>
    /// <param name="schemas">Which of the declared schemas are there.</param>
    /// <param name="elsewhere">Of tables that are not there: the one schema where a table of that name is which nobody declares.</param>
    /// <param name="filled">Those among <see cref="WhoseRowsMatter"/> that have rows.</param>
    public SchemaDifference Compare(IReadOnlyList<TableModel> tables, Catalog declared, Catalog existing, IReadOnlySet<string> schemas, IReadOnlyDictionary<TableModel, string> elsewhere, IReadOnlySet<TableModel> filled)
    {
        var notes = new List<string>();
        List<SchemaChange> changes = [.. Ddl.SchemasOf(tables).Where(name => !schemas.Contains(name)).Select(Create)];
        // A reference to a table that a person must move first is compared at the start after that: it moves with the table.
        bool IsSettled(Column column) => !elsewhere.ContainsKey(column.Reference!);
        foreach (var table in tables)
            switch (existing.Find(table))
            {
                case null when elsewhere.TryGetValue(table, out var from):
                    changes.Add(Move(table, from));
                    break;
                case null:
                    changes.AddRange(Create(table, IsSettled));
                    break;
                case { IsTable: false }:
                    changes.Add(NotATable(table));
                    break;
                case var there:
                    new TableDiff(ddl, table, declared.Find(table)!, there, filled.Contains(table), IsSettled, changes, notes).Compare();
                    break;
            }
        return new SchemaDifference([.. changes.OrderBy(change => change.Step)], notes);
    }

    public static bool NeedsValue(Column column) => !column.Member.IsNullable && Ddl.DefaultOf(column) is null;

    private static SchemaChange Create(string schema) => new()
    {
        Step = SchemaStep.Schema,
        Kind = SchemaChangeKind.Add,
        Table = schema,
        Description = $"Schema {schema} is new.",
        Sql = SchemaChange.Statements(Ddl.CreateSchema(schema)),
    };

    private IEnumerable<SchemaChange> Create(TableModel table, Func<Column, bool> isSettled) =>
    [
        new()
        {
            Step = SchemaStep.Table,
            Kind = SchemaChangeKind.Add,
            Table = table.FullName,
            Description = $"Table {table.FullName} is new.",
            Sql = SchemaChange.Statements(CreateAlone(table)),
        },
        .. Ddl.ForeignKeysOf(table).Where(isSettled).Select(column => new SchemaChange
        {
            Step = SchemaStep.ForeignKey,
            Kind = SchemaChangeKind.Add,
            Table = table.FullName,
            Description = $"Column {table.FullName}.{column.Name} points at {column.Reference!.FullName}.",
            Sql = SchemaChange.Statements(ddl.AddForeignKey(table, column)),
        }),
    ];

    private IEnumerable<string> CreateAlone(TableModel table) => [ddl.CreateTable(table), .. Ddl.IndexesOf(table).Select(index => ddl.CreateIndex(table, index))];

    /// <summary>The table of that name is in another schema, and no resource is kept there: it was declared there, as far as anyone can tell from outside.</summary>
    private SchemaChange Move(TableModel table, string from) => new()
    {
        Step = SchemaStep.Table,
        Kind = SchemaChangeKind.Change,
        Table = table.FullName,
        Description = $"Table {table.FullName} is not there, and {from}.{table.Name} is not declared: it looks as if the resource had moved to another schema.",
        // The schema, if it is new, is rolled back with everything else that this start would have done.
        Sql = SchemaChange.Statements([.. Ddl.SchemasOf([table]).Select(Ddl.CreateSchemaIfMissing), $"alter table {SqlName.Quote(from, table.Name)} set schema {SqlName.Quote(table.Schema)}"]),
        WhyNot = $"A new table would leave the rows behind in schema {from}, and a node of the release before looks for them there. If they are two tables, create this one: {string.Join(' ', CreateAlone(table).Select(statement => statement + ";"))}",
    };

    private SchemaChange NotATable(TableModel table) => new()
    {
        Step = SchemaStep.Table,
        Kind = SchemaChangeKind.Change,
        Table = table.FullName,
        Description = $"{table.Name} exists in schema {table.Schema} and is not a table.",
        Sql = SchemaChange.Statements($"alter table {ddl.Of(table)} rename to {SqlName.Quote(SqlName.Join(table.Name, "old"))}", ddl.CreateTable(table)),
        WhyNot = "Whatever uses it by that name would find the new table instead. Rename one of the two.",
    };
}
