namespace Mainstay.Internal;

/// <summary>
/// The full-text search of a table: which columns, in which language. Kept as a GIN index over an expression, not as a generated column: adding one
/// to a table with rows, or searching another member, builds an index, while a stored column would rewrite the table with everybody locked out.
/// The price is that the words of the rows that match are taken apart again to order them.
/// </summary>
internal sealed record TextSearch(SearchLanguage Language, IReadOnlyList<Column> Columns)
{
    /// <summary>A tsvector ends at 1 MiB, and a row that needs more could not be stored. This many characters of four bytes, each a word, fit.</summary>
    public const int CharactersMost = 100_000;

    private string Configuration => $"'pg_catalog.{Language.ToString().ToLowerInvariant()}'::regconfig";

    /// <summary>The words of a row. The first column weighs most, all from the fourth on least. The index and every query must spell it alike.</summary>
    /// <param name="alias">What the table is called in the statement, with its dot; empty in the index.</param>
    public string Words(string alias = "") => string.Join(" || ", Columns.Select((column, i) => $"setweight(to_tsvector({Configuration}, {(column.Member.IsNullable ? $"coalesce({alias}{column.QuotedName}, '')" : alias + column.QuotedName)}), '{"ABCD"[Math.Min(i, 3)]}')"));

    /// <summary>What is looked for, from a parameter. Any text is valid: <c>tea "black leaf" or coffee -decaf</c>.</summary>
    public string Query(int parameter) => $"websearch_to_tsquery({Configuration}, ${parameter})";
}
