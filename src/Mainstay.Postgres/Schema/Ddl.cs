using System.Globalization;

namespace Mainstay.Internal;

/// <summary>
/// The SQL behind the declared tables, made from the model alone: the start, the <c>schema</c> command and migrations read the same statements.
/// The names of constraints are a contract: by them <see cref="Tables"/> finds the field that a refused row got wrong.
/// </summary>
/// <param name="schema">The PostgreSQL schema that holds all tables in place of their own; null: each is in its own.</param>
internal sealed class Ddl(string? schema = null)
{
    /// <summary>Everything the tables need in an empty database, in an order that runs.</summary>
    public IReadOnlyList<SchemaStatement> Create(IReadOnlyList<TableModel> tables) =>
    [
        .. SchemasOf(tables).Select(name => new SchemaStatement(SchemaStatementKind.Schema, CreateSchema(name))),
        .. tables.Select(table => new SchemaStatement(SchemaStatementKind.Table, CreateTable(table))),
        // Tables may refer to each other in a circle, so foreign keys come when all tables are there.
        .. tables.SelectMany(table => ForeignKeysOf(table).Select(column => new SchemaStatement(SchemaStatementKind.ForeignKey, AddForeignKey(table, column)))),
        .. tables.SelectMany(table => IndexesOf(table).Select(index => new SchemaStatement(SchemaStatementKind.Index, CreateIndex(table, index)))),
    ];

    /// <summary>The schemas that the tables need beside the one that every database has.</summary>
    public static IEnumerable<string> SchemasOf(IEnumerable<TableModel> tables) => tables.Select(table => table.Schema).Where(name => name != TableModel.DefaultSchema).Distinct();

    public static string CreateSchema(string name) => $"create schema {SqlName.Quote(name)}";

    public static string CreateSchemaIfMissing(string name) => $"create schema if not exists {SqlName.Quote(name)}";

    /// <summary>The table with its key, its unique constraints and its checks, but without what refers to other tables.</summary>
    public string CreateTable(TableModel table)
    {
        IEnumerable<string> lines = [.. Columns(table), PrimaryKey(table), .. UniquesOf(table).Select(Unique), .. Checks(table)];
        return $"create table {Of(table)} (\n    {string.Join(",\n    ", lines)}\n)";
    }

    /// <summary>
    /// What of the table only PostgreSQL can spell: types, defaults, checks. A partitioned table without partitions has no files and neither have
    /// its indexes, so it costs a fraction of a real one. It cannot have unique constraints without its partition key.
    /// </summary>
    public string CreateOutline(TableModel table) => $"create table {Of(table)} ({string.Join(", ", Columns(table).Concat(Checks(table)))}) partition by list ({table.Key.QuotedName})";

    public string AddColumn(TableModel table, Column column) => $"{Alter(table)} add column {Define(column)}";

    public string AddVersionColumn(TableModel table) => $"{Alter(table)} add column {VersionDefinition}";

    public string AddConstraint(TableModel table, string definition) => $"{Alter(table)} add {definition}";

    public string AddForeignKey(TableModel table, Column column) => AddConstraint(table,
        $"constraint {SqlName.Quote(ForeignKeyName(table, column))} foreign key ({column.QuotedName}) references {Of(column.Reference!)} ({column.Reference!.Key.QuotedName}) on delete restrict");

    public string CreateIndex(TableModel table, TableModel.Index index) => index.Expression is { } expression
        ? $"create index {SqlName.Quote(index.Name)} on {Of(table)} using gin (({expression}))"
        : $"create index {SqlName.Quote(index.Name)} on {Of(table)} ({List(index.Columns)})";

    public string DropIndex(TableModel table, string name) => $"drop index {Beside(table, name)}";

    public string Alter(TableModel table) => $"alter table {Of(table)}";

    public string Of(TableModel table) => Beside(table, table.Name);

    /// <summary>What has this name in the schema of a table: indexes are where their table is.</summary>
    public string Beside(TableModel table, string name) => SqlName.Quote(schema ?? table.Schema, name);

    public static string PrimaryKey(TableModel table) => $"constraint {SqlName.Quote(PrimaryKeyName(table))} primary key ({table.Key.QuotedName})";

    public static string Unique(TableModel.Index index) => $"constraint {SqlName.Quote(index.Name)} unique ({List(index.Columns)})";

    public static string Check(TableModel table, Column column) => $"constraint {SqlName.Quote(CheckName(table, column))} check ({CheckOf(column)})";

    public static string PrimaryKeyName(TableModel table) => SqlName.Join(table.Name, "pkey");

    public static string ForeignKeyName(TableModel table, Column column) => SqlName.Join(table.Name, column.Name, "fkey");

    public static string CheckName(TableModel table, Column column) => SqlName.Join(table.Name, column.Name, "check");

