using System.Globalization;

namespace Mainstay.Internal;

/// <summary>One filter: <c>price.gte=5</c>.</summary>
/// <param name="Column">The filtered column.</param>
/// <param name="Operator">eq, in, gt, gte, lt, lte or null.</param>
/// <param name="Value">A typed value, an array of them for in, a bool for null.</param>
/// <param name="Text">The value as it was sent.</param>
internal sealed record ListFilter(Column Column, string Operator, object Value, string Text);

/// <summary>What a list request asks for, checked against the declared access patterns.</summary>
internal sealed record ListQuery
{
    public const int DefaultPageSize = 20;
    public const int PageSizeMost = 100;

    /// <summary>The most values <c>field.in</c> takes.</summary>
    public const int ValuesMost = 50;

    /// <summary>Where counting ends, and with it the pages that have numbers: both cost by the rows they pass.</summary>
    public const int CountMost = 10_000;

    /// <summary>The longest search, in characters.</summary>
    public const int SearchMost = 200;

    private static readonly List<ListFilter> noFilters = [];

    private Position? _after;
    private string? _unopened;

    public required ResourceModel Resource { get; init; }

    public required User User { get; init; }

    public required int PageSize { get; init; }

    public required IReadOnlyList<ListFilter> Filters { get; init; }

    public required ListOrder Order { get; init; }

    /// <summary>Words to look for, or null.</summary>
    public string? Search { get; init; }

    /// <summary>Where the page starts, by cursor; null for the beginning.</summary>
    public Position? After { get => _after; init => _after = value; }

    /// <summary>Where the page starts, by number from 1; null when not asked for by number.</summary>
    public int? Page { get; init; }

    /// <summary>Whether the answer tells how many rows there are.</summary>
    public bool IsCounted { get; init; }

    public required Representation Representation { get; init; }

    /// <summary>
    /// Ties a cursor to this question and this caller: what decides which rows are listed in which order, and how the order's values are kept. Page
    /// size, fields, includes and count may change from page to page.
    /// </summary>
    private byte[] Binding => User == User.Anonymous && Filters.Count == 0 && Search is null ? Resource.Texts.Binding(Order.Shape, static query => query.FullBinding, this) : FullBinding;

    private byte[] FullBinding => Position.BindingOf([Resource.Path, Order.Shape, Search ?? "", User.Id, .. User.Roles.Order(StringComparer.Ordinal), "|", .. User.Permissions.Order(StringComparer.Ordinal), "|",
        .. Filters.Select(filter => $"{filter.Column.Name}.{filter.Operator}={filter.Text}").Order(StringComparer.Ordinal)]);

    /// <param name="resource">Whose rows.</param>
    /// <param name="parameters">What was sent.</param>
    /// <param name="user">Who asks.</param>
    /// <param name="cursors">Opens the cursor.</param>
    /// <param name="parent">What the route itself demands of the rows, or null.</param>
    /// <exception cref="ProblemException"><c>invalid-parameter</c> or <c>invalid-cursor</c>, with every fault.</exception>
    public static ListQuery Read(ResourceModel resource, QueryParameters parameters, User user, CursorCodec cursors, ListFilter? parent)
    {
        var faults = new InputFaults();
        List<ListFilter>? filters = parent is null ? null : [parent];
        foreach (var (name, text) in parameters.All)
            if (!resource.ListParameters.Contains(name))
                ReadFilter(resource, name, text, filters ??= [], faults);
        var pageSize = ReadPageSize(parameters.Find("pageSize"), faults);
        var search = resource.Search is null ? null : ReadSearch(parameters.Find("search"), faults);
        var order = ReadOrder(resource, parameters.Find("sort"), search, faults);
        var representation = Representation.Read(resource, parameters, faults);
        var page = resource.HasPageNumbers ? ReadPage(parameters, pageSize, faults) : null;
        var isCounted = resource.HasCounts && ReadCount(parameters.Find("count"), faults);
        faults.ThrowIfAny(ProblemCatalogue.InvalidParameter);

        var query = new ListQuery
        {
            Resource = resource,
            User = user,
            PageSize = pageSize,
            Filters = filters ?? noFilters,
            Order = order,
            Search = search,
            Page = page,
            IsCounted = isCounted || page is not null,
            Representation = representation,
        };
        if (parameters.Find("cursor") is { } cursor)
            query.Open(cursor, cursors, mayLook: true);
        return query;
    }

