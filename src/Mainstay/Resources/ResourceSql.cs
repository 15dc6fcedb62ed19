using Npgsql;

namespace Mainstay.Internal;

/// <summary>The statements that read single rows of a resource, and what is shown beside rows. Lists are in <see cref="ListSql"/>.</summary>
internal static class ResourceSql
{
    public const string Alias = "t";

    /// <summary>One row: all columns, then the version.</summary>
    public static ReadStatement Get(ResourceModel resource, Predicate visible, Guid id)
    {
        if (visible == Predicate.Always)
            return new ReadStatement(resource.Texts.Get, [Id(id)]);
        var sql = new SqlText("select ").Append(resource.Texts.Columns);
        AppendOne(sql, resource, visible, id);
        return sql.ToStatement();
    }

    public static SqlText Exists(ResourceModel resource, Predicate visible, Guid id)
    {
        var sql = new SqlText("select 1");
        AppendOne(sql, resource, visible, id);
        return sql;
    }

    /// <summary>The rows that one include shows beside the rows of <paramref name="page"/>; the first column tells whose they are.</summary>
    /// <param name="include">What is shown.</param>
    /// <param name="visible">Which of the target's rows the caller may see.</param>
    /// <param name="page">Appends "from … limit" of the rows that are on the page.</param>
    public static SqlText Include(ResourceInclude include, Predicate visible, Action<SqlText> page)
    {
        var target = include.Target;
        var columns = ColumnsOf(target, "c");
        var sql = new SqlText("select ");
        if (include.IsMany)
        {
            sql.Append("p.key, ").Append(columns).Append(" from (select t.\"id\" as key");
            page(sql);
            sql.Append(") p cross join lateral (select ").Append(columns).Append(" from ").Append(target.Table.QuotedName).Append(" c where c.").Append(include.Column.QuotedName).Append(" = p.key");
            AppendVisible(sql, target, visible, "c");
            sql.Append(" order by c.").Append(target.Table.Key.QuotedName).Append(" desc limit ").Append(include.Most).Append(") c");
        }
        else
        {
            sql.Append("distinct on (c.").Append(target.Table.Key.QuotedName).Append(") c.").Append(target.Table.Key.QuotedName).Append(", ").Append(columns)
                .Append(" from (select t.").Append(include.Column.QuotedName).Append(" as key");
            page(sql);
            sql.Append(") p join ").Append(target.Table.QuotedName).Append(" c on c.").Append(target.Table.Key.QuotedName).Append(" = p.key where true");
            AppendVisible(sql, target, visible, "c");
        }
        return sql;
    }

    /// <summary>
    /// The rows of <paramref name="page"/> with what one include shows beside each, in one statement: a row as often as it has company, and once with nulls when it
    /// has none. The columns of the row and its version come first, then those of the other.
    /// </summary>
    /// <param name="resource">Whose rows.</param>
    /// <param name="include">What is shown.</param>
    /// <param name="visible">Which of the target's rows the caller may see.</param>
    /// <param name="columns">What the page selects behind the columns of the row, each with a comma in front.</param>
    /// <param name="page">Appends "from … limit" of the rows that are on the page.</param>
    /// <param name="order">The order of the page, for columns of p.</param>
    public static SqlText WithCompany(ResourceModel resource, ResourceInclude include, Predicate visible, string columns, Action<SqlText> page, string order)
    {
        var target = include.Target;
        var sql = new SqlText("select p.*, ").Append(ColumnsOf(target, "c")).Append(" from (select ").Append(resource.Texts.Columns).Append(columns);
        page(sql);
        sql.Append(") p left join lateral (select ").Append(ColumnsOf(target, "c")).Append(" from ").Append(target.Table.QuotedName).Append(" c where c.")
            .Append(include.IsMany ? include.Column.QuotedName : target.Table.Key.QuotedName).Append(" = p.").Append(include.IsMany ? resource.Table.Key.QuotedName : include.Column.QuotedName);
        AppendVisible(sql, target, visible, "c");
        if (include.IsMany)
            sql.Append(" order by c.").Append(target.Table.Key.QuotedName).Append(" desc limit ").Append(include.Most);
        return sql.Append(") c on true").Append(order);
    }

    /// <summary>"from … where id = …" of a single row.</summary>
    public static void AppendOne(SqlText sql, ResourceModel resource, Predicate visible, Guid id)
    {
        sql.Append(" from ").Append(resource.Table.QuotedName).Append(" t where t.").Append(resource.Table.Key.QuotedName).Append(" = ").AppendValue(Id(id));
        AppendVisible(sql, resource, visible);
    }

    public static void AppendVisible(SqlText sql, ResourceModel resource, Predicate visible, string alias = Alias)
    {
        if (visible == Predicate.Always)
            return;
        sql.Append(" and (");
        PredicateSql.Write(visible, alias, member => resource.Table.FindMember(member)!.QuotedName, sql.Text, sql.Values);
        sql.Append(")");
    }

    private static string ColumnsOf(ResourceModel resource, string alias) => string.Join(", ", resource.Table.Columns.Select(column => $"{alias}.{column.QuotedName}"));

    public static NpgsqlParameter Id(Guid id) => SqlValue.Plain(id);
}
