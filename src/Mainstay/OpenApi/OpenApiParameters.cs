using System.Text.Json.Nodes;

namespace Mainstay.Internal;

/// <summary>What an operation takes beside its body: path, query string and headers.</summary>
internal sealed class OpenApiParameters(OpenApiComponents components, IReadOnlyList<ResourceModel> resources, TimeSpan keyLifetime)
{
    // One quoted string, or the same without quotes where no character needs them.
    private const string KeyPattern = """^("([ !#-\[\]-~]|\\["\\]){1,255}"|[!#-+\--:<-\[\]-~]{1,255})$""";

    /// <summary>base64url.</summary>
    public const string CursorPattern = "^[A-Za-z0-9_-]+$";

    private readonly OpenApiExamples _examples = new(components);

    public IEnumerable<JsonNode> Of(Operation operation) => [.. Path(operation).Select(WithExample), .. Query(operation).Select(WithExample), .. Headers(operation)];

    /// <summary>Where neither the type nor a default shows what to send. In the schema: documentation pages send examples of parameters that nobody has filled in.</summary>
    private JsonObject WithExample(JsonObject parameter)
    {
        if (parameter["schema"] is JsonObject schema && schema["examples"] is null && schema["default"] is null && schema["enum"] is null && _examples.TryMake(schema, out var example))
            schema["examples"] = new JsonArray(example);
        return parameter;
    }

    private static IEnumerable<JsonObject> Path(Operation operation) => operation switch
    {
        ListOperation { Parent: { } parent } => [PathId("parentId", parent.Resource)],
        CreateOperation { Parent: { } parent } => [PathId("parentId", parent.Resource)],
        GetOperation get => [PathId("id", get.Resource)],
        ReplaceOperation replace => [PathId("id", replace.Resource)],
        PatchOperation patch => [PathId("id", patch.Resource)],
        DeleteOperation delete => [PathId("id", delete.Resource)],
        OperationStatusQuery or OperationResultQuery or OperationCancelCommand => [OperationId()],
        DeclaredCommand command => command.Input.RouteMembers.Select(PathMember),
        DeclaredQuery query => query.Input.RouteMembers.Select(PathMember),
        _ => [],
    };

    private IEnumerable<JsonObject> Query(Operation operation) => operation switch
    {
        ListOperation list => [.. list.Resource.Filters.SelectMany(Filters), Sort(list.Resource), Page("pageSize"), Page("cursor"), .. Chosen(list.Resource), .. Representation(list.Resource)],
        GetOperation get => Representation(get.Resource),
        DeclaredCommand command => command.Input.QueryMembers.Select(QueryMember),
        DeclaredQuery query => query.Input.QueryMembers.Select(QueryMember),
        _ => [],
    };

    private IEnumerable<JsonObject> Headers(Operation operation)
    {
        if (operation.IsCommand)
            yield return Shared(operation.RequiresKey ? "IdempotencyKeyRequired" : "IdempotencyKey", "Idempotency-Key", $"Makes repeating the request safe for {Span(keyLifetime)}: it is applied once, and a repetition gets the first answer; afterwards the key starts afresh. Any string that is new for each change, best a UUID. {(operation.RequiresKey ? "A request without one is refused with 400." : "Callers without a credential have no keys; theirs are not kept.")}",
                new JsonObject { ["type"] = "string", ["pattern"] = KeyPattern, ["minLength"] = 1, ["maxLength"] = 512, ["examples"] = new JsonArray("\"8e03978e-40d5-43dd-bc93-6894a57f9324\"") });
        foreach (var condition in Conditions(operation))
            yield return condition;
        if (operation is LongRunningCommand)
            yield return Shared("PreferAsync", "Prefer", "`respond-async` for 202 at once. `wait=5` to wait up to so many seconds, and up to the time limit of the request, for the final answer.", HeaderText("wait=5", "respond-async"));
        else if (OpenApiAnswers.PrefersReturn(operation))
            yield return Shared("Prefer", "Prefer", "`return=minimal` for an answer without a body: 204 in place of 200, and 201 with `Location` alone.", HeaderText("return=minimal", "return=representation"));
        yield return Shared("RequestId", "Request-Id", "The caller's own id of the request, for logs on both sides. One that is not 8 to 64 letters, digits, `.`, `_`, `-` is replaced.", HeaderText("req_01h455vb4pex5vsknk084sn02q"));
    }

