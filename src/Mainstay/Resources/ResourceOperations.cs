using System.Buffers;
using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>The standard operations of a resource: which there are, by what is allowed.</summary>
internal static class ResourceOperations
{
    public static IEnumerable<Operation> Of(ResourceModel resource, IReadOnlyList<ResourceModel> all)
    {
        var item = $"{resource.Path}/{{id}}";
        if (resource.Read is { } read)
        {
            yield return new ListOperation(resource, null) { Name = $"GET {resource.Path}", Method = "GET", Pattern = resource.Path, Policy = read, RowType = resource.Table.RowType };
            yield return new GetOperation(resource) { Name = $"GET {item}", Method = "GET", Pattern = item, Policy = read, RowType = resource.Table.RowType };
        }
        if (resource.Create is { } create)
        {
            yield return new CreateOperation(resource, null) { Name = $"POST {resource.Path}", Method = "POST", Pattern = resource.Path, Policy = create, RowType = resource.Table.RowType };
            yield return new BulkCreateOperation(resource) { Name = $"POST {resource.Path}:batch", Method = "POST", Pattern = $"{resource.Path}:batch", Policy = create, RowType = resource.Table.RowType };
        }
        if (resource.Update is { } update)
        {
            yield return new ReplaceOperation(resource) { Name = $"PUT {item}", Method = "PUT", Pattern = item, Policy = update, RowType = resource.Table.RowType };
            yield return new PatchOperation(resource) { Name = $"PATCH {item}", Method = "PATCH", Pattern = item, Policy = update, RowType = resource.Table.RowType };
        }
        if (resource.Delete is { } delete)
            yield return new DeleteOperation(resource) { Name = $"DELETE {item}", Method = "DELETE", Pattern = item, Policy = delete, RowType = resource.Table.RowType };

        foreach (var parent in resource.Parents)
        {
            var owner = new NestedParent(all.First(candidate => candidate.Table.RowType == parent.Type), parent.Column);
            var nested = $"{owner.Resource.Path}/{{parentId}}/{resource.Name}";
            if (resource.Read is { } readNested)
                yield return new ListOperation(resource, owner) { Name = $"GET {nested}", Method = "GET", Pattern = nested, Policy = readNested, RowType = resource.Table.RowType };
            if (resource.Create is { } createNested)
                yield return new CreateOperation(resource, owner) { Name = $"POST {nested}", Method = "POST", Pattern = nested, Policy = createNested, RowType = resource.Table.RowType };
        }
    }
}

/// <summary>The parent of a nested route and the column that names it.</summary>
internal sealed record NestedParent(ResourceModel Resource, Column Column)
{
    /// <exception cref="ProblemException"><c>not-found</c>: the path holds no id of the parent.</exception>
    public object Id(Call call) => RouteIds.Read(Resource, call.Incoming.Route("parentId"));
}

/// <summary>Ids in paths. A text that is no id names nothing, so it is 404 like any other id that does not exist.</summary>
internal static class RouteIds
{
    public static object Read(ResourceModel resource, string? text) => text is not null && resource.Table.Key.Member.Scalar!.TryParse(text, out var id)
        ? id!
        : throw ProblemCatalogue.NotFound.Because($"The path holds no id of {resource.Path}, expected {resource.Table.Key.Member.Scalar!.Expected}.");
}

internal sealed class ListOperation(ResourceModel resource, NestedParent? parent) : Operation
{
    public ResourceModel Resource => resource;

    public NestedParent? Parent => parent;

    public override bool IsCommand => false;

    public override object? ReadInput(Call call)
    {
        var id = parent?.Id(call);
        var query = ListQuery.Read(resource, call.Incoming.Query, call.User, call.Backend.Cursors, parent is null ? "" : parent.Resource.Table.Key.Member.Scalar!.Text(id!));
        return parent is null ? query : query with { Filters = [.. query.Filters, new ListFilter(parent.Column, "eq", id!)] };
    }

    public override Task<Answer> RunAsync(Call call, object? input) => new ResourceReads(call.Backend, resource)
        .ListAsync(call, (ListQuery)input!, parent is null ? null : (parent.Resource, ((IId)parent.Id(call)).Value));
}

internal sealed class GetOperation(ResourceModel resource) : Operation
{
    public ResourceModel Resource => resource;

    public override bool IsCommand => false;

