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
        existing.Find(table.Name) is { IsTable: true } there && table.Columns.Any(column => NeedsValue(column) && there.FindColumn(column.Name) is null));

    /// <param name="tables">What is declared.</param>
    /// <param name="declared">The same as PostgreSQL shows it; needs to have only the tables that exist.</param>
    /// <param name="existing">What the database has.</param>
    /// <param name="filled">The names among <see cref="WhoseRowsMatter"/> whose tables have rows.</param>
    public SchemaDifference Compare(IReadOnlyList<TableModel> tables, Catalog declared, Catalog existing, IReadOnlySet<string> filled)
    {
        var changes = new List<SchemaChange>();
        var notes = new List<string>();
        foreach (var table in tables)
            switch (existing.Find(table.Name))
            {
                case null:
                    changes.AddRange(Create(table));
                    break;
                case { IsTable: false }:
                    changes.Add(NotATable(table));
                    break;
                case var there:
                    new TableDiff(ddl, table, declared.Find(table.Name)!, there, filled.Contains(table.Name), changes, notes).Compare();
                    break;
            }
        return new SchemaDifference([.. changes.OrderBy(change => change.Step)], notes);
    }

    public static bool NeedsValue(Column column) => !column.Member.IsNullable && Ddl.DefaultOf(column) is null;

    private IEnumerable<SchemaChange> Create(TableModel table) =>
    [
        new()
        {
            Step = SchemaStep.Table,
            Kind = SchemaChangeKind.Add,
            Table = table.Name,
            Description = $"Table {table.Name} is new.",
            Sql = SchemaChange.Statements([ddl.CreateTable(table), .. Ddl.IndexesOf(table).Select(index => ddl.CreateIndex(table, index))]),
        },
        .. Ddl.ForeignKeysOf(table).Select(column => new SchemaChange
        {
            Step = SchemaStep.ForeignKey,
            Kind = SchemaChangeKind.Add,
            Table = table.Name,
            Description = $"Column {table.Name}.{column.Name} points at {column.Reference!.Name}.",
            Sql = SchemaChange.Statements(ddl.AddForeignKey(table, column)),
        }),
    ];

    private SchemaChange NotATable(TableModel table) => new()
    {
        Step = SchemaStep.Table,
        Kind = SchemaChangeKind.Change,
        Table = table.Name,
        Description = $"{table.Name} exists in schema {ddl.Schema} and is not a table.",
        Sql = SchemaChange.Statements($"alter table {ddl.Of(table)} rename to {SqlName.Quote(SqlName.Join(table.Name, "old"))}", ddl.CreateTable(table)),
        WhyNot = "Whatever uses it by that name would find the new table instead. Rename one of the two.",
    };
}
