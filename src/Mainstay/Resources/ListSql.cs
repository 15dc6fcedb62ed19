using Npgsql;

namespace Mainstay.Internal;

/// <summary>
/// The statements of a list: rows the caller may see, filtered and searched, from a position on, in one order.
/// <code>
/// by id or a column     from t where visible, filters, behind the position, in the index's order
/// value may be absent   the same of the two parts that follow each other, rows with a value and rows without: each has its index condition, and its limit
/// search                what matches first, whatever the order: the search index finds it, and only that is sorted
/// </code>
/// </summary>
internal static class ListSql
{
    private const string Rank = "\"search rank\"";

    /// <summary>All columns and the version, then the relevance if that is the order. One row more than asked for tells whether there is a next page.</summary>
    public static ReadStatement List(ResourceModel resource, Predicate visible, ListQuery query)
    {
        if (visible != Predicate.Always || query.Filters.Count > 0 || query.Search is not null || query.Page is not null)
            return Write(resource, visible, query).ToStatement();
        var start = query.After is null ? PageStart.First : query.Order.Column is not null && query.After.Value is null ? PageStart.BehindAbsentValue : PageStart.BehindValue;
        return new ReadStatement(resource.Texts.Page(query, start, static query => Write(query.Resource, Predicate.Always, query).Text.ToString()), ValuesOf(query.Order, query.After));
    }

    /// <summary>The same with what one include shows beside each row.</summary>
    public static ReadStatement ListWithCompany(ResourceModel resource, Predicate visible, ListQuery query, ResourceInclude include, Predicate visibleCompany) => ResourceSql.WithCompany(resource, include, visibleCompany,
        query.Order.Relevance is null ? "" : $", t.{Rank}", sql => AppendPage(sql, resource, visible, query, query.PageSize + 1), OrderBy(resource, query.Order, "p.")).ToStatement();

    private static SqlText Write(ResourceModel resource, Predicate visible, ListQuery query)
    {
        var sql = new SqlText("select ").Append(resource.Texts.Columns);
        if (query.Order.Relevance is not null)
            sql.Append(", t.").Append(Rank);
        AppendPage(sql, resource, visible, query, query.PageSize + 1);
        return sql;
    }

    /// <summary>How many rows there are on all pages, at most one more than <see cref="ListQuery.CountMost"/>: counting ends there.</summary>
    public static SqlText Count(ResourceModel resource, Predicate visible, ListQuery query)
    {
        var sql = new SqlText("select count(*)::integer from (select 1 from ").Append(resource.Table.QuotedName).Append(" t where true");
        AppendConditions(sql, resource, visible, query);
        return sql.Append(" limit ").Append(ListQuery.CountMost + 1).Append(") c");
    }

    /// <summary>"from … limit" of a page, with the table called t.</summary>
    public static void AppendPage(SqlText sql, ResourceModel resource, Predicate visible, ListQuery query, int limit)
    {
        var table = resource.Table.QuotedName;
        var behind = query.After is { } after ? Behind(sql, resource, query.Order, after) : [];
        if (query.Search is not null)
        {
            // The fence keeps the planner from walking the table in the order of an index, hoping to meet enough rows that match.
            sql.Append(" from (select t.*");
            if (query.Order.Relevance is { } search)
                sql.Append(", ts_rank(").Append(search.Words("t.")).Append(", ").Append(AddSearch(sql, search, query.Search)).Append(") as ").Append(Rank);
            sql.Append(" from ").Append(table).Append(" t where true");
            AppendConditions(sql, resource, visible, query);
            sql.Append(" offset 0) t where ").Append(behind.Length == 0 ? "true" : $"({string.Join(" or ", behind)})");
        }
        else if (behind.Length == 2)
        {
            // Each part ends by itself: without its own limit, the planner reads and sorts a whole part.
            sql.Append(" from (");
            for (var part = 0; part < 2; part++)
            {
                sql.Append(part == 0 ? "(" : " union all (").Append("select * from ").Append(table).Append(" t where ").Append(behind[part]);
                AppendConditions(sql, resource, visible, query);
                AppendOrder(sql, resource, query.Order);
                sql.Append(" limit ").Append(limit).Append(")");
            }
            sql.Append(") t");
        }
        else
        {
            sql.Append(" from ").Append(table).Append(" t where ").Append(behind.Length == 0 ? "true" : behind[0]);
            AppendConditions(sql, resource, visible, query);
        }
        AppendOrder(sql, resource, query.Order);
        sql.Append(" limit ").Append(limit);
        if (query.Page is { } page)
            sql.Append(" offset ").AppendValue(new NpgsqlParameter<int> { TypedValue = (page - 1) * query.PageSize });
    }