    public override object? ReadInput(Call call)
    {
        var faults = new InputFaults();
        foreach (var name in call.Incoming.Query.Values.Keys.Where(name => name is not ("fields" or "include")))
            faults.Add(FieldError.In(name, "unknown", $"There is no such parameter.{Suggestion.For(name, ["fields", "include"])} Accepted: fields, include."));
        var representation = Representation.Read(resource, call.Incoming.Query, faults);
        faults.ThrowIfAny(ProblemCatalogue.InvalidParameter);
        return (((IId)RouteIds.Read(resource, call.Incoming.Route("id"))).Value, representation);
    }

    public override Task<Answer> RunAsync(Call call, object? input)
    {
        var (id, representation) = ((Guid, Representation))input!;
        return new ResourceReads(call.Backend, resource).GetAsync(call, id, representation);
    }
}

/// <summary>What all operations that write a resource share.</summary>
internal abstract class ResourceCommand(ResourceModel resource) : CommandOperation
{
    public ResourceModel Resource => resource;

    public override IReadOnlyList<string> MediaTypes => [WireFormat.Json];

    protected static void RefuseQuery(Call call)
    {
        var faults = new InputFaults();
        foreach (var name in call.Incoming.Query.Values.Keys)
            faults.Add(FieldError.In(name, "unknown", "This operation takes no query parameters."));
        faults.ThrowIfAny(ProblemCatalogue.InvalidParameter);
    }

    protected bool IsWritable(Member member) => member != resource.Table.Key.Member && !resource.ReadOnly.Any(column => column.Member == member);

    /// <summary>A new row from a JSON object: writable members as given, the rest by default, a new id.</summary>
    protected object? ReadNew(JsonElement json, JsonPath path, InputFaults faults, (Column Column, object Id)? parent)
    {
        var record = resource.Table.Record;
        var values = new object?[resource.Table.Columns.Count];
        var given = new bool[values.Length];
        if (json.ValueKind != JsonValueKind.Object)
        {
            faults.Add(path, "type", $"Expected an object, found {ScalarShape.NameOf(json.ValueKind)}.");
            return null;
        }
        var before = faults.Count;
        record.ReadMembers(json, path, faults, values, given, static _ => true);
        foreach (var column in resource.Table.Columns.Where(column => given[column.Ordinal] && !IsWritable(column.Member)))
            faults.Add(path[column.Member.Name], "readOnly", "The server sets this member. Leave it out.");
        if (parent is { } owner)
        {
            var position = owner.Column.Member.Position;
            if (given[position] && !Equals(values[position], owner.Id))
                faults.Add(path[owner.Column.Member.Name], "mismatch", "It differs from the id in the path. Leave it out.");
            (values[position], given[position]) = (owner.Id, true);
        }
        foreach (var column in resource.Table.Columns.Where(column => !given[column.Member.Position]))
            if (column == resource.Table.Key)
                values[column.Member.Position] = IdFactory.Make(column.Member.Scalar!.Type, IdSequence.OfProcess.Next());
            else if (IsWritable(column.Member))
                RecordShape.Default(column.Member, path, faults, values);
            else
                values[column.Member.Position] = column.Member.IsRequired ? ServerDefault(column.Member) : column.Member.Default;
        return faults.Count == before && !faults.Any ? Complete(values, path, faults) : null;
    }

    protected object? Complete(object?[] values, JsonPath path, InputFaults faults)
    {
        var row = resource.Table.Record.Create(values);
        resource.Table.Record.ValidateWhole(row, path, faults);
        return row;
    }

    /// <summary>The row named in the path, locked, if the caller may see and change it and the preconditions hold.</summary>
    protected async Task<UnitOfWork.Known> LockAsync(Call call, Guid id, UnitOfWork work)
    {
        var known = await work.LoadAsync(resource.Table.RowType, id, isLocked: true);
        if (known is null || !(resource.Read ?? Policy).Resolve(call.User, resource.Table.RowType).Holds(known.Row))
            throw ResourceReads.NotFound(resource, id);
        Demand(call, known.Row);
        var ifMatch = call.Incoming.Header("If-Match");
        if (ifMatch is null && resource.RequiresIfMatch)
            throw ProblemCatalogue.PreconditionRequired.Because("Send If-Match with the ETag of the representation that you changed, so that nobody's change is lost.");
        if (ifMatch is not null && !ETags.MatchesVersion(ifMatch, known.Version))
            throw ProblemCatalogue.PreconditionFailed.Because("The row has changed since the ETag in If-Match was given out. Get it again, apply your change, and send the new ETag.");
        if (call.Incoming.Header("If-None-Match") is { } ifNone && ETags.MatchesWeakly(ifNone, ETags.Of(known.Version)))
            throw ProblemCatalogue.PreconditionFailed.Because("If-None-Match names the present state of the row.");
        return known;
    }

