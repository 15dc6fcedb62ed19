namespace Mainstay.Internal;

/// <summary>Puts rows into the tables of a test, with the rows that they refer to.</summary>
internal sealed class Rows(Tables tables, Factory factory)
{
    /// <summary>Inserts a row, behind whatever it refers to that is not there yet.</summary>
    public async Task InsertAsync(UnitOfWork work, object row)
    {
        Factory.Check(row);
        var (table, _) = tables.Require(row.GetType());
        foreach (var column in table.Columns)
            if (column.Reference is { } parent && column.Member.Get(row) is IId id && id.Value != ((IId)table.Key.Member.Get(row)!).Value
                && await work.LoadAsync(parent.RowType, id.Value, isLocked: false) is null)
                await InsertAsync(work, With(parent, factory.Make(parent.RowType), parent.Key, IdFactory.Make(parent.Key.Member.Property.PropertyType, id.Value)));
        work.InsertRow(row.GetType(), row);
    }

    /// <summary>The row with another value in one of its columns.</summary>
    public static object With(TableModel table, object row, Column column, object? value) =>
        table.Record.Create([.. table.Record.Inputs.Select(member => member == column.Member ? value : member.Get(row))]);
}
