using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mainstay.Internal;

/// <summary>One operation of the document: who may call it, what it takes, what it answers.</summary>
internal sealed class OpenApiOperations(OpenApiNames names, OpenApiComponents components, IReadOnlyList<ResourceModel> resources, TimeSpan keyLifetime, WireFormat format)
{
    public const string Bearer = "bearer";

    private readonly OpenApiSchemas _schemas = new(components, resources);
    private readonly OpenApiParameters _parameters = new(components, resources, keyLifetime);
    private readonly OpenApiAnswers _answers = new(components, new OpenApiProblems(resources), format, resources);

    public JsonObject Write(Operation operation)
    {
        var written = new JsonObject
        {
            ["operationId"] = names.Id(operation),
            ["summary"] = names.Summary(operation),
            ["description"] = OpenApiNames.Description(operation),
            ["tags"] = new JsonArray(names.Tag(operation)),
        };
        if (OpenApiProblems.IsPublic(operation))
            written["security"] = new JsonArray(new JsonObject(), new JsonObject { [Bearer] = new JsonArray() });
        written["parameters"] = new JsonArray([.. _parameters.Of(operation)]);
        if (Body(operation) is { } body)
            written["requestBody"] = body;
        var answers = _answers.Of(operation, _schemas);
        written["responses"] = answers;
        if (operation.Deprecation is { } deprecation)
        {
            written["deprecated"] = true;
            _answers.Announce(answers, deprecation);
        }
        return written;
    }

    private JsonObject? Body(Operation operation)
    {
        if (operation.MediaTypes.Count == 0)
            return null;
        var (schema, example) = operation switch
        {
            CreateOperation create => (_schemas.Create(create.Resource, create.Parent), Example(Sent(create.Resource).Where(member => member != create.Parent?.Column.Member))),
            BulkCreateOperation bulk => (new JsonObject { ["type"] = "array", ["minItems"] = 1, ["maxItems"] = BatchCommand.RowsMost, ["items"] = _schemas.Create(bulk.Resource, null) },
                Example(Sent(bulk.Resource)) is { } row ? new JsonArray(row) : null),
            BulkPatchOperation bulk => (new JsonObject { ["type"] = "array", ["minItems"] = 1, ["maxItems"] = BatchCommand.RowsMost, ["uniqueItems"] = true, ["description"] = "Each row at most once.", ["items"] = _schemas.BatchPatch(bulk.Resource) }, null),
            BulkDeleteOperation bulk => (new JsonObject { ["type"] = "array", ["minItems"] = 1, ["maxItems"] = BatchCommand.RowsMost, ["uniqueItems"] = true, ["description"] = "Each row at most once.", ["items"] = _schemas.BatchDelete(bulk.Resource) }, null),
            ReplaceOperation replace => (_schemas.Replace(replace.Resource), Example(Sent(replace.Resource))),
            PatchOperation patch => (_schemas.Patch(patch.Resource), Example(Sent(patch.Resource).Take(1))),
            DeclaredCommand command => Declared(command.Declaration, command.Input),
            DeclaredQuery query => Declared(query.Declaration, query.Input),
            _ => (new JsonObject(), (JsonNode?)null),
        };
        return new JsonObject
        {
            ["required"] = true,
            ["content"] = new JsonObject(operation.MediaTypes.Select(type => KeyValuePair.Create(type, (JsonNode?)Media((JsonObject)schema.DeepClone(), example?.DeepClone())))),
        };
    }

    private (JsonObject Schema, JsonNode? Example) Declared(OperationDeclaration declaration, DeclaredInput input)
    {
        Member[] members = [.. input.BodyMembers];
        return (_schemas.Body(declaration.Handler.Input!, members), Example(members));
    }

    private static JsonObject Media(JsonObject schema, JsonNode? example)
    {
        var media = new JsonObject { ["schema"] = schema };
        if (example is not null)
            media["examples"] = new JsonObject { ["example"] = new JsonObject { ["value"] = example } };
        return media;
    }

    private static IEnumerable<Member> Sent(ResourceModel resource) =>
        resource.Table.Columns.Where(column => column != resource.Table.Key && !resource.ReadOnly.Contains(column)).Select(column => column.Member);

    /// <summary>An example that the operation would accept, or none: a value that matches a regular expression cannot be made up.</summary>
    private static JsonNode? Example(IEnumerable<Member> members)
    {
        var shown = members.ToArray();
        var text = ExampleJson.Of(shown);
        var faults = new InputFaults();
        using var json = JsonDocument.Parse(text);
        foreach (var member in shown)
            RecordShape.ReadMember(member, json.RootElement.GetProperty(member.Name), JsonPath.Root, faults);
        return faults.Any ? null : JsonNode.Parse(text);
    }
}