    public static IEnumerable<TableModel.Index> UniquesOf(TableModel table) => table.Indexes.Where(index => index.IsUnique);

    public static IEnumerable<Column> ForeignKeysOf(TableModel table) => table.Columns.Where(column => column.Reference is not null);

    /// <summary>
    /// The indexes as they are built: each ends with the key, so that rows with equal values still have one order and a page can go on behind any
    /// of them. A foreign key that no index or unique constraint starts with gets one; without it, deleting the row it points at reads the whole table.
    /// </summary>
    public static IEnumerable<TableModel.Index> IndexesOf(TableModel table)
    {
        var declared = table.Indexes.Where(index => !index.IsUnique);
        var missing = ForeignKeysOf(table).Where(column => table.Indexes.All(index => index.Columns[0] != column))
            .Select(column => new TableModel.Index(SqlName.Join(table.Name, column.Name, "idx"), [column], IsUnique: false));
        return declared.Concat(missing).Select(index => index.Expression is not null || index.Columns.Contains(table.Key) ? index : index with { Columns = [.. index.Columns, table.Key] });
    }

    /// <summary>The condition that a stored value meets, or null for a column that its type bounds enough. Null passes every check.</summary>
    public static string? CheckOf(Column column) => column switch
    {
        { Type.Values: { } values } => $"{column.QuotedName} in ({string.Join(", ", values.Select(SqlName.Literal))})",
        { Type.SqlType: "text" } => Between($"char_length({column.QuotedName})", column.Member.LengthLeast, column.Member.LengthMost),
        { Type.SqlType: "bytea" } => Between($"octet_length({column.QuotedName})", column.Member.LengthLeast, column.Member.LengthMost),
        { Member.Scalar.JsonType: "integer" or "number" } => InRange(column),
        _ => null,
    };

    /// <summary>The default as a literal, or null. For writers other than Mainstay, and for rows that were there before the column was.</summary>
    public static string? DefaultOf(Column column) => column.Member switch
    {
        // The only default an id can have in C# is the nil id, which is the id of nothing.
        { Default: null or IId } or { Shape: DocumentShape } => null,
        { Default: { } value, Scalar: { JsonType: "integer" or "number" or "boolean" } scalar } when !NeedsQuotes(value) => scalar.Text(value),
        { Default: { } value, Scalar: { } scalar } => SqlName.Literal(scalar.Text(value)),
        _ => null,
    };

    private const string VersionDefinition = $"{TableModel.VersionColumn} bigint not null default 1";

    private static IEnumerable<string> Columns(TableModel table) => table.Columns.Select(Define).Append(VersionDefinition);

    private static IEnumerable<string> Checks(TableModel table) => table.Columns.Where(column => CheckOf(column) is not null).Select(column => Check(table, column));

    private static string Define(Column column) =>
        $"{column.QuotedName} {column.Type.SqlType}{(column.Member.IsNullable ? "" : " not null")}{(DefaultOf(column) is { } value ? $" default {value}" : "")}";

    private static string List(IEnumerable<Column> columns) => string.Join(", ", columns.Select(column => column.QuotedName));

    private static string? Between(string value, int? least, int? most) => (least, most) switch
    {
        (null or 0, null) => null,
        (null or 0, _) => $"{value} <= {most}",
        (_, null) => $"{value} >= {least}",
        _ => $"{value} between {least} and {most}",
    };

    /// <summary>
    /// Without a bound, a floating-point column still refuses what JSON cannot say: one stored infinity or NaN, which PostgreSQL sorts above infinity,
    /// would fail every page it appears on.
    /// </summary>
    private static string? InRange(Column column)
    {
        var (least, most, leastExclusive, mostExclusive) = column.Member.Range;
        var isFloating = NeedsQuotes(column.Type);
        // In quotes the number takes the column's own type. Bare, 0.1 would be widened to double precision and differ from the same 0.1 in a real column.
        string Literal(decimal number) => isFloating ? SqlName.Literal(number.ToString(CultureInfo.InvariantCulture)) : number.ToString(CultureInfo.InvariantCulture);
        var lower = least is { } from ? $"{column.QuotedName} {(leastExclusive ? ">" : ">=")} {Literal(from)}" : isFloating ? $"{column.QuotedName} > '-Infinity'" : null;
        var upper = most is { } to ? $"{column.QuotedName} {(mostExclusive ? "<" : "<=")} {Literal(to)}" : isFloating ? $"{column.QuotedName} < 'Infinity'" : null;
        return (lower, upper) switch
        {
            (null, null) => null,
            (null, _) => upper,
            (_, null) => lower,
            _ => $"{lower} and {upper}",
        };
    }

    private static bool NeedsQuotes(ColumnType type) => type.SqlType is "real" or "double precision";

    private static bool NeedsQuotes(object value) => value is float or double;
}