    /// <summary>Where there is a state to speak of: of a representation that is read, of a row that is changed.</summary>
    private IEnumerable<JsonObject> Conditions(Operation operation)
    {
        if (operation is ListOperation or GetOperation or OperationStatusQuery)
        {
            yield return Shared("IfNoneMatch", "If-None-Match", "The `ETag` of an earlier answer; when nothing is new, the answer is 304 without a body.", HeaderText(OpenApiScalars.ETagExample, "*"));
            yield return Shared("IfMatchOfRead", "If-Match", "The `ETag` of an earlier answer; when something is new, the answer is 412.", HeaderText(OpenApiScalars.ETagExample, "*"));
        }
        else if (operation is ReplaceOperation or PatchOperation or DeleteOperation || AnswersRow(operation))
        {
            yield return operation is ResourceCommand { Resource.RequiresIfMatch: true }
                ? Shared("IfMatchRequired", "If-Match", "The `ETag` of the representation that is changed; another one is refused with 412, none with 428.", HeaderText(OpenApiScalars.ETagExample, "*"))
                : Shared("IfMatch", "If-Match", "The `ETag` of the representation that is changed; when the row has changed since, it is refused with 412. Without it the last writer wins.", HeaderText(OpenApiScalars.ETagExample, "*"));
            yield return Shared("IfNoneMatchOfChange", "If-None-Match", "The `ETag` of a state that the row must not be in; when it is, the change is refused with 412.", HeaderText(OpenApiScalars.ETagExample, "*"));
        }
    }

    /// <summary>The conditions of a command are about the row in its answer.</summary>
    private bool AnswersRow(Operation operation) => operation is DeclaredCommand and not LongRunningCommand && resources.Any(resource => resource.Table.RowType == ((DeclaredCommand)operation).Declaration.Handler.Result);

    private static JsonObject PathId(string name, ResourceModel resource) => new()
    {
        ["name"] = name,
        ["in"] = "path",
        ["required"] = true,
        ["description"] = $"The id of one of {OpenApiNames.Words(resource.Name)}.",
        ["schema"] = OpenApiScalars.OfType(resource.Table.Key.Member.Scalar!, Member.DefaultTextMost),
    };

    private static JsonObject OperationId() => new() { ["name"] = "id", ["in"] = "path", ["required"] = true, ["description"] = "The id of an operation of the caller's own.", ["schema"] = OpenApiLongRunning.Id() };

    private static JsonObject PathMember(Member member) => new()
    {
        ["name"] = member.Name,
        ["in"] = "path",
        ["required"] = true,
        ["description"] = $"{Capital(member.Scalar!.Expected)}.",
        ["schema"] = OpenApiScalars.OfMember(member, Direction.Input),
    };

    private static JsonObject QueryMember(Member member)
    {
        var schema = OpenApiScalars.OfMember(member, Direction.Input);
        if (OpenApiScalars.DefaultOf(member) is { } value)
            schema["default"] = value;
        return Parameter(member.Name, $"{Capital(member.Scalar!.Expected)}.", schema, member.IsRequired);
    }

    private static IEnumerable<JsonObject> Filters(Column column) => ListQuery.OperatorsOf(column).Select(filter =>
    {
        var name = ListQuery.ParameterName(column, filter);
        var member = $"`{column.Member.Name}`";
        var value = OpenApiScalars.OfType(column.Member.Scalar!, column.Member.LengthMost ?? Member.DefaultTextMost);
        return filter switch
        {
            "eq" => Parameter(name, $"Only rows whose {member} is this.", value),
            "in" => List(name, $"Only rows whose {member} is one of these, separated by commas.", new JsonObject { ["type"] = "array", ["minItems"] = 1, ["maxItems"] = ListQuery.ValuesMost, ["items"] = value.DeepClone() }),
            "null" => Parameter(name, $"`true`: only rows without {member}. `false`: only rows with one.", new JsonObject { ["type"] = "boolean" }),
            _ => Parameter(name, $"Only rows whose {member} is {Comparison(filter)} this.", value),
        };
    });

    private static string Comparison(string filter) => filter switch { "gt" => "greater than", "gte" => "greater than or equal to", "lt" => "less than", _ => "less than or equal to" };

    private static JsonObject Sort(ResourceModel resource)
    {
        var names = resource.Sorts.Select(column => column.Member.Name).Prepend(resource.Table.Key.Member.Name).Distinct();
        return Parameter("sort", $"The order, with `-` in front for descending. Rows with equal values are ordered by `id`.{(resource.Sorts.Any(column => column.Member.IsNullable) ? " Rows without a value come last, and first when descending." : "")} Default: {(resource.Search is null ? "" : "the best first when there is a `search`, else ")}`id`, the order of creation.",
            new JsonObject { ["type"] = "string", ["enum"] = new JsonArray([.. names.SelectMany(name => new[] { name, "-" + name }).Select(name => JsonValue.Create(name))]), ["default"] = resource.Table.Key.Member.Name });
    }

