using System.Text;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>The statements that read single rows of a resource, and what is shown beside rows. Lists are in <see cref="ListSql"/>.</summary>
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

    public static void AppendVisible(StringBuilder text, NpgsqlBatchCommand command, ResourceModel resource, Predicate visible, string alias = Alias)
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
}
