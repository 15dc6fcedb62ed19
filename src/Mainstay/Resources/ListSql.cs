using System.Text;
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

    /// <summary>The columns of <see cref="ResourceSql.Columns"/>, then the relevance if that is the order. One row more than asked for tells whether there is a next page.</summary>
    public static NpgsqlBatchCommand List(ResourceModel resource, Predicate visible, ListQuery query)
    {
        var command = new NpgsqlBatchCommand();
        var text = new StringBuilder("select ").Append(ResourceSql.Columns(resource));
        if (query.Order.Relevance is not null)
            text.Append(", t.").Append(Rank);
        AppendPage(text, command, resource, visible, query, query.PageSize + 1);
        command.CommandText = text.ToString();
        return command;
    }

    /// <summary>How many rows there are on all pages, at most one more than <see cref="ListQuery.CountMost"/>: counting ends there.</summary>
    public static NpgsqlBatchCommand Count(ResourceModel resource, Predicate visible, ListQuery query)
    {
        var command = new NpgsqlBatchCommand();
        var text = new StringBuilder("select count(*)::integer from (select 1 from ").Append(resource.Table.QuotedName).Append(" t where true");
        AppendConditions(text, command, resource, visible, query);
        command.CommandText = text.Append(" limit ").Append(ListQuery.CountMost + 1).Append(") c").ToString();
        return command;
    }

    /// <summary>"from … limit" of a page, with the table called t.</summary>
    public static void AppendPage(StringBuilder text, NpgsqlBatchCommand command, ResourceModel resource, Predicate visible, ListQuery query, int limit)
    {
        var table = resource.Table.QuotedName;
        var behind = query.After is { } after ? Behind(command, resource, query.Order, after) : [];
        if (query.Search is not null)
        {
            // The fence keeps the planner from walking the table in the order of an index, hoping to meet enough rows that match.
            text.Append(" from (select t.*");
            if (query.Order.Relevance is { } search)
                text.Append(", ts_rank(").Append(search.Words("t.")).Append(", ").Append(AddSearch(command, search, query.Search)).Append(") as ").Append(Rank);
            text.Append(" from ").Append(table).Append(" t where true");
            AppendConditions(text, command, resource, visible, query);
            text.Append(" offset 0) t where ").Append(behind.Length == 0 ? "true" : $"({string.Join(" or ", behind)})");
        }
        else if (behind.Length == 2)
        {
            // Each part ends by itself: without its own limit, the planner reads and sorts a whole part.
            text.Append(" from (");
            for (var part = 0; part < 2; part++)
            {
                text.Append(part == 0 ? "(" : " union all (").Append("select * from ").Append(table).Append(" t where ").Append(behind[part]);
                AppendConditions(text, command, resource, visible, query);
                AppendOrder(text, resource, query.Order);
                text.Append(" limit ").Append(limit).Append(')');
            }
            text.Append(") t");
        }
        else
        {
            text.Append(" from ").Append(table).Append(" t where ").Append(behind.Length == 0 ? "true" : behind[0]);
            AppendConditions(text, command, resource, visible, query);
        }
        AppendOrder(text, resource, query.Order);
        text.Append(" limit ").Append(limit);
        if (query.Page is { } page)
        {
            command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = (page - 1) * query.PageSize });
            text.Append(" offset $").Append(command.Parameters.Count);
        }
    }

    private static void AppendOrder(StringBuilder text, ResourceModel resource, ListOrder order)
    {
        var direction = order.IsDescending ? " desc" : "";
        text.Append(" order by ");
        if (ValueOf(order) is { } value)
            text.Append(value).Append(direction).Append(", ");
        text.Append("t.").Append(resource.Table.Key.QuotedName).Append(direction);
    }

    private static string? ValueOf(ListOrder order) => order switch
    {
        { Relevance: not null } => "t." + Rank,
        { Column: { } column } => "t." + column.QuotedName,
        _ => null,
    };

    /// <summary>
    /// The rows behind a position, as one condition or as two that no row meets both. A row comparison, <c>(price, id) &lt; ($3, $4)</c>, is an index
    /// condition; an "or" would not be. Both sides compare as the order does, by the collation of the column.
    /// </summary>
    private static string[] Behind(NpgsqlBatchCommand command, ResourceModel resource, ListOrder order, Position after)
    {
        var compare = order.IsDescending ? '<' : '>';
        var key = $"t.{resource.Table.Key.QuotedName}";
        var id = Add(command, new NpgsqlParameter<Guid> { TypedValue = after.Id });
        if (ValueOf(order) is not { } value)
            return [$"{key} {compare} {id}"];
        if (after.Value is null)
        {
            var absent = $"{value} is null and {key} {compare} {id}";
            return order.IsDescending ? [absent, $"{value} is not null"] : [absent];
        }
        var present = $"({value}, {key}) {compare} ({Add(command, order.Parameter(after.Value)!)}, {id})";
        return order is { IsDescending: false, Column.Member.IsNullable: true } ? [present, $"{value} is null"] : [present];
    }

    /// <summary>What rows must meet wherever the page begins: visible, filtered, found.</summary>
    private static void AppendConditions(StringBuilder text, NpgsqlBatchCommand command, ResourceModel resource, Predicate visible, ListQuery query)
    {
        ResourceSql.AppendVisible(text, command, resource, visible);
        foreach (var filter in query.Filters)
            AppendFilter(text, command, filter);
        if (query.Search is { } words)
            AppendSearch(text, command, resource.Search!, words);
    }

    /// <summary>A search without a word that must be there, such as <c>-tea</c> or only stop words, has nothing for an index to look up and finds nothing.</summary>
    private static void AppendSearch(StringBuilder text, NpgsqlBatchCommand command, TextSearch search, string words)
    {
        var query = AddSearch(command, search, words);
        text.Append(" and ").Append(search.Words("t.")).Append(" @@ ").Append(query).Append(" and querytree(").Append(query).Append(") not in ('', 'T')");
    }

    private static string AddSearch(NpgsqlBatchCommand command, TextSearch search, string words)
    {
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = words });
        return search.Query(command.Parameters.Count);
    }

    private static void AppendFilter(StringBuilder text, NpgsqlBatchCommand command, ListFilter filter)
    {
        text.Append(" and t.").Append(filter.Column.QuotedName);
        if (filter.Operator == "null")
        {
            text.Append((bool)filter.Value ? " is null" : " is not null");
            return;
        }
        command.Parameters.Add(filter.Operator == "in"
            ? SqlValue.Parameter(filter.Value, filter.Value.GetType())
            : filter.Column.Parameter(filter.Value));
        text.Append(filter.Operator switch { "gt" => " > $", "gte" => " >= $", "lt" => " < $", "lte" => " <= $", "in" => " = any($", _ => " = $" }).Append(command.Parameters.Count);
        if (filter.Operator == "in")
            text.Append(')');
    }

    private static string Add(NpgsqlBatchCommand command, NpgsqlParameter parameter)
    {
        command.Parameters.Add(parameter);
        return $"${command.Parameters.Count}";
    }
}
