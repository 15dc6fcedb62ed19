using System.Globalization;
using System.Text.Json.Nodes;

namespace Mainstay.Internal;

/// <summary>Everything an operation can answer: its results with their headers, and a problem document for every status it can refuse with.</summary>
internal sealed class OpenApiAnswers(OpenApiComponents components, OpenApiProblems problems)
{
    private static readonly HashSet<int> kept = [400, 403, 404, 409, 412, 422, 428];

    public static JsonObject RequestId() => new() { ["type"] = "string", ["pattern"] = "^[A-Za-z0-9._-]{8,64}$", ["minLength"] = 8, ["maxLength"] = 64, ["examples"] = new JsonArray("req_01h455vb4pex5vsknk084sn02q") };

    public JsonObject Of(Operation operation, OpenApiSchemas schemas)
    {
        var answers = new JsonObject();
        foreach (var (status, answer) in Results(operation, schemas))
            answers[status] = answer;
        foreach (var group in problems.Of(operation).GroupBy(problem => problem.Status))
            answers[group.Key.ToString(CultureInfo.InvariantCulture)] = Refusal(operation, group.Key, [.. group]);
        answers["default"] = components.Ref("responses", "Problem", () => Problem("What a server or proxy on the way refuses, for example 408, 414, 429, 431 or 502. From this server it is a problem document; a proxy may send something else.", [], ["RequestId"]));
        return answers;
    }

    private IEnumerable<(string Status, JsonObject Answer)> Results(Operation operation, OpenApiSchemas schemas)
    {
        switch (operation)
        {
            case ListOperation list:
                yield return ("200", Result("One page.", Envelope(ListOf(schemas.RowOrPart(list.Resource), ListQuery.PageSizeMost), PageMeta(list.Resource)), ["ETag", "Link", "CacheControl", "Vary"], operation));
                yield return ("304", NotModified());
                break;
            case GetOperation get:
                yield return ("200", Result("The row.", Envelope(schemas.RowOrPart(get.Resource), "ReadMeta"), ["ETag", "CacheControl", "Vary"], operation));
                yield return ("304", NotModified());
                break;
            case CreateOperation create:
                yield return ("201", Result("Created.", Envelope(schemas.Row(create.Resource), "CommandMeta"), ["Location", "ETag", "CacheControl"], operation));
                break;
            case BulkCreateOperation bulk:
                yield return ("201", Result("All of them created.", Envelope(ListOf(schemas.Row(bulk.Resource), BulkCreateOperation.RowsMost), "CommandListMeta"), ["CacheControl"], operation));
                break;
            case ReplaceOperation or PatchOperation:
                yield return ("200", Result("The row as it is now.", Envelope(schemas.Row(((ResourceCommand)operation).Resource), "CommandMeta"), ["ETag", "CacheControl"], operation));
                break;
            case DeleteOperation:
                yield return ("204", Result("Deleted.", null, ["CacheControl"], operation));
                break;
            case DeclaredCommand command:
                foreach (var answer in OfHandler(command, command.Declaration.Handler.Result, schemas))
                    yield return answer;
                break;
            case DeclaredQuery query:
                foreach (var answer in OfHandler(query, query.Declaration.Handler.Result, schemas))
                    yield return answer;
                break;
        }
    }

    /// <summary>A row that the command has inserted is 201 with its location; no value is 204 for a command and 404 for a query.</summary>
    private IEnumerable<(string Status, JsonObject Answer)> OfHandler(Operation operation, Type? type, OpenApiSchemas schemas)
    {
        if (operation.IsCommand && (type is null || Nullable.GetUnderlyingType(type) is not null))
            yield return ("204", Result("Done; there is nothing to show.", null, ["CacheControl"], operation));
        if (type is null)
            yield break;
        var (schema, isList) = schemas.Result(type);
        var data = isList ? ListOf(schema, int.MaxValue) : schema;
        var isRow = schemas.ResourceOf(type) is not null && operation.IsCommand;
        var meta = (operation.IsCommand, isList) switch { (true, true) => "CommandListMeta", (true, false) => "CommandMeta", (false, true) => "ListMeta", _ => "ReadMeta" };
        string[] headers = isRow ? ["ETag", "CacheControl"] : ["CacheControl"];
        yield return ("200", Result(isRow ? "Done; the row as it is now." : "Done.", Envelope((JsonObject)data.DeepClone(), meta), headers, operation));
        if (isRow)
            yield return ("201", Result("Done; the row is new.", Envelope((JsonObject)data.DeepClone(), meta), ["Location", .. headers], operation));
    }

