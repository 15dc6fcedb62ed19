using System.Text.Json.Nodes;

namespace Mainstay.Internal;

/// <summary>
/// What operations are called in the document. Ids are made from methods, paths and the names of row types: <c>listProducts</c>,
/// <c>cancelOrder</c>. Generated clients name their methods after them, so a change here breaks callers of those.
/// </summary>
internal sealed class OpenApiNames
{
    private readonly Dictionary<Operation, string> _ids = [];
    private readonly IReadOnlyList<Operation> _operations;
    private readonly IReadOnlyList<ResourceModel> _resources;

    public OpenApiNames(IReadOnlyList<Operation> operations, IReadOnlyList<ResourceModel> resources)
    {
        (_operations, _resources) = (operations, resources);
        var taken = new HashSet<string>(StringComparer.Ordinal);
        foreach (var operation in operations)
        {
            // Routes are unique, so the long name made of method and path is too, apart from characters that ids do not have.
            var id = taken.Add(Short(operation)) ? Short(operation) : Long(operation);
            for (var number = 2; id != Short(operation) && !taken.Add(id); number++)
                id = Long(operation) + number;
            _ids[operation] = id;
        }
    }

    public string Id(Operation operation) => _ids[operation];

    public string Summary(Operation operation) => operation switch
    {
        ListOperation { Parent: null } list => $"List {Words(list.Resource.Name)}",
        ListOperation { Parent: { } parent } list => $"List the {Words(list.Resource.Name)} of {WithArticle(parent.Resource)}",
        GetOperation get => $"Get {WithArticle(get.Resource)}",
        CreateOperation { Parent: null } create => $"Create {WithArticle(create.Resource)}",
        CreateOperation { Parent: { } parent } create => $"Create {WithArticle(create.Resource)} of {WithArticle(parent.Resource)}",
        BulkCreateOperation bulk => $"Create several {Words(bulk.Resource.Name)}",
        BulkPatchOperation bulk => $"Change several {Words(bulk.Resource.Name)}",
        BulkDeleteOperation bulk => $"Delete several {Words(bulk.Resource.Name)}",
        ReplaceOperation replace => $"Replace {WithArticle(replace.Resource)}",
        PatchOperation patch => $"Change {WithArticle(patch.Resource)}",
        DeleteOperation delete => $"Delete {WithArticle(delete.Resource)}",
        OperationStatusQuery => "Get an operation",
        OperationResultQuery => "Get the result of an operation",
        OperationCancelCommand => "Cancel an operation",
        DeclaredCommand { Declaration.SummaryText: { } text } => text,
        DeclaredQuery { Declaration.SummaryText: { } text } => text,
        _ => Words(Id(operation)) is var words ? char.ToUpperInvariant(words[0]) + words[1..] : "",
    };

    public static string Description(Operation operation) => $"{What(operation)} Allowed: {operation.Policy.Describe()}. Takes at most {Seconds(operation.Timeout)}.".TrimStart();

    /// <summary>The resource's name, or the first segment of the path behind the version.</summary>
    public string Tag(Operation operation) => ResourceOf(operation)?.Name
        ?? Segments(operation.Pattern).FirstOrDefault(segment => !segment.StartsWith('{'))?.Split(':')[0] ?? "root";

    public IEnumerable<JsonNode> Tags() => _operations.Select(Tag).Distinct().Order(StringComparer.Ordinal).Select(tag => new JsonObject
    {
        ["name"] = tag,
        ["description"] = _resources.Where(resource => resource.Name == tag).Select(DescriptionOf).ToArray() is { Length: > 0 } texts ? string.Join(' ', texts) : $"Operations of {Words(tag)}.",
    });

    /// <summary>The name of a type in the document.</summary>
    public static string Of(Type type)
    {
        if (type.Name.StartsWith('<'))
            return "Result";
        var name = type.IsGenericType ? type.Name[..type.Name.IndexOf('`', StringComparison.Ordinal)] + "Of" + string.Concat(type.GetGenericArguments().Select(Of)) : type.Name;
        return type.IsArray ? Of(type.GetElementType()!) + "List" : name;
    }

    /// <summary><c>PurchaseOrder</c> and <c>purchase-orders</c> in words.</summary>
    public static string Words(string name) => SqlName.SnakeCase(name.Replace('-', '_')).Replace('_', ' ');