    /// <summary>Checks the row policy on a row as it is or as it shall be.</summary>
    protected void Demand(Call call, object row)
    {
        if (!Policy.Resolve(call.User, resource.Table.RowType).Holds(row))
            throw ProblemCatalogue.Forbidden.Because($"This caller may not do that with this row; '{Name}' needs {Policy.Describe()}.");
    }

    /// <summary>
    /// What a row points at must be visible to the caller, or a row could be hung under what it may not see. Asked only where visibility depends on
    /// the row: what everybody or this role may read needs no look, and the foreign key finds what does not exist.
    /// </summary>
    protected async Task RequireReferencesAsync(Call call, UnitOfWork work, object row, object? before, JsonPath path)
    {
        foreach (var column in resource.Table.Columns)
        {
            if (column.Reference is not { } target || column.Member.Get(row) is not IId id || id.Equals(before is null ? null : column.Member.Get(before))
                || call.Backend.Resources.GetValueOrDefault(target.RowType)?.Read is not { } read || read.Resolve(call.User, target.RowType) is not { } visible || visible == Predicate.Always)
                continue;
            if (visible == Predicate.Never || await work.LoadAsync(target.RowType, id.Value, isLocked: false) is not { } known || !visible.Holds(known.Row))
                throw ProblemCatalogue.ReferenceNotFound.Because($"'{column.Member.Name}' names something that does not exist, or that this caller may not see. Use an id that does.",
                    FieldError.At(path[column.Member.Name].ToString(), "reference", "There is no such id."));
        }
    }

    protected Answer Item(Call call, object row, long version, int status, bool withLocation)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var writer = new Utf8JsonWriter(buffer, JsonFormat.Writer))
        {
            call.Backend.Format.BeginItem(writer);
            resource.Table.Write(writer, row);
            call.Backend.Format.EndItem(writer, call.RequestId);
        }
        // PostgreSQL orders the members of a document its own way, so these bytes are not those of the next read: the same version, another tag.
        var isRespelled = resource.Table.Columns.Any(column => column.Type is DocumentColumnType && column.Member.Get(row) is not null);
        var headers = new List<KeyValuePair<string, string>>
        {
            new("Content-Type", WireFormat.Json), new("ETag", ETags.Of(version, isRespelled ? "-sent" : "")), new("Cache-Control", "no-store"),
        };
        if (withLocation)
            headers.Add(new("Location", ResourceLocations.Of(resource, row)));
        return new Answer(status, buffer.WrittenMemory) { Headers = headers };
    }

    /// <summary>What a read-only member without a declared default starts with: its type's zero, or null.</summary>
    private static object? ServerDefault(Member member) => member.IsNullable ? null
        : member.Property.PropertyType == typeof(string) ? ""
        : Activator.CreateInstance(member.Property.PropertyType);
}

internal sealed class CreateOperation(ResourceModel resource, NestedParent? parent) : ResourceCommand(resource)
{
    public NestedParent? Parent => parent;

    public override object? ReadInput(Call call)
    {
        RefuseQuery(call);
        using var json = JsonBody.Parse(call.Body);
        var faults = new InputFaults();
        var row = ReadNew(json.RootElement, JsonPath.Root, faults, parent is null ? null : (parent.Column, parent.Id(call)));
        faults.ThrowIfAny();
        return row;
    }

    protected override async Task<Answer> HandleAsync(Call call, object? input, UnitOfWork work)
    {
        if (parent is not null)
        {
            // The parent must be there and visible, or a caller could hang rows under what it may not see.
            var id = ((IId)parent.Id(call)).Value;
            var owner = await work.LoadAsync(parent.Resource.Table.RowType, id, isLocked: false);
            if (owner is null || !(parent.Resource.Read?.Resolve(call.User, parent.Resource.Table.RowType).Holds(owner.Row) ?? false))
                throw ResourceReads.NotFound(parent.Resource, id);
        }
        Demand(call, input!);
        await RequireReferencesAsync(call, work, input!, null, JsonPath.Root);
        work.InsertRow(Resource.Table.RowType, input!);
        return Item(call, input!, 1, 201, withLocation: true);
    }
}