    public string Cursor(CursorCodec cursors, Position last) => cursors.Seal(last, Binding);

    /// <summary>Whether there is no cursor left to open. It may name a key that this node has not heard of, and then the keys must be looked up first.</summary>
    public bool IsOpened => _unopened is null;

    /// <summary>Opens what <see cref="Read"/> could not.</summary>
    /// <exception cref="ProblemException"><c>invalid-cursor</c>.</exception>
    public async ValueTask OpenAsync(SharedKeys keys, CancellationToken cancellation)
    {
        await keys.LookAsync(cancellation);
        Open(_unopened!, keys.Cursors, mayLook: false);
    }

    private void Open(string cursor, CursorCodec cursors, bool mayLook) => (_after, _unopened) = cursors.Open(cursor, out var payload) switch
    {
        CursorVerdict.Opened when Position.Unpack(payload, Binding) is { } position && (position.Value is null || Order.Parameter(position.Value) is not null) => (position, (string?)null),
        CursorVerdict.Opened => throw ProblemCatalogue.InvalidCursor.Because("The cursor belongs to another list, filter, search, sort or caller, or to a release that sorted otherwise. Repeat the request it came from with only the cursor added, or start without one."),
        CursorVerdict.Outdated => throw ProblemCatalogue.InvalidCursor.Because($"The cursor is older than the {SharedKeys.VerifiesAfter.Days} days that cursors are good for, or was made by another release. Start without one."),
        CursorVerdict.UnknownKey when mayLook => (null, cursor),
        _ => throw ProblemCatalogue.InvalidCursor.Because("The cursor was not made by this server, or it was changed. Take it unchanged from meta.nextCursor, or start without one."),
    };

    /// <summary>All names a list of this resource accepts, for messages and documents.</summary>
    public static IEnumerable<string> ParameterNames(ResourceModel resource) => resource.Filters.SelectMany(column => OperatorsOf(column).Select(filter => ParameterName(column, filter))).Concat(resource.ListParameters);

    public static IEnumerable<string> OperatorsOf(Column column)
    {
        yield return "eq";
        if (column.Type.SqlType != "boolean")
            yield return "in";
        if (column.Member.Scalar is { IsOrdered: true })
            foreach (var filter in new[] { "gt", "gte", "lt", "lte" })
                yield return filter;
        if (column.Member.IsNullable)
            yield return "null";
    }

    public static string ParameterName(Column column, string filter) => filter == "eq" ? column.Member.Name : $"{column.Member.Name}.{filter}";

    private static void ReadFilter(ResourceModel resource, string name, string text, List<ListFilter> filters, InputFaults faults)
    {
        var dot = name.LastIndexOf('.');
        var (member, filter) = dot < 0 ? (name, "eq") : (name[..dot], name[(dot + 1)..]);
        var column = resource.Filters.FirstOrDefault(column => column.Member.Name == member);
        if (column is null || (dot >= 0 && filter == "eq") || !OperatorsOf(column).Contains(filter))
        {
            faults.Add(FieldError.In(name, "unknown", $"There is no such parameter.{WhyNot(resource, name)}{Suggestion.For(name, ParameterNames(resource))} Accepted: {string.Join(", ", ParameterNames(resource))}."));
            return;
        }
        var scalar = column.Member.Scalar!;
        if (filter == "null")
        {
            if (text is "true" or "false")
                filters.Add(new ListFilter(column, filter, text == "true", text));
            else
                faults.Add(FieldError.In(name, "type", "Expected true or false."));
        }
        else if (filter == "in")
        {
            var parts = text.Split(',');
            var values = Array.CreateInstance(scalar.Type, parts.Length);
            if (parts.Length > ValuesMost)
                faults.Add(FieldError.In(name, "maxItems", $"Expected at most {ValuesMost} values, found {parts.Length}."));
            else if (parts.Any(part => IsTooLong(column, part)))
                faults.Add(FieldError.In(name, "maxLength", $"Expected values of at most {column.Member.LengthMost} characters."));
            else if (TryParseAll(scalar, parts, values))
                filters.Add(new ListFilter(column, filter, values, text));
            else
                faults.Add(FieldError.In(name, "type", $"Expected values separated by commas, each {scalar.Expected}."));
        }
        else if (IsTooLong(column, text))
            faults.Add(FieldError.In(name, "maxLength", $"Expected at most {column.Member.LengthMost} characters."));
        else if (scalar.TryParse(text, out var single))
            filters.Add(new ListFilter(column, filter, single!, text));
        else
            faults.Add(FieldError.In(name, "type", $"Expected {scalar.Expected}."));
    }

