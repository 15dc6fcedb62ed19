using System.Text;

namespace Mainstay.Internal;

/// <summary>What is wrong with the declared tables by itself, found before any connection is opened, and all of it at once.</summary>
internal static class SchemaMistakes
{
    /// <summary>A btree entry takes a third of a page. What the bounds allow must fit even when every character takes one byte and nothing compresses.</summary>
    private const int IndexBytesMost = 2690;

    private const int IndexColumnsMost = 32;

    private static readonly string[] systemColumns = ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

    /// <exception cref="ConfigurationException">MST1503 to MST1506.</exception>
    public static void Refuse(IReadOnlyList<TableModel> tables)
    {
        ConfigurationException[] mistakes = [.. Doubles(tables), .. tables.SelectMany(Names), .. tables.SelectMany(table => table.Columns.SelectMany(column => Bounds(table, column))), .. tables.SelectMany(Indexes)];
        if (mistakes.Length > 0)
            throw new ConfigurationException(mistakes);
    }

    /// <summary>Tables and indexes of a schema share one namespace, and by the name of a constraint its field is found. A name means one thing.</summary>
    private static IEnumerable<ConfigurationException> Doubles(IReadOnlyList<TableModel> tables)
    {
        foreach (var same in tables.GroupBy(table => table.FullName, StringComparer.Ordinal).Where(group => group.Count() > 1))
            yield return new("MST1503", $"The records {string.Join(" and ", same.Select(table => table.RowType.Name))} are both kept in the table '{same.Key}', expected a table for each. Rename one of the records or give it another table name.");
        foreach (var table in tables)
            foreach (var same in table.Columns.GroupBy(column => column.Name, StringComparer.Ordinal).Where(group => group.Count() > 1))
                yield return new("MST1503", $"The members {string.Join(" and ", same.Select(column => $"{table.RowType.Name}.{column.Member.Property.Name}"))} are both kept in the column '{same.Key}', expected a column for each. Rename one of them.");

        var names = tables.DistinctBy(table => table.FullName).SelectMany(table => Taken(table).Select(taken => (table.Schema, taken.Name, taken.By)));
        foreach (var same in names.GroupBy(taken => (taken.Schema, taken.Name)).Where(group => group.Select(taken => taken.By).Distinct().Count() > 1))
            yield return new("MST1503", $"The name '{same.Key.Name}' is taken twice, by {string.Join(" and by ", same.Select(taken => taken.By).Distinct())}. Rename one of the records or members.");
    }

    private static IEnumerable<(string Name, string By)> Taken(TableModel table) =>
    [
        (table.Name, $"the table of {table.RowType.Name}"),
        (Ddl.PrimaryKeyName(table), $"the primary key of {table.Name}"),
        .. Ddl.UniquesOf(table).Concat(Ddl.IndexesOf(table)).Select(index => (index.Name, $"the index of {table.Name} on {string.Join(", ", index.Columns.Select(column => column.Name))}")),
        .. Ddl.ForeignKeysOf(table).Select(column => (Ddl.ForeignKeyName(table, column), $"the foreign key of {table.Name}.{column.Name}")),
        .. table.Columns.DistinctBy(column => column.Name).Select(column => (Ddl.CheckName(table, column), $"the check of {table.Name}.{column.Name}")),
    ];

    private static IEnumerable<ConfigurationException> Names(TableModel table)
    {
        if (table.Name.Length == 0 || table.Name.Contains('\0') || table.Name.StartsWith("pg_", StringComparison.Ordinal))
            yield return new("MST1504", $"{table.RowType.Name} cannot be kept in a table named '{table.Name.Replace("\0", "\\0", StringComparison.Ordinal)}', expected a name that is not empty and does not start with 'pg_', behind which PostgreSQL finds its own tables. Choose another name.");
        foreach (var column in table.Columns.Where(column => systemColumns.Contains(column.Name, StringComparer.Ordinal)))
            yield return new("MST1504", $"{table.RowType.Name}.{column.Member.Property.Name} cannot be kept in a column named '{column.Name}', because PostgreSQL has one of that name in every table. Rename the member.");
        // Constraints and indexes are named after both, and cut at a number of characters, which only for plain letters is a number of bytes.
        foreach (var name in Taken(table).Select(taken => taken.Name).Concat(table.Columns.Select(column => column.Name)).Distinct().Where(name => Encoding.UTF8.GetByteCount(name) > SqlName.LongestLength))
            yield return new("MST1504", $"{table.RowType.Name} needs the name '{name}', which has {Encoding.UTF8.GetByteCount(name)} bytes, expected at most {SqlName.LongestLength}: PostgreSQL cuts longer ones. Shorten the names of the record or its members.");
    }

