using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Mainstay.Internal;

/// <summary>Everything an operation can answer: its results with their headers, and a problem document for every status it can refuse with.</summary>
internal sealed class OpenApiAnswers(OpenApiComponents components, OpenApiProblems problems, WireFormat format, IReadOnlyList<ResourceModel> resources)
{
    /// <summary>On every answer where operators set a default limit, so in every document.</summary>
    private static readonly string[] limited = ["RateLimit", "RateLimitPolicy"];

    /// <summary>On every answer where operators let pages of other origins in, so in every document.</summary>
    private static readonly string[] ofOrigin = ["Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "VaryWherePresent"];

    /// <summary>On every answer whose body may come in a content coding.</summary>
    private static readonly string[] negotiated = ["ContentEncoding"];

    private static readonly HashSet<int> kept = [400, 404, 409, 410, 422];

    // On every answer that names them; the others are there when there is something to say.
    private static readonly HashSet<string> alwaysThere = ["CacheControl", "ETag", "Location", "RequestId", "Vary", "WWWAuthenticate"];

    /// <summary>How the application writes refusals when it is not the default.</summary>
    private readonly JsonObject? _ownProblem = format.ProblemSchema();

    private readonly OpenApiExamples _examples = new(components);

    public static JsonObject RequestId() => new() { ["type"] = "string", ["pattern"] = "^[A-Za-z0-9._-]{8,64}$", ["minLength"] = 8, ["maxLength"] = 64, ["examples"] = new JsonArray("req_01h455vb4pex5vsknk084sn02q") };

    private readonly OpenApiLongRunning _longRunning = new(components);

    public JsonObject Of(Operation operation, OpenApiSchemas schemas)
    {
        var answers = new JsonObject();
        foreach (var (status, answer) in Results(operation, schemas))
            answers[status] = answer;
        if (PrefersReturn(operation))
            AddPreferred(answers);
        foreach (var group in problems.Of(operation).GroupBy(format.StatusOf))
            answers[group.Key.ToString(CultureInfo.InvariantCulture)] = Refusal(operation, group.Key, [.. group]);
        answers["default"] = operation.Deprecation is null ? components.Ref("responses", "Problem", OfServer) : OfServer();
        return answers;
    }

    /// <summary>With codes, so that what clients get is one of them whatever the status: generated types of all refusals together are then exact.</summary>
    private JsonObject OfServer() => Problem("What the server or a proxy refuses before it is known which operation is meant, for example 408, 414, 431 or 502. From this server it is a problem document; a proxy may send something else.",
        [ProblemCatalogue.RequestTimeout, ProblemCatalogue.BodyTooLarge, ProblemCatalogue.UriTooLong, ProblemCatalogue.HeadersTooLarge, ProblemCatalogue.UnsupportedTransferCoding, ProblemCatalogue.HttpVersionNotSupported],
        ["CacheControl", "RequestId"]);

    /// <summary>Whether <c>Prefer: return=minimal</c> changes what is answered: where there is something to leave out.</summary>
    public static bool PrefersReturn(Operation operation) => operation switch
    {
        DeleteOperation or BulkDeleteOperation or LongRunningCommand => false,
        DeclaredCommand command => command.Declaration.Handler.Result is not null,
        _ => operation.IsCommand,
    };

    /// <summary>With <c>return=minimal</c> 204 takes the place of 200, and 201 comes without a body.</summary>
    private static void AddPreferred(JsonObject answers)
    {
        if (answers["201"] is JsonObject created)
            created["description"] = $"{created["description"]} Without a body after `Prefer: return=minimal`.";
        if (answers["200"] is not JsonObject done)
            return;
        if (answers["204"] is not JsonObject empty)
            answers["204"] = empty = new JsonObject { ["description"] = "Done, and not shown, as `Prefer: return=minimal` asks for.", ["headers"] = new JsonObject() };
        else
            empty["description"] = $"{empty["description"]} Also in place of 200 after `Prefer: return=minimal`.";
        // All that 200 has, except what speaks of a body.
        foreach (var (name, header) in done["headers"]!.AsObject().Where(header => header.Key != "Content-Encoding"))
            empty["headers"]![name] = header!.DeepClone();
    }

    private IEnumerable<(string Status, JsonObject Answer)> Results(Operation operation, OpenApiSchemas schemas)
    {
        switch (operation)
        {
            case ListOperation list:
                yield return ("200", Result("One page.", Envelope(operation, ListOf(schemas.RowOrPart(list.Resource), ListQuery.PageSizeMost), PageMeta(list.Resource)), ["ETag", "Link", "CacheControl", "Vary"], operation));
                yield return ("304", NotModified(operation));
                break;
            case GetOperation get:
                yield return ("200", Result("The row.", Envelope(operation, schemas.RowOrPart(get.Resource), "ReadMeta"), ["ETag", "CacheControl", "Vary"], operation));
                yield return ("304", NotModified(operation));
                break;
            case CreateOperation create:
                yield return ("201", Result("Created.", Envelope(operation, schemas.Row(create.Resource), "CommandMeta"), ["Location", "ETag", "CacheControl"], operation));
                break;
            case BulkCreateOperation bulk:
                yield return ("201", Result("All of them created.", Envelope(operation, ListOf(schemas.Row(bulk.Resource), BatchCommand.RowsMost), "CommandBatchMeta"), ["CacheControl"], operation));
                break;
            case BulkPatchOperation bulk:
                yield return ("200", Result("The rows as they are now, in the order of the elements.", Envelope(operation, ListOf(schemas.Row(bulk.Resource), BatchCommand.RowsMost), "CommandBatchMeta"), ["CacheControl"], operation));
                break;
            case BulkDeleteOperation:
                yield return ("204", Result("All of them deleted.", null, ["CacheControl"], operation));
                break;
            case ReplaceOperation replace:
                yield return ("200", Result("The row as it is now. Read it for its `ETag`.", Envelope(operation, schemas.Row(replace.Resource), "CommandMeta"), ["CacheControl"], operation));
                break;
            case PatchOperation patch:
                yield return ("200", Result("The row as it is now.", Envelope(operation, schemas.Row(patch.Resource), "CommandMeta"), ["ETag", "CacheControl"], operation));
                break;
            case DeleteOperation:
                yield return ("204", Result("Deleted.", null, ["CacheControl"], operation));
                break;
            case OperationStatusQuery:
                yield return ("200", Result("How the operation stands, and what came of it.", Envelope(operation, _longRunning.Operation(ProblemReference()), "ReadMeta"), ["ETag", "CacheControl", "Vary", "RetryAfter"], operation));
                yield return ("304", Result("Nothing is new since the answer with that `ETag`.", null, ["ETag", "CacheControl", "Vary", "RetryAfter"], operation));
                break;
            case OperationResultQuery:
                yield return ("200", Result("The answer of the command.", new JsonObject { ["description"] = "What the command documents as its result." }, ["CacheControl", "ETagOfChange"], operation));
                yield return ("304", NotModified(operation));
                yield return ("204", Result("The command has succeeded and shows nothing.", null, ["CacheControl"], operation));
                yield return ("303", Result("The command has created the row at `Location`.", null, ["Location", "CacheControl"], operation));
                break;
            case OperationCancelCommand:
                yield return ("200", Result("Cancelled before it began.", Envelope(operation, _longRunning.Operation(ProblemReference()), "CommandMeta"), ["CacheControl"], operation));
                yield return ("202", _longRunning.WithLinks(Result("It is running and will be cancelled; nothing of it will be seen.", Envelope(operation, _longRunning.Operation(ProblemReference()), "CommandMeta"), ["Location", "RetryAfter", "CacheControl"], operation)));
                break;
            case LongRunningCommand command:
                yield return ("202", _longRunning.WithLinks(Result("Accepted. It is done afterwards; `Location` tells how it stands.", Envelope(operation, _longRunning.Operation(ProblemReference()), "CommandMeta"), ["Location", "RetryAfter", "PreferenceApplied", "CacheControl"], operation)));
                foreach (var answer in OfHandler(command, command.Declaration.Handler, schemas, ["PreferenceApplied"]))
                    yield return answer;
                break;
            case DeclaredCommand command:
                foreach (var answer in OfHandler(command, command.Declaration.Handler, schemas))
                    yield return answer;
                break;
            case DeclaredQuery query:
                foreach (var answer in OfHandler(query, query.Declaration.Handler, schemas))
                    yield return answer;
                break;
        }
    }

    /// <summary>A row that the command has inserted is 201 with its location; no value is 204 for a command and 404 for a query.</summary>
    private IEnumerable<(string Status, JsonObject Answer)> OfHandler(Operation operation, Handler handler, OpenApiSchemas schemas, params string[] more)
    {
        if (handler.Result is { } type)
            foreach (var answer in OfResult(operation, type, schemas, more))
                yield return answer;
        if (operation.IsCommand && handler.MayReturnNull)
            yield return ("204", Result("Done; there is nothing to show.", null, ["CacheControl", .. more], operation));
    }

    private IEnumerable<(string Status, JsonObject Answer)> OfResult(Operation operation, Type type, OpenApiSchemas schemas, string[] more)
    {
        var (schema, isList) = schemas.Result(type);
        var data = isList ? ListOf(schema, OperationDefaults.AnswerElementsMost) : schema;
        var isRow = schemas.ResourceOf(type) is not null && operation.IsCommand;
        var meta = (operation.IsCommand, isList) switch { (true, true) => "CommandListMeta", (true, false) => "CommandMeta", (false, true) => "ListMeta", _ => "ReadMeta" };
        string[] headers = [.. isRow ? ["ETagOfChange"] : Array.Empty<string>(), "CacheControl", .. more];
        yield return ("200", Result(isRow ? "Done; the row as it is now." : "Done.", Envelope(operation, (JsonObject)data.DeepClone(), meta), headers, operation));
        if (isRow && operation is DeclaredCommand { NamesRow: false })
            yield return ("201", Result("Done; the row is new.", Envelope(operation, (JsonObject)data.DeepClone(), meta), ["Location", .. headers], operation));
    }

    private JsonObject Result(string description, JsonObject? schema, string[] headers, Operation operation)
    {
        var answer = new JsonObject { ["description"] = description, ["headers"] = Headers([.. headers.Union(schema is null ? [] : negotiated), "RequestId", .. limited, .. PrefersReturn(operation) ? ["PreferenceApplied"] : Array.Empty<string>(), .. operation.IsCommand ? ["IdempotencyReplayed"] : Array.Empty<string>()]) };
        if (schema is not null)
            answer["content"] = new JsonObject { [WireFormat.Json] = new JsonObject { ["schema"] = schema } };
        if (schema is not null && _examples.TryMake(schema, out var example))
            answer["content"]![WireFormat.Json]!["examples"] = new JsonObject { ["example"] = new JsonObject { ["value"] = example } };
        return answer;
    }

    private JsonObject NotModified(Operation operation)
    {
        JsonObject Write() => new()
        {
            ["description"] = "Nothing is new since the answer with that `ETag`.",
            ["headers"] = Headers(["ETag", "CacheControl", "Vary", "RequestId", .. operation is ListOperation ? ["Link"] : Array.Empty<string>(), .. limited]),
        };
        return operation.Deprecation is null ? components.Ref("responses", operation is ListOperation ? "PageNotModified" : "NotModified", Write) : Write();
    }

    private JsonObject Refusal(Operation operation, int status, ProblemType[] types)
    {
        string[] headers =
        [
            "CacheControl",
            "RequestId",
            .. status < 500 ? limited : [],
            .. operation.IsCommand && kept.Contains(status) ? ["IdempotencyReplayed"] : Array.Empty<string>(),
            .. operation.IsCommand && status is (400 or 422) ? ["DescribedBy"] : Array.Empty<string>(),
            .. status is 409 or 429 or 503 ? ["RetryAfter"] : Array.Empty<string>(),
            .. operation is LongRunningCommand ? ["PreferenceApplied"] : Array.Empty<string>(),
            .. status switch { 401 => ["WWWAuthenticate"], 415 => ["Accept", "AcceptPost", "AcceptPatch", "AcceptEncoding"], _ => Array.Empty<string>() },
        ];
        // One code is described once for all operations; several belong to this operation, and so does what has headers that others do not.
        return types is [var only] && ProblemCatalogue.All.Contains(only) && operation is not LongRunningCommand && operation.Deprecation is null
            ? components.Ref("responses", Pascal(only.Code) + (operation.IsCommand && kept.Contains(status) ? "OfCommand" : ""), () => Problem($"`{only.Code}`: {only.Title}.", types, headers))
            : Problem(string.Join("\n", types.Select(type => $"- `{type.Code}`: {type.Title}.")), types, headers);
    }

    private JsonObject Problem(string description, ProblemType[] types, string[] headers)
    {
        var media = new JsonObject { ["schema"] = ProblemReference() };
        if (types.Length > 0)
        {
            if (_ownProblem is null)
                media["schema"] = new JsonObject { ["allOf"] = new JsonArray(ProblemReference(), new JsonObject
                {
                    ["properties"] = new JsonObject { ["code"] = new JsonObject { ["type"] = "string", ["enum"] = new JsonArray([.. types.Select(type => JsonValue.Create(type.Code))]) } },
                }) };
            media["examples"] = new JsonObject(types.Select(type => KeyValuePair.Create(type.Code, (JsonNode?)components.Ref("examples", type.Code, () => Example(type)))));
        }
        return new JsonObject { ["description"] = description, ["headers"] = Headers(headers), ["content"] = new JsonObject { [format.ProblemMediaType] = media } };
    }

    private JsonObject ProblemReference() => components.Ref("schemas", "Problem", () => _ownProblem?.DeepClone().AsObject() ?? ProblemSchema());

    /// <summary>A refusal of this kind as the application would write it, outside of any trace.</summary>
    private JsonObject Example(ProblemType type)
    {
        FieldError[] errors = type == ProblemCatalogue.ValidationFailed ? [FieldError.At("#/quantity", "range", "Expected at least 1 and at most 100, found 0.")]
            : type == ProblemCatalogue.InvalidParameter ? [FieldError.In("pageSize", "range", $"Expected an integer from 1 to {ListQuery.PageSizeMost}.")]
            : [];
        var traced = Activity.Current;
        Activity.Current = null;
        var answer = format.Problem(new ProblemException(type, "What happened this time, and what to do about it.", errors), "req_01h455vb4pex5vsknk084sn02q");
        Activity.Current = traced;
        return new JsonObject { ["summary"] = type.Title, ["value"] = JsonNode.Parse(answer.Body.Span) };
    }

    /// <summary>RFC 9457 with the members that every interface adds.</summary>
    private static JsonObject ProblemSchema()
    {
        static JsonObject Text(string description, int most) => new() { ["type"] = "string", ["pattern"] = OpenApiScalars.AnyText, ["maxLength"] = most, ["description"] = description };
        var error = new JsonObject
        {
            ["type"] = "object",
            ["required"] = new JsonArray("code", "detail"),
            ["properties"] = new JsonObject
            {
                ["pointer"] = Text("JSON Pointer into the body as a URI fragment, for example `#/items/0/quantity`. Where a name is too long to be quoted, the value that has it.", WireFormat.TextMost),
                ["parameter"] = Text("The name of the query parameter, when the fault is there.", WireFormat.TextMost),
                ["code"] = Text("The kind of fault: `required`, `type`, `range`, `maxLength`, `unknown` and so on.", 64),
                ["detail"] = Text("What was expected, for people.", WireFormat.TextMost),
            },
        };
        return new JsonObject
        {
            ["type"] = "object",
            ["description"] = "A refusal by RFC 9457. Branch on `code`; the texts are for people.",
            ["required"] = new JsonArray("type", "title", "status", "detail", "code", "requestId"),
            ["properties"] = new JsonObject
            {
                ["type"] = new JsonObject { ["type"] = "string", ["format"] = "uri-reference", ["maxLength"] = 200, ["description"] = "Leads to a page about this kind of problem." },
                ["title"] = Text("The kind of problem in words, the same every time.", 200),
                ["status"] = new JsonObject { ["type"] = "integer", ["format"] = "int32", ["minimum"] = 400, ["maximum"] = 599 },
                ["detail"] = Text("What happened this time, and what to do.", WireFormat.TextMost),
                ["code"] = new JsonObject { ["type"] = "string", ["pattern"] = "^[a-z][a-z0-9]*(-[a-z0-9]+)*$", ["maxLength"] = 100, ["description"] = "Stable; clients branch on it." },
                ["errors"] = new JsonObject { ["type"] = "array", ["minItems"] = 1, ["maxItems"] = InputFaults.Most, ["items"] = error, ["description"] = "Every fault of the input." },
                ["requestId"] = RequestId(),
                ["traceId"] = new JsonObject { ["type"] = "string", ["pattern"] = "^[0-9a-f]{32}$", ["minLength"] = 32, ["maxLength"] = 32 },
            },
        };
    }

    /// <summary>The default envelope, or the one that the application's wire format describes.</summary>
    private JsonObject Envelope(Operation operation, JsonObject data, string meta)
    {
        var subject = operation.SubjectOf(ResourceOf(operation));
        var own = meta switch
        {
            "ReadMeta" or "CommandMeta" => format.ItemSchema(subject, data),
            "ListMeta" or "CommandListMeta" or "CommandBatchMeta" => format.ListSchema(subject, data),
            _ => format.PageSchema(subject, data),
        };
        return own ?? new JsonObject
        {
            ["type"] = "object",
            ["required"] = new JsonArray("data", "meta"),
            ["properties"] = new JsonObject { ["data"] = data, ["meta"] = components.Ref("schemas", meta, () => Meta(meta)) },
        };
    }

    private ResourceModel? ResourceOf(Operation operation) => operation switch
    {
        ListOperation list => list.Resource,
        GetOperation get => get.Resource,
        ResourceCommand command => command.Resource,
        DeclaredCommand command => ResourceOf(command.Declaration.Handler),
        DeclaredQuery query => ResourceOf(query.Declaration.Handler),
        _ => null,
    };

    private ResourceModel? ResourceOf(Handler handler) => (handler.ElementOfResult ?? handler.Result) is { } type ? resources.FirstOrDefault(resource => resource.Table.RowType == type) : null;

    private static string PageMeta(ResourceModel resource) => resource.HasPageNumbers ? "NumberedPageMeta" : resource.HasCounts ? "CountedPageMeta" : "PageMeta";

    private static JsonObject Meta(string name)
    {
        var members = new JsonObject();
        if (name is "PageMeta" or "CountedPageMeta" or "NumberedPageMeta")
        {
            members["pageSize"] = new JsonObject { ["type"] = "integer", ["format"] = "int32", ["minimum"] = 1, ["maximum"] = ListQuery.PageSizeMost };
            members["nextCursor"] = new JsonObject { ["type"] = new JsonArray("string", "null"), ["pattern"] = OpenApiParameters.CursorPattern, ["maxLength"] = CursorCodec.LengthMost, ["examples"] = new JsonArray((JsonNode?)null), ["description"] = "Pass it as `cursor` for the next page; null on the last one." };
        }
        if (name is "ListMeta" or "CommandListMeta" or "CommandBatchMeta")
            members["count"] = new JsonObject { ["type"] = "integer", ["format"] = "int32", ["minimum"] = 0, ["maximum"] = OperationDefaults.AnswerElementsMost };
        if (name == "CommandBatchMeta")
            members["etags"] = ListOf(new JsonObject { ["type"] = "string", ["pattern"] = OpenApiScalars.HeaderText, ["maxLength"] = OpenApiScalars.HeaderTextMost, ["description"] = "The `ETag` of the row at the same place in `data`." }, BatchCommand.RowsMost);
        if (name.StartsWith("Command", StringComparison.Ordinal))
            members["requestId"] = RequestId();
        var schema = new JsonObject { ["type"] = "object", ["description"] = "About the answer. More members may come." };
        if (members.Count > 0)
            schema["required"] = new JsonArray([.. members.Select(member => JsonValue.Create(member.Key))]);
        // Present when asked for.
        if (name == "NumberedPageMeta")
        {
            members["page"] = new JsonObject { ["type"] = "integer", ["format"] = "int32", ["minimum"] = 1, ["maximum"] = ListQuery.CountMost, ["description"] = "The number of the page, when it was asked for by number." };
            members["totalPages"] = new JsonObject { ["type"] = "integer", ["format"] = "int32", ["minimum"] = 0, ["maximum"] = ListQuery.CountMost, ["description"] = "How many pages have numbers, when one was asked for by number." };
        }
        if (name is "CountedPageMeta" or "NumberedPageMeta")
        {
            members["totalCount"] = new JsonObject { ["type"] = "integer", ["format"] = "int32", ["minimum"] = 0, ["maximum"] = ListQuery.CountMost, ["description"] = "How many rows there are on all pages together, when that was asked for." };
            members["totalCountIsCapped"] = new JsonObject { ["type"] = "boolean", ["description"] = "`true`: counting ended at `totalCount`, and there are more." };
        }
        schema["properties"] = members;
        return schema;
    }

    private static JsonObject ListOf(JsonObject items, int most) => new() { ["type"] = "array", ["maxItems"] = most, ["items"] = items };

    /// <summary>Adds to every answer, none of which is shared, that an operation on its way out says so.</summary>
    public void Announce(JsonObject answers, Deprecation deprecation)
    {
        string[] names = ["Deprecation", .. deprecation.HasSunset ? ["Sunset"] : Array.Empty<string>(), .. deprecation.HasLinks ? ["DeprecationLink"] : Array.Empty<string>()];
        foreach (var headers in answers.Select(answer => answer.Value!["headers"]!.AsObject()))
            foreach (var (name, header) in Headers(names))
                headers[name] = header!.DeepClone();
    }

    private JsonObject Headers(IReadOnlyCollection<string> names) => new(names.Concat(ofOrigin).Where(name => name != "VaryWherePresent" || !names.Contains("Vary")).Select(name =>
    {
        var (header, description, schema) = Header(name);
        return KeyValuePair.Create(header, (JsonNode?)components.Ref("headers", name, () => alwaysThere.Contains(name)
            ? new JsonObject { ["description"] = description, ["required"] = true, ["schema"] = schema }
            : new JsonObject { ["description"] = description, ["schema"] = schema }));
    }));

    private static (string Name, string Description, JsonObject Schema) Header(string component)
    {
        static JsonObject Text(string example) => new() { ["type"] = "string", ["pattern"] = OpenApiScalars.HeaderText, ["maxLength"] = OpenApiScalars.HeaderTextMost, ["examples"] = new JsonArray(example) };
        return component switch
        {
            "ETag" => ("ETag", "Identifies these bytes, for `If-Match` and `If-None-Match`; a part of the row (`\"v7-3fa9c10e-f0.2\"`) and a content coding (`\"v7-3fa9c10e-br\"`) have others.", Text(OpenApiScalars.ETagExample)),
            "ETagOfChange" => ("ETag", "Identifies the state of the row after this change; absent when the command has not changed it.", Text(OpenApiScalars.ETagExample)),
            "ContentEncoding" => ("Content-Encoding", "The content coding that `Accept-Encoding` has led to; absent when there is none.", new JsonObject { ["type"] = "string", ["enum"] = new JsonArray(Compression.Brotli, Compression.Gzip) }),
            "Location" => ("Location", "The path of the new row.", Text("/v1/things/thing_01h455vb4pex5vsknk084sn02q")),
            "Link" => ("Link", "The next page as `rel=\"next\"`, absent on the last one; for a page asked for by number also `first`, `prev` and `last`.", Text("</v1/things?cursor=AWhlcmU>; rel=\"next\"")),
            "DescribedBy" => ("Link", "The page about the problem as `rel=\"describedby\"`, when the fault is in `Idempotency-Key`.", Text("</problems/invalid-idempotency-key>; rel=\"describedby\"")),
            "CacheControl" => ("Cache-Control", "Reads may be kept and asked for again with `If-None-Match`; changes and refusals are not kept.", Text("private, no-cache")),
            "Vary" => ("Vary", "The headers of the request that the answer depends on: who the caller is, and the codings that are accepted.", Text("Authorization, Accept-Encoding")),
            "Deprecation" => ("Deprecation", "Since when new clients should use something else: seconds since 1970, after an at sign.", Text("@1769817600")),
            "Sunset" => ("Sunset", "When the operation is gone.", Text("Tue, 31 Dec 2999 00:00:00 GMT")),
            "DeprecationLink" => ("Link", "A page about the deprecation, what takes its place, and the next page of a list as `rel=\"next\"`.", Text("</v2/things>; rel=\"successor-version\"")),
            "PreferenceApplied" => ("Preference-Applied", "The part of `Prefer` that was heeded.", Text("return=minimal")),
            "RetryAfter" => ("Retry-After", "Seconds after which trying again makes sense, where that is known.", new JsonObject { ["type"] = "integer", ["format"] = "int32", ["minimum"] = 0, ["maximum"] = WireFormat.RetryAfterMost, ["examples"] = new JsonArray(1) }),
            "RateLimit" => (RateLimitFields.Limit, "Where requests are limited: how many each policy leaves (`r`), and in how many seconds all are back (`t`).", Text("\"30/1m\";r=29;t=60")),
            "RateLimitPolicy" => (RateLimitFields.Policy, "Where requests are limited: how many (`q`) each caller may make in a window of seconds (`w`).", Text("\"30/1m\";q=30;w=60")),
            "Access-Control-Allow-Origin" => ("Access-Control-Allow-Origin", "Where pages of other origins are allowed: the one that asks, or `*`.", Text("https://app.example.com")),
            "Access-Control-Expose-Headers" => ("Access-Control-Expose-Headers", "Where pages of other origins are allowed: the headers that they see.", Text("ETag,Location")),
            "VaryWherePresent" => ("Vary", "The headers of the request that the answer depends on, if there are any: the codings that are accepted, and where pages of other origins are allowed, the origin.", Text("Accept-Encoding")),
            "IdempotencyReplayed" => ("Idempotency-Replayed", "`true` when this is the stored answer to the first request with the key.", new JsonObject { ["type"] = "string", ["enum"] = new JsonArray("true") }),
            "WWWAuthenticate" => ("WWW-Authenticate", "How to prove who calls.", Text("Bearer")),
            "Accept" => ("Accept", "The media types that are accepted instead.", Text(WireFormat.Json)),
            "AcceptPost" => ("Accept-Post", "The media types that are accepted instead.", Text(WireFormat.Json)),
            "AcceptPatch" => ("Accept-Patch", "The media types that are accepted instead.", Text(PatchOperation.MergePatch)),
            "AcceptEncoding" => ("Accept-Encoding", "The content codings that are accepted instead.", Text("identity")),
            _ => ("Request-Id", "The id of this request in the server's logs.", RequestId()),
        };
    }

    private static string Pascal(string code) => string.Concat(code.Split('-').Select(word => char.ToUpperInvariant(word[0]) + word[1..]));
}
