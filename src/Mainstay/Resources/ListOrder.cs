using System.Globalization;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>
/// The order of a list: by id, by a column and then the id, or by how well rows fit a search and then the id. Rows without a value come where
/// PostgreSQL has them, behind all others going up and before them going down, so that one index serves both directions.
/// </summary>
internal sealed record ListOrder
{
    private static readonly ListOrder byId = new(), byIdDescending = new() { IsDescending = true };

    private ListOrder()
    {
    }

    /// <summary>The declared sort, or null.</summary>
    public Column? Column { get; private init; }

    public bool IsDescending { get; private init; }

    /// <summary>The search by whose relevance rows are ordered, or null.</summary>
    public TextSearch? Relevance { get; private init; }

    public static ListOrder ById(bool isDescending) => isDescending ? byIdDescending : byId;

    public static ListOrder By(Column column, bool isDescending) => new() { Column = column, IsDescending = isDescending };

    /// <summary>
    /// Best first, then newest first. What a row is worth depends on the row and the search alone, so it is the same on the next page, and a cursor
    /// goes on exactly behind it.
    /// </summary>
    public static ListOrder ByRelevance(TextSearch search) => new() { Relevance = search, IsDescending = true };

    /// <summary>
    /// What the values of a cursor mean, in one text. A cursor from a release that kept the column otherwise, or weighed other members, has another
    /// one and is refused.
    /// </summary>
    public string Shape => field ??=
        $"{(IsDescending ? '-' : '+')}{(Relevance is { } search ? $"relevance {search.Words()}" : Column is { } column ? $"{column.Name} {column.Type.SqlType}{(column.Member.IsNullable ? " null" : "")}" : "id")}";

    /// <summary>The sort value of the row that the reader stands on, for a cursor.</summary>
    /// <param name="reader">Stands on a row with the columns of <see cref="ListSql.List"/>.</param>
    /// <param name="rank">The place of the relevance.</param>
    public string? ValueOf(NpgsqlDataReader reader, int rank)
    {
        if (Relevance is not null)
            return reader.GetFloat(rank).ToString("R", CultureInfo.InvariantCulture);
        if (Column is not { } column || reader.IsDBNull(column.Ordinal))
            return null;
        // An enum is sorted by its text, and one whose name is no member any more must not end the walk.
        return column.Type.Values is not null ? reader.GetString(column.Ordinal) : column.Member.Scalar!.Text(column.Type.Read(reader, column.Ordinal));
    }

    /// <summary>The value of a cursor as a parameter.</summary>
    public NpgsqlParameter? Parameter(string value) => this switch
    {
        { Relevance: not null } => SqlValue.Plain(float.Parse(value, CultureInfo.InvariantCulture)),
        { Column.Type.Values: not null } => SqlValue.Text(value),
        { Column: { } column } when column.Member.Scalar!.TryParse(value, out var parsed) => column.Parameter(parsed),
        _ => null,
    };
}
