namespace Mainstay.Internal;

/// <summary>One filter: <c>price.gte=5</c>.</summary>
/// <param name="Column">The filtered column.</param>
/// <param name="Operator">eq, in, gt, gte, lt, lte or null.</param>
/// <param name="Value">A typed value, an array of them for in, a bool for null.</param>
internal sealed record ListFilter(Column Column, string Operator, object Value);

/// <summary>What a list request asks for, checked against the declared access patterns.</summary>
internal sealed record ListQuery
{
    public const int DefaultPageSize = 20;
    public const int PageSizeMost = 100;

    /// <summary>The most values <c>field.in</c> takes.</summary>
    public const int ValuesMost = 50;

    public required int PageSize { get; init; }

    public required IReadOnlyList<ListFilter> Filters { get; init; }

    /// <summary>The declared sort, or null for the id alone (the order of creation).</summary>
    public Column? Sort { get; init; }

    public bool IsDescending { get; init; }

    /// <summary>The sort value and id behind which the page starts.</summary>
    public (object? Value, Guid Id)? After { get; init; }

    /// <summary>Ties a cursor to this question and this caller.</summary>
    public required byte[] Binding { get; init; }

    public required Representation Representation { get; init; }

    private static readonly string[] common = ["pageSize", "cursor", "sort", "fields", "include"];

    /// <exception cref="ProblemException"><c>invalid-parameter</c> or <c>invalid-cursor</c>, with every fault.</exception>
    public static ListQuery Read(ResourceModel resource, QueryParameters parameters, User user, CursorCodec cursors, string scope)
    {
        var faults = new InputFaults();
        var filters = new List<ListFilter>();
        foreach (var (name, text) in parameters.Values)
            if (!common.Contains(name))
                ReadFilter(resource, name, text, filters, faults);
        var pageSize = ReadPageSize(parameters.Find("pageSize"), faults);
        var (sort, isDescending) = ReadSort(resource, parameters.Find("sort"), faults);
        var representation = Representation.Read(resource, parameters, faults);
        faults.ThrowIfAny(ProblemCatalogue.InvalidParameter);

        var binding = Position.BindingOf([scope, resource.Path, parameters.Find("sort") ?? "", user.Id, .. user.Roles.Order(StringComparer.Ordinal), "|", .. user.Permissions.Order(StringComparer.Ordinal), "|",
            .. filters.Select(filter => $"{filter.Column.Name}.{filter.Operator}={parameters.Find(ParameterName(filter)) ?? parameters.Find(filter.Column.Member.Name)}").Order(StringComparer.Ordinal)]);
        return new ListQuery
        {
            PageSize = pageSize,
            Filters = filters,
            Sort = sort,
            IsDescending = isDescending,
            After = parameters.Find("cursor") is { } cursor ? ReadCursor(cursor, cursors, binding, sort) : null,
            Binding = binding,
            Representation = representation,
        };
    }

    public string Cursor(CursorCodec cursors, object? sortValue, Guid id) =>
        cursors.Seal(new Position(Sort is null ? "" : Sort.Member.Scalar!.Text(sortValue!), id).Pack(Binding));

    /// <summary>All names a list of this resource accepts, for messages and documents.</summary>
    public static IEnumerable<string> ParameterNames(ResourceModel resource) => resource.Filters.SelectMany(column => OperatorsOf(column).Select(filter => ParameterName(column, filter))).Concat(common);

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

    private static string ParameterName(ListFilter filter) => ParameterName(filter.Column, filter.Operator);

    private static void ReadFilter(ResourceModel resource, string name, string text, List<ListFilter> filters, InputFaults faults)
    {
        var dot = name.LastIndexOf('.');
        var (member, filter) = dot < 0 ? (name, "eq") : (name[..dot], name[(dot + 1)..]);
        var column = resource.Filters.FirstOrDefault(column => column.Member.Name == member);
        if (column is null || (dot >= 0 && filter == "eq") || !OperatorsOf(column).Contains(filter))
        {
            var declared = resource.Table.Columns.Any(known => known.Member.Name == name) ? " The member exists, but lists cannot be filtered by it." : "";
            faults.Add(FieldError.In(name, "unknown", $"There is no such parameter.{declared}{Suggestion.For(name, ParameterNames(resource))} Accepted: {string.Join(", ", ParameterNames(resource))}."));
            return;
        }
        var scalar = column.Member.Scalar!;
        if (filter == "null")
        {
            if (text is "true" or "false")
                filters.Add(new ListFilter(column, filter, text == "true"));
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
                filters.Add(new ListFilter(column, filter, values));
            else
                faults.Add(FieldError.In(name, "type", $"Expected values separated by commas, each {scalar.Expected}."));
        }
        else if (IsTooLong(column, text))
            faults.Add(FieldError.In(name, "maxLength", $"Expected at most {column.Member.LengthMost} characters."));
        else if (scalar.TryParse(text, out var single))
            filters.Add(new ListFilter(column, filter, single!));
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

    private static int ReadPageSize(string? text, InputFaults faults)
    {
        if (text is null)
            return DefaultPageSize;
        if (int.TryParse(text, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var size) && size is >= 1 and <= PageSizeMost)
            return size;
        faults.Add(FieldError.In("pageSize", "range", $"Expected an integer from 1 to {PageSizeMost}."));
        return DefaultPageSize;
    }

    private static (Column? Sort, bool IsDescending) ReadSort(ResourceModel resource, string? text, InputFaults faults)
    {
        if (text is null)
            return (null, false);
        var isDescending = text.StartsWith('-');
        var name = isDescending ? text[1..] : text;
        if (name == resource.Table.Key.Member.Name)
            return (null, isDescending);
        if (resource.Sorts.FirstOrDefault(column => column.Member.Name == name) is { } sort)
            return (sort, isDescending);
        var accepted = resource.Sorts.Select(column => column.Member.Name).Prepend(resource.Table.Key.Member.Name).ToArray();
        faults.Add(FieldError.In("sort", "unknown", $"Expected one of {string.Join(", ", accepted)}, with '-' in front for descending.{Suggestion.For(name, accepted)}"));
        return (null, false);
    }

    private static (object? Value, Guid Id) ReadCursor(string text, CursorCodec cursors, byte[] binding, Column? sort)
    {
        object? value = null;
        if (!cursors.TryOpen(text, out var payload))
            throw ProblemCatalogue.InvalidCursor.Because("The cursor was not made by this server, or it was changed. Take it unchanged from meta.nextCursor, or start without one.");
        if (Position.Unpack(payload, binding) is not { } position || (sort is not null && !sort.Member.Scalar!.TryParse(position.Value, out value)))
            throw ProblemCatalogue.InvalidCursor.Because("The cursor belongs to another list, filter, sort or caller. Repeat the request it came from with only the cursor added, or start without one.");
        return (value, position.Id);
    }
}