    private JsonObject Result(string description, JsonObject? schema, string[] headers, Operation operation)
    {
        var answer = new JsonObject { ["description"] = description, ["headers"] = Headers([.. headers, "RequestId", .. operation.IsCommand ? ["IdempotencyReplayed"] : Array.Empty<string>()]) };
        if (schema is not null)
            answer["content"] = new JsonObject { [WireFormat.Json] = new JsonObject { ["schema"] = schema } };
        return answer;
    }

    private JsonObject NotModified() => components.Ref("responses", "NotModified", () => new JsonObject
    {
        ["description"] = "Nothing is new since the answer with that `ETag`.",
        ["headers"] = Headers(["ETag", "CacheControl", "Vary", "RequestId"]),
    });

    private JsonObject Refusal(Operation operation, int status, ProblemType[] types)
    {
        string[] headers =
        [
            "RequestId",
            .. operation.IsCommand && kept.Contains(status) ? ["IdempotencyReplayed"] : Array.Empty<string>(),
            .. status is 409 or 503 ? ["RetryAfter"] : Array.Empty<string>(),
            .. status switch { 401 => ["WWWAuthenticate"], 415 => ["AcceptPost", "AcceptPatch", "AcceptEncoding"], _ => Array.Empty<string>() },
        ];
        // One code is described once for all operations; several belong to this operation.
        return types is [var only] && ProblemCatalogue.All.Contains(only)
            ? components.Ref("responses", Pascal(only.Code) + (operation.IsCommand && kept.Contains(status) ? "OfCommand" : ""), () => Problem($"`{only.Code}`: {only.Title}.", types, headers))
            : Problem(string.Join("\n", types.Select(type => $"- `{type.Code}`: {type.Title}.")), types, headers);
    }

    private JsonObject Problem(string description, ProblemType[] types, string[] headers)
    {
        var media = new JsonObject { ["schema"] = components.Ref("schemas", "Problem", ProblemSchema) };
        if (types.Length > 0)
        {
            media["schema"] = new JsonObject { ["allOf"] = new JsonArray(components.Ref("schemas", "Problem", ProblemSchema), new JsonObject
            {
                ["properties"] = new JsonObject { ["code"] = new JsonObject { ["enum"] = new JsonArray([.. types.Select(type => JsonValue.Create(type.Code))]) } },
            }) };
            media["examples"] = new JsonObject(types.Select(type => KeyValuePair.Create(type.Code, (JsonNode?)components.Ref("examples", type.Code, () => Example(type)))));
        }
        return new JsonObject { ["description"] = description, ["headers"] = Headers(headers), ["content"] = new JsonObject { [WireFormat.ProblemJson] = media } };
    }

    private static JsonObject Example(ProblemType type)
    {
        var value = new JsonObject
        {
            ["type"] = $"/problems/{type.Code}",
            ["title"] = type.Title,
            ["status"] = type.Status,
            ["detail"] = "What happened this time, and what to do about it.",
            ["code"] = type.Code,
            ["requestId"] = "req_01h455vb4pex5vsknk084sn02q",
        };
        if (type == ProblemCatalogue.ValidationFailed)
            value["errors"] = new JsonArray(new JsonObject { ["pointer"] = "#/quantity", ["code"] = "range", ["detail"] = "Expected at least 1 and at most 100, found 0." });
        if (type == ProblemCatalogue.InvalidParameter)
            value["errors"] = new JsonArray(new JsonObject { ["parameter"] = "pageSize", ["code"] = "range", ["detail"] = $"Expected an integer from 1 to {ListQuery.PageSizeMost}." });
        return new JsonObject { ["summary"] = type.Title, ["value"] = value };
    }

    /// <summary>RFC 9457 with the members that every interface adds. <c>detail</c> quotes what was sent, so its length is the request's.</summary>
    private static JsonObject ProblemSchema()
    {
        static JsonObject Text(string description, int most) => new() { ["type"] = "string", ["maxLength"] = most, ["description"] = description };
        var error = new JsonObject
        {
            ["type"] = "object",
            ["required"] = new JsonArray("code", "detail"),
            ["properties"] = new JsonObject
            {
                ["pointer"] = Text("JSON Pointer into the body as a URI fragment, for example `#/items/0/quantity`.", int.MaxValue),
                ["parameter"] = Text("The name of the query parameter, when the fault is there.", int.MaxValue),
                ["code"] = Text("The kind of fault: `required`, `type`, `range`, `maxLength`, `unknown` and so on.", 64),
                ["detail"] = Text("What was expected, for people.", int.MaxValue),
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
                ["detail"] = Text("What happened this time, and what to do.", int.MaxValue),
                ["code"] = new JsonObject { ["type"] = "string", ["pattern"] = "^[a-z][a-z0-9]*(-[a-z0-9]+)*$", ["maxLength"] = 100, ["description"] = "Stable; clients branch on it." },
                ["errors"] = new JsonObject { ["type"] = "array", ["minItems"] = 1, ["maxItems"] = InputFaults.Most, ["items"] = error, ["description"] = "Every fault of the input." },
                ["requestId"] = RequestId(),
                ["traceId"] = new JsonObject { ["type"] = "string", ["pattern"] = "^[0-9a-f]{32}$", ["minLength"] = 32, ["maxLength"] = 32 },
            },
        };
    }