/// <summary>Creates several rows in one transaction: all or none.</summary>
internal sealed class BulkCreateOperation(ResourceModel resource) : ResourceCommand(resource)
{
    public const int RowsMost = 1000;

    protected override bool IsBulk => true;

    public override object? ReadInput(Call call)
    {
        RefuseQuery(call);
        using var json = JsonBody.Parse(call.Body);
        var faults = new InputFaults();
        var rows = new List<object>();
        if (json.RootElement.ValueKind != JsonValueKind.Array)
            faults.Add(JsonPath.Root, "type", $"Expected an array of objects, found {ScalarShape.NameOf(json.RootElement.ValueKind)}.");
        else if (json.RootElement.GetArrayLength() is 0 or > RowsMost)
            faults.Add(JsonPath.Root, "maxItems", $"Expected 1 to {RowsMost} elements, found {json.RootElement.GetArrayLength()}.");
        else
            foreach (var element in json.RootElement.EnumerateArray())
            {
                var own = new InputFaults();
                if (ReadNew(element, JsonPath.Root[rows.Count], own, null) is { } row)
                    rows.Add(row);
                else
                    rows.Add(element);
                own.CopyTo(faults);
            }
        faults.ThrowIfAny();
        return rows;
    }

    protected override async Task<Answer> HandleAsync(Call call, object? input, UnitOfWork work)
    {
        var rows = (List<object>)input!;
        for (var i = 0; i < rows.Count; i++)
            await RequireReferencesAsync(call, work, rows[i], null, JsonPath.Root[i]);
        var buffer = new ArrayBufferWriter<byte>(rows.Count * 256);
        using (var writer = new Utf8JsonWriter(buffer, JsonFormat.Writer))
        {
            call.Backend.Format.BeginList(writer);
            foreach (var row in rows)
            {
                Demand(call, row);
                work.InsertRow(Resource.Table.RowType, row);
                Resource.Table.Write(writer, row);
            }
            call.Backend.Format.EndList(writer, rows.Count, call.RequestId);
        }
        return new Answer(201, buffer.WrittenMemory) { Headers = [new("Content-Type", WireFormat.Json), new("Cache-Control", "no-store")] };
    }
}

/// <summary>PUT: the row becomes what the body says; members left out get their default.</summary>
internal sealed class ReplaceOperation(ResourceModel resource) : ResourceCommand(resource)
{
    public override object? ReadInput(Call call)
    {
        RefuseQuery(call);
        var id = RouteIds.Read(Resource, call.Incoming.Route("id"));
        using var json = JsonBody.Parse(call.Body);
        var faults = new InputFaults();
        var (values, given) = (new object?[Resource.Table.Columns.Count], new bool[Resource.Table.Columns.Count]);
        if (json.RootElement.ValueKind != JsonValueKind.Object)
            faults.Add(JsonPath.Root, "type", $"Expected an object, found {ScalarShape.NameOf(json.RootElement.ValueKind)}.");
        else
            Resource.Table.Record.ReadMembers(json.RootElement, JsonPath.Root, faults, values, given, static _ => true);
        foreach (var column in Resource.Table.Columns)
            if (!given[column.Ordinal] && IsWritable(column.Member) && json.RootElement.ValueKind == JsonValueKind.Object)
                RecordShape.Default(column.Member, JsonPath.Root, faults, values);
        faults.ThrowIfAny();
        return (((IId)id).Value, values, given);
    }

    protected override async Task<Answer> HandleAsync(Call call, object? input, UnitOfWork work)
    {
        var (id, sent, given) = ((Guid, object?[], bool[]))input!;
        var known = await LockAsync(call, id, work);
        var faults = new InputFaults();
        var values = (object?[])sent.Clone();
        foreach (var column in Resource.Table.Columns.Where(column => !IsWritable(column.Member)))
        {
            // A client may send back what it got; it may not change what the server sets.
            var present = column.Member.Get(known.Row);
            if (given[column.Ordinal] && !ColumnValues.AreSame(values[column.Ordinal], present))
                faults.Add(JsonPath.Root[column.Member.Name], "readOnly", "The server sets this member. Leave it out, or send it unchanged.");
            values[column.Ordinal] = present;
        }
        faults.ThrowIfAny();
        var row = Complete(values, JsonPath.Root, faults);
        faults.ThrowIfAny();
        Demand(call, row!);
        await RequireReferencesAsync(call, work, row!, known.Row, JsonPath.Root);
        work.UpdateRow(Resource.Table.RowType, row!);
        return Item(call, row!, known.Version + 1, 200, withLocation: false);
    }
}

