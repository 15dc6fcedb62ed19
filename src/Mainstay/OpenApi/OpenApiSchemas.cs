using System.Collections;
using System.Text.Json.Nodes;

namespace Mainstay.Internal;

/// <summary>
/// Records as JSON Schema components. A resource has five: the row as it is shown, the part of it that <c>fields</c> leaves, and what creating,
/// replacing and changing it take.
/// </summary>
internal sealed class OpenApiSchemas(OpenApiComponents components, IReadOnlyList<ResourceModel> resources)
{
    private readonly Dictionary<object, string> _names = [];
    private readonly HashSet<string> _taken = new(StringComparer.Ordinal);

    /// <summary>A complete row.</summary>
    public JsonObject Row(ResourceModel resource) => Named((resource, "row"), NameOf(resource), () =>
        Object(RowMembers(resource), resource.Table.Columns.Select(column => column.Member.Name), isOpen: true, description: null));

    /// <summary>A row as reads show it: complete, or what <c>fields</c> asked for.</summary>
    public JsonObject RowOrPart(ResourceModel resource) => new()
    {
        ["anyOf"] = new JsonArray(Row(resource), Named((resource, "part"), NameOf(resource) + "Part", () =>
            Object(RowMembers(resource), [], isOpen: true, description: "The members that `fields` names."))),
    };

    public JsonObject Create(ResourceModel resource, NestedParent? parent) => Named((resource, "create", parent?.Resource), (parent is null ? "" : NameOf(parent.Resource)) + NameOf(resource) + "Create", () =>
    {
        var members = resource.Table.Columns.Where(column => IsWritable(resource, column) && column != parent?.Column).ToArray();
        return Object(members.Select(column => (column.Member.Name, Input(column.Member))),
            members.Where(column => column.Member.IsRequired).Select(column => column.Member.Name), isOpen: false,
            parent is null ? null : $"`{parent.Column.Member.Name}` is the id in the path.");
    });

    public JsonObject Replace(ResourceModel resource) => Named((resource, "replace"), NameOf(resource) + "Replace", () =>
        Object(Sent(resource, Input), resource.Table.Columns.Where(column => IsWritable(resource, column) && column.Member.IsRequired).Select(column => column.Member.Name), isOpen: false, null));

    /// <summary>Absent means unchanged, so there is nothing required and no default.</summary>
    public JsonObject Patch(ResourceModel resource) => Named((resource, "patch"), NameOf(resource) + "Patch", () =>
        Object(Sent(resource, member => Value(member, Direction.Input)), [], isOpen: false, null));

    /// <summary>One element of a batch of changes: a patch that names its row.</summary>
    public JsonObject BatchPatch(ResourceModel resource) => Named((resource, "batch patch"), NameOf(resource) + "BatchPatch", () =>
        Object([Key(resource), IfMatch(), .. Sent(resource, member => Value(member, Direction.Input)).Where(member => member.Name != resource.Table.Key.Member.Name)], BatchRequired(resource), isOpen: false, null));

    /// <summary>One element of a batch of deletions: an id, or an id with a condition.</summary>
    public JsonObject BatchDelete(ResourceModel resource) => Named((resource, "batch delete"), NameOf(resource) + "BatchDelete", () =>
    {
        var conditional = Object([Key(resource), IfMatch()], BatchRequired(resource), isOpen: false, null);
        return resource.RequiresIfMatch ? conditional : new JsonObject { ["anyOf"] = new JsonArray(Key(resource).Schema, conditional) };
    });

    private (string Name, JsonObject Schema) Key(ResourceModel resource) => (resource.Table.Key.Member.Name, Value(resource.Table.Key.Member, Direction.Input));

    private static (string Name, JsonObject Schema) IfMatch() => (BatchCommand.IfMatch, new JsonObject
    {
        ["type"] = "string", ["pattern"] = OpenApiScalars.HeaderText, ["maxLength"] = OpenApiScalars.HeaderTextMost, ["description"] = "The `ETag` of the representation that is changed, as in the header `If-Match`; when the row has changed since, the batch is refused with 412.", ["examples"] = new JsonArray(OpenApiScalars.ETagExample, "*"),
    });

    private static IEnumerable<string> BatchRequired(ResourceModel resource) => resource.RequiresIfMatch ? [resource.Table.Key.Member.Name, BatchCommand.IfMatch] : [resource.Table.Key.Member.Name];

    /// <summary>The body of a declared operation.</summary>
    public JsonObject Body(Type input, IReadOnlyList<Member> members) => Named((input, string.Join(',', members.Select(member => member.Name))), OpenApiNames.Of(input), () => OfInput(members));

    /// <summary>What a handler returns: an element for a list, else the value. Any JSON when the type does not say.</summary>
    public (JsonObject Schema, bool IsList) Result(Type type)
    {
        if (type != typeof(string) && type != typeof(byte[]) && typeof(IEnumerable).IsAssignableFrom(type))
            return (Output(ElementOf(type)), true);
        return (Output(type), false);
    }

    public ResourceModel? ResourceOf(Type? row) => resources.FirstOrDefault(resource => resource.Table.RowType == row);

    /// <summary>A value that callers send, with its default.</summary>
    public JsonObject Input(Member member)
    {
        var schema = Value(member, Direction.Input);
        if (OpenApiScalars.DefaultOf(member) is { } value && schema["$ref"] is null)
            schema["default"] = value;
        return schema;
    }

