using Npgsql;

namespace Mainstay.Internal;

/// <summary>Rows of a query as values: a single column as it is, several by matching column names to the members of a record.</summary>
internal static class RowReader
{
    public static async Task<IReadOnlyList<T>> ReadAllAsync<T>(NpgsqlDataReader reader, int most, CancellationToken cancellation)
    {
        var rows = new List<T>();
        Func<NpgsqlDataReader, object?>? read = null;
        while (await reader.ReadAsync(cancellation))
        {
            if (rows.Count == most)
                throw new InvalidOperationException($"MST1305: The query returns more than {most} rows, which a unit of work does not hold in memory. Add a limit, or page by keyset.");
            read ??= ReaderOf(typeof(T), reader);
            rows.Add((T)read(reader)!);
        }
        return rows;
    }

    private static Func<NpgsqlDataReader, object?> ReaderOf(Type type, NpgsqlDataReader reader)
    {
        var target = Nullable.GetUnderlyingType(type) ?? type;
        if (ScalarShape.TryCreate(target) is not null)
        {
            var scalar = ColumnType.Of(target);
            return row => row.IsDBNull(0) ? type == target && type.IsValueType ? throw Missing(type) : null : scalar.Read(row, 0);
        }
        if (Shape.Of(target) is not RecordShape { CanCreate: true } shape)
            throw new ConfigurationException("MST1003", $"{type.Name} cannot hold a row. Declare a positional record whose members match the columns.");

        var ordinals = Enumerable.Range(0, reader.FieldCount).GroupBy(i => reader.GetName(i)).ToDictionary(group => group.Key, group => group.First());
        var plan = shape.Inputs.Select(member => (member, ordinal: ordinals.GetValueOrDefault(SqlName.SnakeCase(member.Property.Name), -1),
            type: ColumnType.Of(member.Property.PropertyType))).ToArray();
        if (plan.FirstOrDefault(part => part.ordinal < 0 && part.member.IsRequired).member is { } missing)
            throw new InvalidOperationException(
                $"MST1306: The query has no column '{SqlName.SnakeCase(missing.Property.Name)}' for {type.Name}.{missing.Property.Name}; it has {string.Join(", ", ordinals.Keys)}. Name the column with 'as', or make the member optional.");
        return row =>
        {
            var values = new object?[plan.Length];
            for (var i = 0; i < plan.Length; i++)
                values[i] = plan[i].ordinal < 0 ? plan[i].member.Default : row.IsDBNull(plan[i].ordinal) ? null : plan[i].type.Read(row, plan[i].ordinal);
            return shape.Create(values);
        };
    }

    private static InvalidOperationException Missing(Type type) => new($"MST1307: The query returned null where {type.Name} was expected. Ask for {type.Name}?, or use coalesce.");
}