    private static IEnumerable<ConfigurationException> Bounds(TableModel table, Column column)
    {
        var name = $"{table.RowType.Name}.{column.Member.Property.Name}";
        if (column.Member is { LengthLeast: { } shortest, LengthMost: { } longest } && shortest > longest)
            yield return new("MST1505", $"{name} must be at least {shortest} and at most {longest} long, which no value is. Correct the bounds; without [MaxLength] they end at {longest}.");
        if (column.Type.Values is [])
            yield return new("MST1505", $"{name} is of an enum without members, so it has no value. Give the enum its members.");
        if (!TryGetRange(column.Member, out var range))
            yield return new("MST1505", $"The [Range] of {name} has a bound that is no number. Write bounds that the member's type can hold.");
        else if (range.Least > range.Most || (range.Least == range.Most && range.Least is not null && (range.LeastExclusive || range.MostExclusive)))
            yield return new("MST1505", $"The [Range] of {name} goes from {range.Least} to {range.Most}, which no value meets. Correct the bounds.");
        else if (column.Member.Default is string text && (Member.Characters(text) > column.Member.LengthMost || Member.Characters(text) < column.Member.LengthLeast)
            || (column.Member.Default is short or int or long or decimal && IsOutside(Convert.ToDecimal(column.Member.Default), range)))
            yield return new("MST1505", $"The default of {name} is outside the bounds of {name}, so every row that relies on it would be refused. Correct the default or the bounds.");
    }

    private static bool TryGetRange(Member member, out (decimal? Least, decimal? Most, bool LeastExclusive, bool MostExclusive) range)
    {
        try
        {
            range = member.Range;
            return true;
        }
        catch (Exception e) when (e is OverflowException or FormatException or InvalidCastException)
        {
            // NaN, or a text that is no number.
            range = default;
            return false;
        }
    }

    private static bool IsOutside(decimal value, (decimal? Least, decimal? Most, bool LeastExclusive, bool MostExclusive) range) =>
        value < range.Least || value > range.Most || (range.LeastExclusive && value == range.Least) || (range.MostExclusive && value == range.Most);

    private static IEnumerable<ConfigurationException> Indexes(TableModel table)
    {
        foreach (var index in Ddl.UniquesOf(table).Concat(Ddl.IndexesOf(table)).Where(index => index.Expression is null))
        {
            var columns = string.Join(", ", index.Columns.Select(column => column.Member.Property.Name));
            if (index.Columns.Count > IndexColumnsMost)
                yield return new("MST1506", $"The index of {table.RowType.Name} on {columns} has {index.Columns.Count} columns, expected at most {IndexColumnsMost}. Declare fewer together.");
            else if (index.Columns.FirstOrDefault(column => column.Type is DocumentColumnType) is { } document)
                yield return new("MST1506", $"{table.RowType.Name}.{document.Member.Property.Name} is a document, which has no order and no longest length, so it cannot be filtered, sorted or unique. Make what you look for a member of its own.");
            else if (index.Columns.Sum(BytesMost) is var bytes && bytes > IndexBytesMost)
                yield return new("MST1506", $"An index entry of {table.RowType.Name} on {columns} can have {bytes} bytes, expected at most {IndexBytesMost}, so some valid rows could not be stored. Bound the text with [MaxLength].");
        }
    }

    private static int BytesMost(Column column) => column.Type switch
    {
        { Values: { } values } => values.Select(value => value.Length).DefaultIfEmpty().Max(),
        { SqlType: "text" or "bytea" } => column.Member.LengthMost ?? 0,
        _ => 16,
    };
}