    private string Short(Operation operation) => operation switch
    {
        ListOperation list => $"list{ParentOf(list.Parent)}{Pascal(list.Resource.Name)}",
        GetOperation get => $"get{Of(get.Resource.Table.RowType)}",
        CreateOperation create => $"create{ParentOf(create.Parent)}{Of(create.Resource.Table.RowType)}",
        BulkCreateOperation bulk => $"create{Pascal(bulk.Resource.Name)}",
        BulkPatchOperation bulk => $"update{Pascal(bulk.Resource.Name)}",
        BulkDeleteOperation bulk => $"delete{Pascal(bulk.Resource.Name)}",
        ReplaceOperation replace => $"replace{Of(replace.Resource.Table.RowType)}",
        PatchOperation patch => $"update{Of(patch.Resource.Table.RowType)}",
        DeleteOperation delete => $"delete{Of(delete.Resource.Table.RowType)}",
        OperationStatusQuery => "getOperation",
        OperationResultQuery => "getOperationResult",
        OperationCancelCommand => "cancelOperation",
        _ => OfDeclared(operation),
    };

    /// <summary><c>POST /v1/orders</c> is createOrder, <c>POST /v1/orders/{id}/cancel</c> is cancelOrder; the rest is method and path.</summary>
    private string OfDeclared(Operation operation)
    {
        var resource = _resources.FirstOrDefault(resource => operation.Pattern == resource.Path || operation.Pattern.StartsWith(resource.Path + "/{", StringComparison.Ordinal));
        if (resource is null || operation.Method != "POST")
            return Long(operation);
        var row = Of(resource.Table.RowType);
        var rest = operation.Pattern[resource.Path.Length..].Split('/', StringSplitOptions.RemoveEmptyEntries);
        return rest switch
        {
            [] => $"create{row}",
            [_, var verb] when !verb.StartsWith('{') => Camel(verb) + row,
            _ => Long(operation),
        };
    }

    private static string Long(Operation operation) => operation.Method.ToLowerInvariant()
        + string.Concat(Segments(operation.Pattern).Select(segment => segment.StartsWith('{') ? "By" + Pascal(segment.Trim('{', '}')) : Pascal(segment)));

    private static IEnumerable<string> Segments(string pattern) =>
        pattern.Split('/', StringSplitOptions.RemoveEmptyEntries).Skip(ApiVersions.Of(pattern) is null ? 0 : 1);

    private static string ParentOf(NestedParent? parent) => parent is null ? "" : Of(parent.Resource.Table.RowType);

    private static string Pascal(string segment) => string.Concat(segment.Split('-', ':').Select(word => char.ToUpperInvariant(word[0]) + word[1..]));

    private static string Camel(string segment) => Pascal(segment) is var pascal ? char.ToLowerInvariant(pascal[0]) + pascal[1..] : "";

    private static string WithArticle(ResourceModel resource)
    {
        var words = Words(Of(resource.Table.RowType));
        return ("aeiou".Contains(words[0], StringComparison.Ordinal) ? "an " : "a ") + words;
    }

    private static string What(Operation operation) => operation switch
    {
        ListOperation => "One page of the rows that the caller may see, in the order of `sort` and then of `id`.",
        BulkCreateOperation => "All of them or none, in one transaction.",
        BulkPatchOperation => "All of them or none, in one transaction. Each element is a JSON merge patch of the row that its `id` names; with `ifMatch`, only if the row is still in that state.",
        BulkDeleteOperation => "All of them or none, in one transaction. Gone for good.",
        ReplaceOperation => "Members that are left out get their default. Members that the server sets may be sent back unchanged.",
        PatchOperation => "JSON merge patch (RFC 7396): absent members stay, `null` removes, everything else replaces.",
        DeleteOperation => "Gone for good.",
        LongRunningCommand command => $"Accepted at once and done afterwards within {Seconds(command.Within)}, in one transaction: either everything it does happens, or nothing. What it answers then, and what it refuses, is kept with the operation.",
        DeclaredCommand => "One transaction: either everything it does happens, or nothing.",
        OperationStatusQuery => "Only the caller who started it sees it, for a day after its end or longer.",
        OperationResultQuery => "The answer that the command would have given, had the caller waited; for a created row, the way to it.",
        OperationCancelCommand => "What has not been committed by then never is.",
        DeclaredQuery => "Reads one consistent view of the data.",
        _ => "",
    };

    private static string DescriptionOf(ResourceModel resource)
    {
        var verbs = resource.Policies.Select(pair => (Verb: pair.Verb["Allow".Length..].ToLowerInvariant(), pair.Policy)).GroupBy(pair => pair.Policy.Describe())
            .Select(group => $"{string.Join(", ", group.Select(pair => pair.Verb))}: {group.Key}");
        return $"The {Words(resource.Name)} under `{resource.Path}`. Who may what – {string.Join("; ", verbs)}.";
    }

    private static string Seconds(TimeSpan timeout) => $"{timeout.TotalSeconds.ToString(System.Globalization.CultureInfo.InvariantCulture)} s";

    private static ResourceModel? ResourceOf(Operation operation) => operation switch
    {
        ListOperation list => list.Resource,
        GetOperation get => get.Resource,
        ResourceCommand command => command.Resource,
        _ => null,
    };
}
