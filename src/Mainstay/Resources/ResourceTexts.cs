using System.Collections.Concurrent;

namespace Mainstay.Internal;

/// <summary>Text of a resource's statements that no request changes, written once.</summary>
internal sealed class ResourceTexts(TableModel table)
{
    /// <summary>Columns for the answer: all of them, then the version.</summary>
    public string Columns { get; } = ColumnsOf(table);

    /// <summary>The statement for one row that everybody may see. Its value is the id.</summary>
    public string Get { get; } = $"select {ColumnsOf(table)} from {table.QuotedName} t where t.{table.Key.QuotedName} = $1";

    private readonly ConcurrentDictionary<string, byte[]> _bindings = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<(Column? Sort, bool IsDescending, PageStart Start, int Limit), string> _pages = new();

    /// <summary>
    /// The statement for a page of a list that everybody may see all of, without filters. There are as many as sorts, directions and page sizes, so they
    /// need no bound of their own.
    /// </summary>
    public string Page(ListQuery query, PageStart start, Func<ListQuery, string> write)
    {
        var key = (query.Order.Column, query.Order.IsDescending, start, query.PageSize);
        return _pages.TryGetValue(key, out var text) ? text : _pages.GetOrAdd(key, write(query));
    }

    /// <summary>What ties a cursor to a list of everybody without filters, by the shape of its order.</summary>
    public byte[] Binding<T>(string order, Func<T, byte[]> make, T argument) => _bindings.GetOrAdd(order, static (_, with) => with.make(with.argument), (make, argument));

    private static string ColumnsOf(TableModel table) => $"{string.Join(", ", table.Columns.Select(column => $"t.{column.QuotedName}"))}, t.{TableModel.VersionColumn}";
}

/// <summary>Where a page starts, as far as it decides the text of its statement.</summary>
internal enum PageStart
{
    First,
    BehindValue,
    BehindAbsentValue,
}
