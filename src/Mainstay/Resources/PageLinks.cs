using System.Globalization;
using System.Runtime.CompilerServices;

namespace Mainstay.Internal;

/// <summary>The <c>Link</c> header of a page: the same request elsewhere in the list.</summary>
internal static class PageLinks
{
    /// <param name="call">The request.</param>
    /// <param name="query">What it asks for.</param>
    /// <param name="next">The cursor of the next page, or null on the last one.</param>
    /// <param name="total">How many rows there are, when that is known.</param>
    /// <returns>The header's value, or null when there is nowhere to go.</returns>
    public static string? Of(Call call, ListQuery query, string? next, ListTotal? total)
    {
        if (query.Page is not { } page || total is not { } rows)
            return next is null ? null : Next(call, next);
        var pages = Math.Max(1, rows.Pages(query.PageSize));
        var links = new List<string> { ToPage("first", 1) };
        if (page > 1)
            links.Add(ToPage("prev", Math.Min(page - 1, pages)));
        // Where page numbers end, the cursor goes on.
        if (next is not null)
            links.Add(page * query.PageSize < ListQuery.CountMost ? ToPage("next", page + 1) : Next(call, next));
        if (!rows.IsCapped)
            links.Add(ToPage("last", pages));
        return string.Join(", ", links);

        string ToPage(string relation, int number) => Link(call, relation, "page", number.ToString(CultureInfo.InvariantCulture));
    }

    public static string Next(Call call, string cursor) => Link(call, "next", "cursor", cursor);

    private static string Link(Call call, string relation, string name, string value)
    {
        var link = new DefaultInterpolatedStringHandler(16, 4, CultureInfo.InvariantCulture, stackalloc char[512]);
        link.AppendLiteral("<");
        link.AppendLiteral(call.Incoming.Path);
        link.AppendLiteral("?");
        call.Incoming.Query.AppendTo(ref link, "cursor", "page");
        link.AppendLiteral(name);
        link.AppendLiteral("=");
        link.AppendLiteral(value);
        link.AppendLiteral(">; rel=\"");
        link.AppendLiteral(relation);
        link.AppendLiteral("\"");
        return link.ToStringAndClear();
    }
}
