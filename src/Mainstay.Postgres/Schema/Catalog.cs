using Npgsql;

namespace Mainstay.Internal;

/// <summary>What tables look like in PostgreSQL, in its own words. Tables that nobody declares are not read: they are none of our business.</summary>
internal sealed class Catalog
{
    private readonly Dictionary<TableModel, CatalogTable> _tables = [];

    /// <summary>The table as it is, or null when it is not there.</summary>
    public CatalogTable? Find(TableModel table) => _tables.GetValueOrDefault(table);

    /// <summary>Reads the tables, each from its own schema, in one round trip.</summary>
    public async Task ReadAsync(NpgsqlConnection connection, IReadOnlyList<TableModel> tables, CancellationToken cancellation)
    {
        if (tables.Count > 0)
            await ReadAsync(connection, [.. tables.GroupBy(table => table.Schema).Select(group => (group.Key, (IReadOnlyList<TableModel>)[.. group]))], cancellation);
    }

    /// <summary>Reads the tables from where they are instead of in their own schema.</summary>
    public Task ReadAsync(NpgsqlConnection connection, string schema, IReadOnlyList<TableModel> tables, CancellationToken cancellation) => ReadAsync(connection, [(schema, tables)], cancellation);

    private async Task ReadAsync(NpgsqlConnection connection, IReadOnlyList<(string Schema, IReadOnlyList<TableModel> Tables)> places, CancellationToken cancellation)
    {
        await using var batch = new NpgsqlBatch(connection);
        foreach (var (schema, tables) in places)
            foreach (var sql in SchemaSql.Catalog)
                batch.BatchCommands.Add(new NpgsqlBatchCommand(sql) { Parameters = { new() { Value = schema }, new() { Value = tables.Select(table => table.Name).ToArray() } } });
        await using var reader = await batch.ExecuteReaderAsync(cancellation);
        foreach (var (_, tables) in places)
        {
            var found = await ReadTablesAsync(reader, cancellation);
            foreach (var table in tables)
                if (found.TryGetValue(table.Name, out var there))
                    _tables.Add(table, there);
            await reader.NextResultAsync(cancellation);
        }
    }

    /// <summary>The four results of one schema.</summary>
    private static async Task<Dictionary<string, CatalogTable>> ReadTablesAsync(NpgsqlDataReader reader, CancellationToken cancellation)
    {
        var found = new Dictionary<string, CatalogTable>(StringComparer.Ordinal);
        while (await reader.ReadAsync(cancellation))
            found.Add(reader.GetString(0), new CatalogTable(reader.GetString(0), reader.GetBoolean(1)));
        await reader.NextResultAsync(cancellation);
        while (await reader.ReadAsync(cancellation))
            found[reader.GetString(0)].Columns.Add(new CatalogColumn(reader.GetString(1), reader.GetString(2), reader.GetBoolean(3), reader.GetBoolean(4), Text(reader, 5)));
        await reader.NextResultAsync(cancellation);
        while (await reader.ReadAsync(cancellation))
            found[reader.GetString(0)].Constraints.Add(new CatalogConstraint(
                reader.GetString(1), reader.GetString(2)[0], reader.GetString(3), reader.GetBoolean(4), reader.GetFieldValue<string[]>(5), Text(reader, 6), Text(reader, 7), Text(reader, 8)));
        await reader.NextResultAsync(cancellation);
        while (await reader.ReadAsync(cancellation))
            found[reader.GetString(0)].Indexes.Add(new CatalogIndex(reader.GetString(1), reader.GetBoolean(2), reader.GetBoolean(3), reader.GetString(4), reader.GetFieldValue<string[]>(5)));
        return found;
    }

    private static string? Text(NpgsqlDataReader reader, int ordinal) => reader.IsDBNull(ordinal) ? null : reader.GetString(ordinal);
}

/// <param name="Name">The name.</param>
/// <param name="IsTable">False for a view, a sequence or anything else that took the name.</param>
internal sealed record CatalogTable(string Name, bool IsTable)
{
    public List<CatalogColumn> Columns { get; } = [];

    public List<CatalogConstraint> Constraints { get; } = [];

    /// <summary>Indexes that are not the inside of a constraint.</summary>
    public List<CatalogIndex> Indexes { get; } = [];

    public CatalogColumn? FindColumn(string name) => Columns.Find(column => column.Name == name);

    public CatalogConstraint? FindConstraint(string name) => Constraints.Find(constraint => constraint.Name == name);

    public CatalogIndex? FindIndex(string name) => Indexes.Find(index => index.Name == name);
}

/// <param name="Name">The name.</param>
/// <param name="Type">As <c>format_type</c> spells it.</param>
/// <param name="IsNotNull">Whether null is refused.</param>
/// <param name="IsMade">Whether PostgreSQL makes the value: identity or generated.</param>
/// <param name="Default">The default's expression, or null.</param>
internal sealed record CatalogColumn(string Name, string Type, bool IsNotNull, bool IsMade, string? Default)
{
    /// <summary>Whether an insert that does not name the column fails.</summary>
    public bool IsDemanded => IsNotNull && Default is null && !IsMade;
}

/// <param name="Name">The name.</param>
/// <param name="Kind">As in <c>pg_constraint.contype</c>: p, u, c or f.</param>
/// <param name="Definition">As <c>pg_get_constraintdef</c> spells it.</param>
/// <param name="IsValidated">False when it was added <c>not valid</c>: old rows may violate it.</param>
/// <param name="Columns">Its columns, in its order.</param>
/// <param name="TargetSchema">Of a foreign key: where the table is that it points at.</param>
/// <param name="Target">Of a foreign key: the table it points at.</param>
/// <param name="OnDelete">Of a foreign key, as in <c>pg_constraint.confdeltype</c>: r is restrict.</param>
internal sealed record CatalogConstraint(string Name, char Kind, string Definition, bool IsValidated, IReadOnlyList<string> Columns, string? TargetSchema, string? Target, string? OnDelete)
{
    private const string NotValid = " NOT VALID";

    /// <summary>Whether it is a unique constraint and nothing more: not deferrable, without included columns, nulls distinct.</summary>
    public bool IsPlainUnique => Kind == 'u' && Definition.StartsWith("UNIQUE (", StringComparison.Ordinal) && Definition.IndexOf(')', StringComparison.Ordinal) == Definition.Length - 1;

    /// <summary>What it demands of new rows.</summary>
    public string Rule => Definition.EndsWith(NotValid, StringComparison.Ordinal) ? Definition[..^NotValid.Length] : Definition;
}

/// <param name="Name">The name.</param>
/// <param name="IsValid">False when a concurrent build failed: the index costs writes and serves no query.</param>
/// <param name="IsUnique">Whether it is unique over all rows.</param>
/// <param name="Definition">Method, columns and condition, as <c>pg_get_indexdef</c> spells them behind USING.</param>
/// <param name="Columns">Its columns, in its order; expressions are left out.</param>
internal sealed record CatalogIndex(string Name, bool IsValid, bool IsUnique, string Definition, IReadOnlyList<string> Columns);