    private JsonObject Envelope(JsonObject data, string meta) => new()
    {
        ["type"] = "object",
        ["required"] = new JsonArray("data", "meta"),
        ["properties"] = new JsonObject { ["data"] = data, ["meta"] = components.Ref("schemas", meta, () => Meta(meta)) },
    };

    private static string PageMeta(ResourceModel resource) => resource.HasPageNumbers ? "NumberedPageMeta" : resource.HasCounts ? "CountedPageMeta" : "PageMeta";

    private static JsonObject Meta(string name)
    {
        var members = new JsonObject();
        if (name is "PageMeta" or "CountedPageMeta" or "NumberedPageMeta")
        {
            members["pageSize"] = new JsonObject { ["type"] = "integer", ["format"] = "int32", ["minimum"] = 1, ["maximum"] = ListQuery.PageSizeMost };
            members["nextCursor"] = new JsonObject { ["type"] = new JsonArray("string", "null"), ["maxLength"] = CursorCodec.LengthMost, ["description"] = "Pass it as `cursor` for the next page; null on the last one." };
        }
        if (name is "ListMeta" or "CommandListMeta")
            members["count"] = new JsonObject { ["type"] = "integer", ["format"] = "int32", ["minimum"] = 0, ["maximum"] = int.MaxValue };
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

    private JsonObject Headers(IEnumerable<string> names) => new(names.Select(name =>
    {
        var (header, description, schema) = Header(name);
        return KeyValuePair.Create(header, (JsonNode?)components.Ref("headers", name, () => new JsonObject { ["description"] = description, ["schema"] = schema }));
    }));

    private static (string Name, string Description, JsonObject Schema) Header(string component)
    {
        static JsonObject Text(string? example = null) => example is null
            ? new JsonObject { ["type"] = "string", ["maxLength"] = OpenApiScalars.HeaderTextMost }
            : new JsonObject { ["type"] = "string", ["maxLength"] = OpenApiScalars.HeaderTextMost, ["examples"] = new JsonArray(example) };
        return component switch
        {
            "ETag" => ("ETag", "Identifies this state of the representation, for `If-Match` and `If-None-Match`.", Text("\"v7\"")),
            "Location" => ("Location", "The path of the new row.", Text()),
            "Link" => ("Link", "The next page as `rel=\"next\"`, absent on the last one; for a page asked for by number also `first`, `prev` and `last`.", Text()),
            "CacheControl" => ("Cache-Control", "Reads may be kept and asked for again with `If-None-Match`; changes are not kept.", Text("private, no-cache")),
            "Vary" => ("Vary", "What callers may see depends on who they are.", Text("Authorization")),
            "RetryAfter" => ("Retry-After", "Seconds after which trying again makes sense, where that is known.", new JsonObject { ["type"] = "integer", ["format"] = "int32", ["minimum"] = 0, ["maximum"] = int.MaxValue }),
            "IdempotencyReplayed" => ("Idempotency-Replayed", "`true` when this is the stored answer to the first request with the key.", new JsonObject { ["type"] = "string", ["enum"] = new JsonArray("true") }),
            "WWWAuthenticate" => ("WWW-Authenticate", "How to prove who calls.", Text("Bearer")),
            "AcceptPost" => ("Accept-Post", "The media types that are accepted instead.", Text(WireFormat.Json)),
            "AcceptPatch" => ("Accept-Patch", "The media types that are accepted instead.", Text(PatchOperation.MergePatch)),
            "AcceptEncoding" => ("Accept-Encoding", "The content codings that are accepted instead.", Text("identity")),
            _ => ("Request-Id", "The id of this request in the server's logs.", RequestId()),
        };
    }

    private static string Pascal(string code) => string.Concat(code.Split('-').Select(word => char.ToUpperInvariant(word[0]) + word[1..]));
}