/// <summary>PATCH: JSON merge patch (RFC 7396): absent keeps, null removes, objects merge, everything else replaces.</summary>
internal sealed class PatchOperation(ResourceModel resource) : ResourceCommand(resource)
{
    public const string MergePatch = "application/merge-patch+json";

    public override IReadOnlyList<string> MediaTypes => [MergePatch, WireFormat.Json];

    public override object? ReadInput(Call call)
    {
        RefuseQuery(call);
        var id = RouteIds.Read(Resource, call.Incoming.Route("id"));
        using var json = JsonBody.Parse(call.Body);
        var faults = new InputFaults();
        var (values, given) = (new object?[Resource.Table.Columns.Count], new bool[Resource.Table.Columns.Count]);
        if (json.RootElement.ValueKind != JsonValueKind.Object)
            faults.Add(JsonPath.Root, "type", $"Expected an object, found {ScalarShape.NameOf(json.RootElement.ValueKind)}.");
        else
            Resource.Table.Record.ReadMembers(json.RootElement, JsonPath.Root, faults, values, given, static _ => true);
        faults.ThrowIfAny();
        return (((IId)id).Value, values, given);
    }

    protected override async Task<Answer> HandleAsync(Call call, object? input, UnitOfWork work)
    {
        var (id, sent, given) = ((Guid, object?[], bool[]))input!;
        var known = await LockAsync(call, id, work);
        var faults = new InputFaults();
        var values = new object?[sent.Length];
        foreach (var column in Resource.Table.Columns)
        {
            var present = column.Member.Get(known.Row);
            values[column.Ordinal] = !given[column.Ordinal] ? present
                : column.Type is DocumentColumnType ? MergePatchDocument.Apply((JsonElement?)present, (JsonElement?)sent[column.Ordinal])
                : sent[column.Ordinal];
            if (given[column.Ordinal] && !IsWritable(column.Member) && !ColumnValues.AreSame(sent[column.Ordinal], present))
                faults.Add(JsonPath.Root[column.Member.Name], "readOnly", "The server sets this member. Leave it out.");
        }
        faults.ThrowIfAny();
        var row = Complete(values, JsonPath.Root, faults);
        faults.ThrowIfAny();
        Demand(call, row!);
        await RequireReferencesAsync(call, work, row!, known.Row, JsonPath.Root);
        if (Resource.Table.Columns.All(column => ColumnValues.AreSame(column.Member.Get(known.Row), values[column.Ordinal])))
            return Item(call, known.Row, known.Version, 200, withLocation: false); // nothing differs: no new version, no audit entry
        work.UpdateRow(Resource.Table.RowType, row!);
        return Item(call, row!, known.Version + 1, 200, withLocation: false);
    }
}

internal sealed class DeleteOperation(ResourceModel resource) : ResourceCommand(resource)
{
    public override IReadOnlyList<string> MediaTypes => [];

    public override object? ReadInput(Call call)
    {
        RefuseQuery(call);
        return ((IId)RouteIds.Read(Resource, call.Incoming.Route("id"))).Value;
    }

    protected override async Task<Answer> HandleAsync(Call call, object? input, UnitOfWork work)
    {
        var known = await LockAsync(call, (Guid)input!, work);
        work.DeleteRow(Resource.Table.RowType, known.Row);
        return new Answer(204, default) { Headers = [new("Cache-Control", "no-store")] };
    }
}

/// <summary>Values of columns, compared by what they say: arrays of bytes and documents are not equal to their like by themselves.</summary>
internal static class ColumnValues
{
    public static bool AreSame(object? left, object? right) => (left, right) switch
    {
        (JsonElement one, JsonElement other) => JsonElement.DeepEquals(one, other),
        (byte[] one, byte[] other) => one.AsSpan().SequenceEqual(other),
        _ => Equals(left, right),
    };
}

/// <summary>Where a row is found.</summary>
internal static class ResourceLocations
{
    public static string Of(ResourceModel resource, object row) => $"{resource.Path}/{resource.Table.Key.Member.Scalar!.Text(resource.Table.Key.Member.Get(row)!)}";
}
