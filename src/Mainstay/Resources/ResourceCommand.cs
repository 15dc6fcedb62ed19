using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>What all operations that write a resource share.</summary>
internal abstract class ResourceCommand(ResourceModel resource) : CommandOperation
{
    public ResourceModel Resource => resource;

    public override IReadOnlyList<string> MediaTypes => [WireFormat.Json];

    protected static void RefuseQuery(Call call)
    {
        var faults = new InputFaults();
        foreach (var (name, _) in call.Incoming.Query.All)
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

    /// <summary>The id in the path and the members that the body gives, for a row that exists.</summary>
    /// <param name="call">The call.</param>
    /// <param name="isWhole">Whether members left out get their default; otherwise they stay as they are.</param>
    protected (Guid Id, object?[] Values, bool[] Given) ReadGiven(Call call, bool isWhole)
    {
        RefuseQuery(call);
        var id = RouteIds.Read(resource, call.Incoming.Route("id"));
        using var json = JsonBody.Parse(call.Body);
        var faults = new InputFaults();
        var (values, given) = (new object?[resource.Table.Columns.Count], new bool[resource.Table.Columns.Count]);
        if (json.RootElement.ValueKind == JsonValueKind.Object)
        {
            resource.Table.Record.ReadMembers(json.RootElement, JsonPath.Root, faults, values, given, static _ => true);
            foreach (var column in resource.Table.Columns.Where(column => isWhole && !given[column.Ordinal] && IsWritable(column.Member)))
                RecordShape.Default(column.Member, JsonPath.Root, faults, values);
        }
        else
            faults.Add(JsonPath.Root, "type", $"Expected an object, found {ScalarShape.NameOf(json.RootElement.ValueKind)}.");
        faults.ThrowIfAny();
        return (((IId)id).Value, values, given);
    }

    protected object? Complete(object?[] values, JsonPath path, InputFaults faults)
    {
        var row = resource.Table.Record.Create(values);
        resource.Table.Record.ValidateWhole(row, path, faults);
        return row;
    }

    /// <summary>The row named in the path, locked, if the caller may see and change it. Its conditions are asked last, by <see cref="DemandConditions"/>.</summary>
    protected async Task<UnitOfWork.Known> LockAsync(Call call, Guid id, UnitOfWork work)
    {
        var known = await work.LoadAsync(resource.Table.RowType, id, isLocked: true);
        if (known is null || !(resource.Read ?? Policy).Resolve(call.User, resource.Table.RowType).Holds(known.Row))
            throw ResourceReads.NotFound(resource, id);
        Demand(call, known.Row);
        return known;
    }

    /// <summary>Lets a change of a row pass whose conditions hold. The row is locked, so that of several writers with one tag the first one wins.</summary>
    protected void DemandConditions(Call call, UnitOfWork.Known known) => Preconditions.Demand(call, known.Version, resource.RequiresIfMatch);

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

    /// <summary>The row as it is after the change. The tag is the one that the next read of the row has.</summary>
    /// <param name="call">The call.</param>
    /// <param name="row">The row.</param>
    /// <param name="version">The version for the tag; null for none.</param>
    /// <param name="status">The status.</param>
    /// <param name="withLocation">Whether the row is new and the answer says where it is.</param>
    protected Answer Item(Call call, object row, long? version, int status, bool withLocation)
    {
        using var json = JsonScratch.Rent();
        call.Backend.Format.BeginItem(json.Writer, call.Operation.SubjectOf(resource));
        resource.Table.Write(json.Writer, row);
        call.Backend.Format.EndItem(json.Writer, call.Operation.SubjectOf(resource), call.RequestId);
        var headers = new List<KeyValuePair<string, string>> { new("Content-Type", WireFormat.Json), new("Cache-Control", "no-store") };
        if (version is { } known)
            headers.Add(new("ETag", ETags.OfRow(known, resource.Shape)));
        if (withLocation)
            headers.Add(new("Location", ResourceLocations.Of(resource, row)));
        return new Answer(status, json.ToArray()) { Headers = headers };
    }

    /// <summary>What a read-only member without a declared default starts with: its type's zero, or null.</summary>
    private static object? ServerDefault(Member member) => member.IsNullable ? null
        : member.Property.PropertyType == typeof(string) ? ""
        : Activator.CreateInstance(member.Property.PropertyType);
}

/// <summary>Where a row is found.</summary>
internal static class ResourceLocations
{
    public static string Of(ResourceModel resource, object row) => $"{resource.Path}/{resource.Table.Key.Member.Scalar!.Text(resource.Table.Key.Member.Get(row)!)}";
}