    /// <summary>What lists take because their resource has chosen it.</summary>
    private IEnumerable<JsonObject> Chosen(ResourceModel resource)
    {
        if (resource.HasPageNumbers)
            yield return components.Ref("parameters", "Page", () => Parameter("page", $"The number of the page instead of a `cursor`, up to row {ListQuery.CountMost}. Rows that come and go meanwhile may repeat or hide others.",
                new JsonObject { ["type"] = "integer", ["format"] = "int32", ["minimum"] = 1, ["maximum"] = ListQuery.CountMost }));
        if (resource.HasCounts)
            yield return components.Ref("parameters", "Count", () => Parameter("count", "Whether `meta.totalCount` tells how many rows there are on all pages together.", new JsonObject { ["type"] = "boolean", ["default"] = false }));
        if (resource.Search is { } search)
            yield return Parameter("search", $"Only rows with these words in {string.Join(", ", search.Columns.Select(column => $"`{column.Member.Name}`"))}. `\"two words\"` stand together, `or` means either, `-word` must not be there.{(search.Language == SearchLanguage.Simple ? "" : $" Words are compared as {search.Language} ones.")}",
                new JsonObject { ["type"] = "string", ["minLength"] = 1, ["maxLength"] = ListQuery.SearchMost, ["pattern"] = "\\S", ["examples"] = new JsonArray("black tea -decaf") });
    }

    private JsonObject Page(string name) => components.Ref("parameters", name == "cursor" ? "Cursor" : "PageSize", () => name == "cursor"
        ? Parameter(name, "`meta.nextCursor` of the page before, unchanged, with all other parameters as they were.",
            new JsonObject { ["type"] = "string", ["pattern"] = CursorPattern, ["minLength"] = 1, ["maxLength"] = CursorCodec.LengthMost, ["examples"] = new JsonArray("AWhlcmU") })
        : Parameter(name, "The most rows on a page.",
            new JsonObject { ["type"] = "integer", ["format"] = "int32", ["minimum"] = 1, ["maximum"] = ListQuery.PageSizeMost, ["default"] = ListQuery.DefaultPageSize }));

    private static IEnumerable<JsonObject> Representation(ResourceModel resource)
    {
        yield return List("fields", "Only these members, separated by commas. Default: all.", Names(resource.Table.Columns.Select(column => column.Member.Name)));
        if (resource.Includes.Count > 0)
            yield return List("include", "What is shown beside each row, separated by commas, as far as the caller may see it.", Names(resource.Includes.Select(include => include.Name)));
    }

    private static JsonObject Names(IEnumerable<string> names)
    {
        var known = names.Distinct().ToArray();
        return new JsonObject
        {
            ["type"] = "array",
            ["minItems"] = 1,
            ["maxItems"] = known.Length,
            ["uniqueItems"] = true,
            ["items"] = new JsonObject { ["type"] = "string", ["enum"] = new JsonArray([.. known.Select(name => JsonValue.Create(name))]) },
        };
    }

    private static JsonObject Parameter(string name, string description, JsonObject schema, bool isRequired = false)
    {
        var parameter = new JsonObject { ["name"] = name, ["in"] = "query", ["description"] = description };
        if (isRequired)
            parameter["required"] = true;
        parameter["schema"] = schema;
        return parameter;
    }

    private static JsonObject List(string name, string description, JsonObject schema)
    {
        var parameter = Parameter(name, description, schema);
        parameter["style"] = "form";
        parameter["explode"] = false;
        return parameter;
    }

    private JsonObject Shared(string component, string name, string description, JsonObject schema) => components.Ref("parameters", component, () =>
    {
        var parameter = new JsonObject { ["name"] = name, ["in"] = "header", ["description"] = description };
        if (component is "IfMatchRequired" or "IdempotencyKeyRequired")
            parameter["required"] = true;
        parameter["schema"] = schema;
        return parameter;
    });

    private static JsonObject HeaderText(params string[] examples) => new() { ["type"] = "string", ["pattern"] = OpenApiScalars.HeaderText, ["maxLength"] = OpenApiScalars.HeaderTextMost, ["examples"] = new JsonArray([.. examples.Select(example => JsonValue.Create(example))]) };

    private static string Span(TimeSpan time) => time.Ticks % TimeSpan.TicksPerHour == 0 ? $"{time.TotalHours:0} hours" : $"{time.TotalMinutes:0} minutes";

    private static string Capital(string text) => char.ToUpperInvariant(text[0]) + text[1..];
}
