using System.Reflection;

namespace Mainstay.Internal;

/// <summary>
/// A table as the application declares it: one column per member of a record, its keys, its indexes. The one description from which DDL,
/// statements, REST, and the contract are made. Filled while the application declares, then only read.
/// </summary>
internal sealed class TableModel
{
    /// <summary>Counts the changes of a row. Behind every ETag and every optimistic update; never a member of the record.</summary>
    public const string VersionColumn = "row_version";

    /// <summary>Where a table is that no module keeps in a schema of its own.</summary>
    public const string DefaultSchema = "public";

    private readonly List<Index> _indexes = [];

    public TableModel(Type rowType, string name, string schema = DefaultSchema)
    {
        Name = name;
        Schema = schema;
        FullName = schema == DefaultSchema ? name : $"{schema}.{name}";
        RowType = rowType;
        if (Shape.Of(rowType) is not RecordShape { CanCreate: true } shape)
            throw new ConfigurationException("MST1401", $"{rowType.Name} cannot be a resource, expected a record whose constructor takes all its members. Write it as a positional record.");
        Record = shape;
        Columns = [.. shape.Inputs.Select(Column)];
        Key = Columns.FirstOrDefault(column => column.Member.Property.Name == "Id" && column.Member.Property.PropertyType == typeof(Id<>).MakeGenericType(rowType))
            ?? throw new ConfigurationException("MST1401", $"{rowType.Name} has no id, expected a member 'Id<{rowType.Name}> Id'. Add it as the first member of the record.");
        if (Columns.Any(column => column.Name == VersionColumn))
            throw new ConfigurationException("MST1401", $"{rowType.Name} declares '{VersionColumn}', a column that Mainstay keeps itself. Choose another name.");
        QuotedName = schema == DefaultSchema ? SqlName.Quote(name) : SqlName.Quote(schema, name);
        ColumnList = string.Join(", ", Columns.Select(column => column.QuotedName));
        for (var i = 0; i < Columns.Count; i++)
            Columns[i].Ordinal = i;
    }

    public string Name { get; }

    /// <summary>The PostgreSQL schema that holds it.</summary>
    public string Schema { get; }

    /// <summary>Schema and name for people and for the audit trail; the name alone in the default schema.</summary>
    public string FullName { get; }

    /// <summary>As statements name it: with its schema, unless it is found without.</summary>
    public string QuotedName { get; private set; }

    public Type RowType { get; }

    public RecordShape Record { get; }

    public IReadOnlyList<Column> Columns { get; }

    public Column Key { get; }

    /// <summary>All declared columns in the order of the record, for select and insert.</summary>
    public string ColumnList { get; }

    public IReadOnlyList<Index> Indexes => _indexes;

    /// <summary>Writes a row's columns; the same bytes as a row that is read.</summary>
    public void Write(System.Text.Json.Utf8JsonWriter writer, object row)
    {
        writer.WriteStartObject();
        foreach (var column in Columns)
        {
            writer.WritePropertyName(column.JsonName);
            if (column.Member.Get(row) is { } value)
                column.Member.Shape.Write(writer, value);
            else
                writer.WriteNullValue();
        }
        writer.WriteEndObject();
    }

    public Column? FindMember(string member) => Columns.FirstOrDefault(column => column.Member.Property.Name == member);

    /// <summary>Finds the column that an expression such as <c>product => product.Sku</c> names.</summary>
    public Column Require(MemberInfo member) => FindMember(member.Name)
        ?? throw new ConfigurationException("MST1402", $"{RowType.Name}.{member.Name} is not a column. Name a member that the record's constructor takes.");

    /// <summary>Declares an index; asking for the same columns twice declares it once, and a unique one wins.</summary>
    public void AddIndex(bool isUnique, params IReadOnlyList<Column> columns)
    {
        var known = _indexes.FindIndex(index => index.Expression is null && index.Columns.SequenceEqual(columns));
        if (known < 0)
            _indexes.Add(new Index(SqlName.Join([Name, .. columns.Select(column => column.Name), isUnique ? "key" : "idx"]), columns, isUnique));
        else if (isUnique && !_indexes[known].IsUnique)
            _indexes[known] = new Index(SqlName.Join([Name, .. columns.Select(column => column.Name), "key"]), columns, true);
    }

    /// <summary>Declares the index of a full-text search, one for each table.</summary>
    public void AddSearch(TextSearch search) =>
        _indexes.Add(new Index(SqlName.Join(Name, "search", "idx"), search.Columns, IsUnique: false) { Expression = search.Words() });

    /// <summary>Ties id columns to the tables they point at, once all tables are known.</summary>
    public void Resolve(IReadOnlyDictionary<Type, TableModel> tables)
    {
        // PostgreSQL looks first through the schema that has the role's name, and that can be the one of a module.
        if (tables.Values.Any(other => other != this && other.Name == Name))
            QuotedName = SqlName.Quote(Schema, Name);
        foreach (var column in Columns)
            if (column != Key && column.IdTarget is { } target && tables.TryGetValue(target, out var table))
                column.Reference = table;
    }

    private static Column Column(Member member)
    {
        if (member.Scalar is null)
            throw new ConfigurationException("MST1401",
                $"{member.Property.DeclaringType!.Name}.{member.Property.Name} cannot be a column: it is a {member.Property.PropertyType.Name}, expected one of {ScalarShape.Supported}. Use JsonElement for a document, or a resource of its own.");
        var type = Nullable.GetUnderlyingType(member.Property.PropertyType) ?? member.Property.PropertyType;
        return new Column(member, SqlName.SnakeCase(member.Property.Name), ColumnType.Of(type))
        {
            IdTarget = type.IsGenericType && type.GetGenericTypeDefinition() == typeof(Id<>) ? type.GetGenericArguments()[0] : null,
        };
    }

    /// <summary>An index or unique constraint over columns.</summary>
    public sealed record Index(string Name, IReadOnlyList<Column> Columns, bool IsUnique)
    {
        /// <summary>What a GIN index holds instead of the columns themselves; null for an ordinary one.</summary>
        public string? Expression { get; init; }
    }
}

/// <summary>A column: a member of the record and how PostgreSQL keeps it.</summary>
internal sealed class Column(Member member, string name, ColumnType type)
{
    public Member Member { get; } = member;

    public string Name { get; } = name;

    public string QuotedName { get; } = SqlName.Quote(name);

    /// <summary>The member's name in JSON, encoded once.</summary>
    public System.Text.Json.JsonEncodedText JsonName { get; } = System.Text.Json.JsonEncodedText.Encode(member.Name);

    public ColumnType Type { get; } = type;

    /// <summary>Position in the table's column list, and so in every row that is read.</summary>
    public int Ordinal { get; set; }

    /// <summary>The row type an id points at, or null.</summary>
    public Type? IdTarget { get; init; }

    /// <summary>The table an id points at, when that type is a resource too.</summary>
    public TableModel? Reference { get; set; }

    private SqlValue.Mapping Mapping => field ??= SqlValue.Of(Member.Property.PropertyType);

    public Npgsql.NpgsqlParameter Parameter(object? value) => Mapping.One(value);

    /// <summary>The column's values in these rows, as one array.</summary>
    public Npgsql.NpgsqlParameter Parameters(IReadOnlyList<object> rows) => Mapping.Many(rows.Select(Member.Get));
}