    /// <summary>No row has a longer text.</summary>
    private static bool IsTooLong(Column column, string text) => column.Member.Scalar is TextShape && text.Length > column.Member.LengthMost && Member.Characters(text) > column.Member.LengthMost;

    private static bool TryParseAll(ScalarShape scalar, string[] parts, Array values)
    {
        for (var i = 0; i < parts.Length; i++)
        {
            if (!scalar.TryParse(parts[i], out var value))
                return false;
            values.SetValue(value, i);
        }
        return true;
    }

    /// <summary>What a caller who knows other lists may have expected here.</summary>
    private static string WhyNot(ResourceModel resource, string name) => name switch
    {
        _ when resource.Table.Columns.Any(known => known.Member.Name == name) => " The member exists, but lists cannot be filtered by it.",
        "page" => " This list has no page numbers: go on with meta.nextCursor as cursor.",
        "count" => " This list is not counted.",
        "search" => " This list cannot be searched.",
        _ => "",
    };

    private static int ReadPageSize(string? text, InputFaults faults)
    {
        if (text is null)
            return DefaultPageSize;
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var size) && size is >= 1 and <= PageSizeMost)
            return size;
        faults.Add(FieldError.In("pageSize", "range", $"Expected an integer from 1 to {PageSizeMost}."));
        return DefaultPageSize;
    }

    private static int? ReadPage(QueryParameters parameters, int pageSize, InputFaults faults)
    {
        if (parameters.Find("page") is not { } text)
            return null;
        var last = 1 + ((CountMost - 1) / pageSize);
        if (parameters.Find("cursor") is not null)
            faults.Add(FieldError.In("page", "exclusive", "Expected page or cursor, not both. Without page, the cursor goes on where it was given."));
        else if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var page) && page >= 1 && page <= last)
            return page;
        else
            faults.Add(FieldError.In("page", "range", $"Expected an integer from 1 to {last}, because pages of {pageSize} have numbers up to row {CountMost}. Go further with meta.nextCursor as cursor, which has no end, or narrow the list by filters."));
        return null;
    }

    private static bool ReadCount(string? text, InputFaults faults)
    {
        if (text is not (null or "true" or "false"))
            faults.Add(FieldError.In("count", "type", "Expected true or false."));
        return text == "true";
    }

    private static string? ReadSearch(string? text, InputFaults faults)
    {
        if (text is null)
            return null;
        if (string.IsNullOrWhiteSpace(text))
            faults.Add(FieldError.In("search", "minLength", "Expected words to look for. Leave the parameter out to list all rows."));
        else if (Member.Characters(text) is var length && length > SearchMost)
            faults.Add(FieldError.In("search", "maxLength", $"Expected at most {SearchMost} characters, found {length}."));
        return text;
    }

    private static ListOrder ReadOrder(ResourceModel resource, string? text, string? search, InputFaults faults)
    {
        if (text is null)
            return search is null ? ListOrder.ById(isDescending: false) : ListOrder.ByRelevance(resource.Search!);
        var isDescending = text.StartsWith('-');
        var name = isDescending ? text[1..] : text;
        if (name == resource.Table.Key.Member.Name)
            return ListOrder.ById(isDescending);
        if (resource.Sorts.FirstOrDefault(column => column.Member.Name == name) is { } sort)
            return ListOrder.By(sort, isDescending);
        var accepted = resource.Sorts.Select(column => column.Member.Name).Prepend(resource.Table.Key.Member.Name).ToArray();
        faults.Add(FieldError.In("sort", "unknown", $"Expected one of {string.Join(", ", accepted)}, with '-' in front for descending.{Suggestion.For(name, accepted)}"));
        return ListOrder.ById(isDescending: false);
    }
}
