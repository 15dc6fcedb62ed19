using System.Text;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>The statements that read a resource: rows the caller may see, filtered, from a position on, in one order.</summary>
internal static class ResourceSql
{
    public const string Alias = "t";

    /// <summary>Columns for the answer: all of them, then the version.</summary>
    public static string Columns(ResourceModel resource) =>
        $"{string.Join(", ", resource.Table.Columns.Select(column => $"{Alias}.{column.QuotedName}"))}, {Alias}.{TableModel.VersionColumn}";

    public static NpgsqlBatchCommand Get(ResourceModel resource, Predicate visible, Guid id)
    {
        var command = new NpgsqlBatchCommand();
        var text = new StringBuilder("select ").Append(Columns(resource)).Append(" from ").Append(resource.Table.QuotedName).Append(' ').Append(Alias).Append(" where ");
        AppendKey(text, command, resource, id);
        AppendVisible(text, command, resource, visible);
        command.CommandText = text.ToString();
        return command;
    }

    public static NpgsqlBatchCommand Exists(ResourceModel resource, Predicate visible, Guid id)
    {
        var command = new NpgsqlBatchCommand();
        var text = new StringBuilder("select 1 from ").Append(resource.Table.QuotedName).Append(' ').Append(Alias).Append(" where ");
        AppendKey(text, command, resource, id);
        AppendVisible(text, command, resource, visible);
        command.CommandText = text.ToString();
        return command;
    }

    /// <summary>A page, with one row more than asked for to tell whether there is a next one.</summary>
    public static NpgsqlBatchCommand List(ResourceModel resource, Predicate visible, ListQuery query)
    {
        var command = new NpgsqlBatchCommand();
        var text = new StringBuilder("select ").Append(Columns(resource));
        AppendPage(text, command, resource, visible, query, query.PageSize + 1);
        command.CommandText = text.ToString();
        return command;
    }

    /// <summary>The rows that one include shows beside the rows of <paramref name="page"/>; the first column tells whose they are.</summary>
    /// <param name="include">What is shown.</param>
    /// <param name="visible">Which of the target's rows the caller may see.</param>
    /// <param name="page">Appends "from … limit" of the rows that are on the page.</param>
    public static NpgsqlBatchCommand Include(ResourceInclude include, Predicate visible, Action<StringBuilder, NpgsqlBatchCommand> page)
    {
        var command = new NpgsqlBatchCommand();
        var target = include.Target;
        var columns = string.Join(", ", target.Table.Columns.Select(column => $"c.{column.QuotedName}"));
        var text = new StringBuilder();
        if (include.IsMany)
        {
            text.Append("select p.key, ").Append(columns).Append(" from (select t.\"id\" as key");
            page(text, command);
            text.Append(") p cross join lateral (select ").Append(columns).Append(" from ").Append(target.Table.QuotedName).Append(" c where c.").Append(include.Column.QuotedName).Append(" = p.key");
            AppendVisible(text, command, target, visible, "c");
            text.Append(" order by c.").Append(target.Table.Key.QuotedName).Append(" desc limit ").Append(include.Most).Append(") c");
        }
        else
        {
            text.Append("select distinct on (c.").Append(target.Table.Key.QuotedName).Append(") c.").Append(target.Table.Key.QuotedName).Append(", ").Append(columns)
                .Append(" from (select t.").Append(include.Column.QuotedName).Append(" as key");
            page(text, command);
            text.Append(") p join ").Append(target.Table.QuotedName).Append(" c on c.").Append(target.Table.Key.QuotedName).Append(" = p.key where true");
            AppendVisible(text, command, target, visible, "c");
        }
        command.CommandText = text.ToString();
        return command;
    }

    /// <summary>"from … where … order by … limit …" of a page.</summary>
    public static void AppendPage(StringBuilder text, NpgsqlBatchCommand command, ResourceModel resource, Predicate visible, ListQuery query, int limit)
    {
        text.Append(" from ").Append(resource.Table.QuotedName).Append(' ').Append(Alias).Append(" where true");
        AppendVisible(text, command, resource, visible);
        foreach (var filter in query.Filters)
            AppendFilter(text, command, filter);
        if (query.After is { } after)
            AppendAfter(text, command, resource, query, after);
        var direction = query.IsDescending ? " desc" : "";
        text.Append(" order by ");
        if (query.Sort is { } sort)
            text.Append(Alias).Append('.').Append(sort.QuotedName).Append(direction).Append(", ");
        text.Append(Alias).Append('.').Append(resource.Table.Key.QuotedName).Append(direction).Append(" limit ").Append(limit);
    }

    /// <summary>"from … where id = …" of a single row.</summary>
    public static void AppendOne(StringBuilder text, NpgsqlBatchCommand command, ResourceModel resource, Predicate visible, Guid id)
    {
        text.Append(" from ").Append(resource.Table.QuotedName).Append(' ').Append(Alias).Append(" where ");
        AppendKey(text, command, resource, id);
        AppendVisible(text, command, resource, visible);
    }

    private static void AppendKey(StringBuilder text, NpgsqlBatchCommand command, ResourceModel resource, Guid id)
    {
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = id });
        text.Append(Alias).Append('.').Append(resource.Table.Key.QuotedName).Append(" = $").Append(command.Parameters.Count);
    }

    private static void AppendVisible(StringBuilder text, NpgsqlBatchCommand command, ResourceModel resource, Predicate visible, string alias = Alias)
    {
        if (visible == Predicate.Always)
            return;
        var parameters = command.Parameters.ToList();
        var known = parameters.Count;
        text.Append(" and (");
        PredicateSql.Write(visible, alias, member => resource.Table.FindMember(member)!.QuotedName, text, parameters);
        text.Append(')');
        foreach (var parameter in parameters.Skip(known))
            command.Parameters.Add(parameter);
    }

    private static void AppendFilter(StringBuilder text, NpgsqlBatchCommand command, ListFilter filter)
    {
        text.Append(" and ").Append(Alias).Append('.').Append(filter.Column.QuotedName);
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

    /// <summary>A row comparison, which PostgreSQL uses as an index condition: <c>(price, id) &lt; ($3, $4)</c>.</summary>
    private static void AppendAfter(StringBuilder text, NpgsqlBatchCommand command, ResourceModel resource, ListQuery query, (object? Value, Guid Id) after)
    {
        var compare = query.IsDescending ? " < " : " > ";
        text.Append(" and (");
        if (query.Sort is { } sort)
        {
            command.Parameters.Add(sort.Parameter(after.Value));
            command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = after.Id });
            text.Append(Alias).Append('.').Append(sort.QuotedName).Append(", ").Append(Alias).Append('.').Append(resource.Table.Key.QuotedName).Append(')').Append(compare)
                .Append("($").Append(command.Parameters.Count - 1).Append(", $").Append(command.Parameters.Count).Append(')');
            return;
        }
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = after.Id });
        text.Append(Alias).Append('.').Append(resource.Table.Key.QuotedName).Append(compare).Append('$').Append(command.Parameters.Count).Append(')');
    }
}