    private static void AppendOrder(SqlText sql, ResourceModel resource, ListOrder order) => sql.Append(OrderBy(resource, order, "t."));

    private static string OrderBy(ResourceModel resource, ListOrder order, string alias)
    {
        var direction = order.IsDescending ? " desc" : "";
        return $" order by {(ValueOf(order, alias) is { } value ? $"{value}{direction}, " : "")}{alias}{resource.Table.Key.QuotedName}{direction}";
    }

    private static string? ValueOf(ListOrder order, string alias = "t.") => order switch
    {
        { Relevance: not null } => alias + Rank,
        { Column: { } column } => alias + column.QuotedName,
        _ => null,
    };

    /// <summary>
    /// The rows behind a position, as one condition or as two that no row meets both. A row comparison, <c>(price, id) &lt; ($3, $4)</c>, is an index
    /// condition; an "or" would not be. Both sides compare as the order does, by the collation of the column.
    /// </summary>
    private static string[] Behind(SqlText sql, ResourceModel resource, ListOrder order, Position after)
    {
        var compare = order.IsDescending ? '<' : '>';
        var key = $"t.{resource.Table.Key.QuotedName}";
        var (id, sortValue) = ($"${sql.Values.Count + 1}", $"${sql.Values.Count + 2}");
        sql.Values.AddRange(ValuesOf(order, after));
        if (ValueOf(order) is not { } value)
            return [$"{key} {compare} {id}"];
        if (after.Value is null)
        {
            var absent = $"{value} is null and {key} {compare} {id}";
            return order.IsDescending ? [absent, $"{value} is not null"] : [absent];
        }
        var present = $"({value}, {key}) {compare} ({sortValue}, {id})";
        return order is { IsDescending: false, Column.Member.IsNullable: true } ? [present, $"{value} is null"] : [present];
    }

    /// <summary>The values of a position, which come before all others: the id and, where the order has one that is there, the sort value.</summary>
    private static IReadOnlyList<NpgsqlParameter> ValuesOf(ListOrder order, Position? after) =>
        after is null ? [] : after.Value is null || order is { Column: null, Relevance: null } ? [ResourceSql.Id(after.Id)] : [ResourceSql.Id(after.Id), order.Parameter(after.Value)!];

    /// <summary>What rows must meet wherever the page begins: visible, filtered, found.</summary>
    private static void AppendConditions(SqlText sql, ResourceModel resource, Predicate visible, ListQuery query)
    {
        ResourceSql.AppendVisible(sql, resource, visible);
        foreach (var filter in query.Filters)
            AppendFilter(sql, filter);
        if (query.Search is { } words)
            AppendSearch(sql, resource.Search!, words);
    }

    /// <summary>A search without a word that must be there, such as <c>-tea</c> or only stop words, has nothing for an index to look up and finds nothing.</summary>
    private static void AppendSearch(SqlText sql, TextSearch search, string words)
    {
        var query = AddSearch(sql, search, words);
        sql.Append(" and ").Append(search.Words("t.")).Append(" @@ ").Append(query).Append(" and querytree(").Append(query).Append(") not in ('', 'T')");
    }

    private static string AddSearch(SqlText sql, TextSearch search, string words)
    {
        sql.Values.Add(SqlValue.Text(words));
        return search.Query(sql.Values.Count);
    }

    private static void AppendFilter(SqlText sql, ListFilter filter)
    {
        sql.Append(" and t.").Append(filter.Column.QuotedName);
        if (filter.Operator == "null")
        {
            sql.Append((bool)filter.Value ? " is null" : " is not null");
            return;
        }
        sql.Values.Add(filter.Operator == "in"
            ? SqlValue.Parameter(filter.Value, filter.Value.GetType())
            : filter.Column.Parameter(filter.Value));
        sql.Append(filter.Operator switch { "gt" => " > $", "gte" => " >= $", "lt" => " < $", "lte" => " <= $", "in" => " = any($", _ => " = $" }).Append(sql.Values.Count);
        if (filter.Operator == "in")
            sql.Append(")");
    }
}