    private static bool IsWritable(ResourceModel resource, Column column) => column != resource.Table.Key && !resource.ReadOnly.Contains(column);

    private static string NameOf(ResourceModel resource) => OpenApiNames.Of(resource.Table.RowType);

    private IEnumerable<(string Name, JsonObject Schema)> RowMembers(ResourceModel resource)
    {
        foreach (var column in resource.Table.Columns)
            yield return (column.Member.Name, ReadOnlyIfSo(resource, column, Value(column.Member, Direction.Row)));
        foreach (var include in resource.Includes)
            yield return (include.Name, Include(include));
    }

    private JsonObject Include(ResourceInclude include)
    {
        var row = Row(include.Target);
        return include.IsMany
            ? new JsonObject { ["type"] = "array", ["readOnly"] = true, ["maxItems"] = include.Most, ["items"] = row, ["description"] = $"Present with `include={include.Name}`: the newest ones that the caller may see." }
            : new JsonObject { ["readOnly"] = true, ["description"] = $"Present with `include={include.Name}`; null when the caller may not see it.", ["anyOf"] = new JsonArray(row, new JsonObject { ["type"] = "null" }) };
    }

    private static IEnumerable<(string Name, JsonObject Schema)> Sent(ResourceModel resource, Func<Member, JsonObject> schema) =>
        resource.Table.Columns.Select(column => (column.Member.Name, ReadOnlyIfSo(resource, column, schema(column.Member))));

    private static JsonObject ReadOnlyIfSo(ResourceModel resource, Column column, JsonObject schema)
    {
        if (!IsWritable(resource, column))
            schema["readOnly"] = true;
        return schema;
    }

    private JsonObject Output(Type type)
    {
        if (ResourceOf(type) is { } resource)
            return Row(resource);
        try
        {
            return Value(Shape.Of(type), Direction.Result, null);
        }
        catch (ConfigurationException)
        {
            return new JsonObject { ["description"] = "Any JSON value." }; // for example object: the value decides when it is there
        }
    }

    private JsonObject Value(Member member, Direction direction)
    {
        var schema = member.Scalar is null ? Value(member.Shape, direction, member) : OpenApiScalars.OfMember(member, direction);
        return member.IsNullable ? OpenApiScalars.OrNull(schema) : schema;
    }

    private JsonObject Value(Shape shape, Direction direction, Member? member) => shape switch
    {
        // An element: it has no annotations of its own.
        ScalarShape scalar => OpenApiScalars.OfType(scalar, direction != Direction.Input ? OperationDefaults.AnswerBytesMost : scalar is TextShape ? Member.DefaultTextMost : OperationDefaults.BodyBytesMost),
        ListShape list => List(list, direction, member),
        RecordShape record when direction == Direction.Input => Named((record, "input"), OpenApiNames.Of(record.Type) + "Input", () => OfInput([.. record.Inputs])),
        RecordShape record when ResourceOf(record.Type) is { } resource => Row(resource),
        RecordShape record => Named((record, "output"), OpenApiNames.Of(record.Type), () =>
            Object(record.Members.Select(inner => (inner.Name, Value(inner, Direction.Result))), record.Members.Select(inner => inner.Name), isOpen: true, null)),
        _ => [],
    };

    private JsonObject List(ListShape list, Direction direction, Member? member)
    {
        var schema = new JsonObject { ["type"] = "array", ["items"] = Value(list.Element, direction, null) };
        if (member?.LengthLeast is > 0 and var least)
            schema["minItems"] = least;
        schema["maxItems"] = member is null ? direction == Direction.Input ? ListShape.DefaultMost : OperationDefaults.AnswerElementsMost : OpenApiScalars.ElementsMost(member, direction);
        return schema;
    }

    private JsonObject OfInput(IReadOnlyList<Member> members) =>
        Object(members.Select(member => (member.Name, Input(member))), members.Where(member => member.IsRequired).Select(member => member.Name), isOpen: false, null);

    /// <summary>Inputs are closed: the server refuses unknown members. Outputs are open: a later version may show more, and clients must not mind.</summary>
    private static JsonObject Object(IEnumerable<(string Name, JsonObject Schema)> members, IEnumerable<string> required, bool isOpen, string? description)
    {
        var schema = new JsonObject { ["type"] = "object" };
        if (description is not null)
            schema["description"] = description;
        if (!isOpen)
            schema["additionalProperties"] = false;
        if (required.ToArray() is { Length: > 0 } names)
            schema["required"] = new JsonArray([.. names.Select(name => JsonValue.Create(name))]);
        schema["properties"] = new JsonObject(members.Select(member => KeyValuePair.Create(member.Name, (JsonNode?)member.Schema)));
        return schema;
    }

    private static Type ElementOf(Type type) => ListShape.ElementOf(type)
        ?? type.GetInterfaces().FirstOrDefault(face => face.IsGenericType && face.GetGenericTypeDefinition() == typeof(IEnumerable<>))?.GetGenericArguments()[0]
        ?? typeof(object);

    /// <summary>Types of one name in two namespaces get numbers, in the order in which they are met.</summary>
    private JsonObject Named(object key, string name, Func<JsonObject> make)
    {
        if (!_names.TryGetValue(key, out var unique))
        {
            unique = name;
            for (var number = 2; !_taken.Add(unique); number++)
                unique = name + number;
            _names[key] = unique;
        }
        return components.Ref("schemas", unique, make);
    }
}
