using System.Collections.Frozen;

namespace Mainstay.Internal;

/// <summary>All declared tables: by row type for units of work, by constraint name for violations.</summary>
internal sealed class Tables
{
    private readonly FrozenDictionary<Type, (TableModel Model, TableSql Sql)> _byType;
    private readonly FrozenDictionary<string, (TableModel Table, IReadOnlyList<Column> Columns)[]> _byConstraint;

    public Tables(IReadOnlyList<TableModel> models)
    {
        Models = models;
        var byType = models.ToDictionary(model => model.RowType);
        foreach (var model in models)
            model.Resolve(byType);
        _byType = models.ToFrozenDictionary(model => model.RowType, model => (model, new TableSql(model)));
        _byConstraint = models.SelectMany(model => ConstraintsOf(model)).GroupBy(pair => pair.Name).ToFrozenDictionary(group => group.Key, group => group.Select(pair => (pair.Model, pair.Columns)).ToArray(), StringComparer.Ordinal);
    }

    public IReadOnlyList<TableModel> Models { get; }

    public TableModel? Find(Type rowType) => _byType.TryGetValue(rowType, out var found) ? found.Model : null;

    public (TableModel Model, TableSql Sql) Require(Type rowType) => _byType.TryGetValue(rowType, out var found)
        ? found
        : throw new ConfigurationException("MST1403", $"{rowType.Name} is not a resource, so it has no table. Declare it with Resource<{rowType.Name}>(\"/v1/…\"), or use an Sql statement.");

    /// <summary>The table that PostgreSQL names, or null for one that is not ours.</summary>
    public TableModel? FindTable(string? schema, string? name) => InSchema(Models.Where(model => model.Name == name), model => model, schema);

    /// <summary>The columns behind a constraint that a statement violated, or null for a constraint that is not ours.</summary>
    public (TableModel Table, IReadOnlyList<Column> Columns)? FindConstraint(string? schema, string? name) =>
        name is not null && _byConstraint.TryGetValue(name, out var known) && InSchema(known, found => found.Table, schema) is { Table: not null } found ? found : null;

    /// <summary>The declared index that a statement met, or null for one that is not ours.</summary>
    public TableModel.Index? FindIndex(string? schema, string? table, string? name) => FindTable(schema, table)?.Indexes.FirstOrDefault(index => index.Name == name);

    /// <summary>Tables in the default schema are wherever the search path finds them, so an error can name another for them. One that a trigger raises names none.</summary>
    private static T? InSchema<T>(IEnumerable<T> found, Func<T, TableModel> table, string? schema) =>
        found.OrderBy(one => table(one).Schema != schema).FirstOrDefault(one => schema is null || table(one).Schema == schema || table(one).Schema == TableModel.DefaultSchema);

    private static IEnumerable<(string Name, TableModel Model, IReadOnlyList<Column> Columns)> ConstraintsOf(TableModel model)
    {
        yield return (SqlName.Join(model.Name, "pkey"), model, [model.Key]);
        foreach (var index in model.Indexes.Where(index => index.IsUnique))
            yield return (index.Name, model, index.Columns);
        foreach (var column in model.Columns)
        {
            if (column.Reference is not null)
                yield return (SqlName.Join(model.Name, column.Name, "fkey"), model, [column]);
            yield return (SqlName.Join(model.Name, column.Name, "check"), model, [column]);
        }
    }
}
