using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>Creates several rows: all or none.</summary>
internal sealed class BulkCreateOperation(ResourceModel resource) : BatchCommand(resource)
{
    protected override BatchElement? ReadElement(JsonElement json, int number, InputFaults faults) =>
        ReadNew(json, JsonPath.Root[number], faults, null) is { } row ? new BatchElement(number, ((IId)Resource.Table.Key.Member.Get(row)!).Value) { New = row } : null;

    protected override async Task<Answer> HandleAsync(Call call, BatchElement[] elements, UnitOfWork work)
    {
        var faults = new BatchFaults();
        foreach (var element in elements)
            if (!IsAdmitted(call, element.Row!))
                faults.Add(ProblemCatalogue.Forbidden, element.Path, "forbidden", $"This caller may not create this row; '{Name}' needs {Policy.Describe()}.");
        await RequireReferencesAsync(call, work, elements, faults);
        faults.ThrowIfAny();
        foreach (var element in elements)
        {
            work.InsertRow(Resource.Table.RowType, element.Row!);
            element.Version = 1;
        }
        return Rows(call, elements, 201);
    }
}

/// <summary>
/// Changes several rows: all or none. Each element names its row by <c>id</c>, may name the state it expects by <c>ifMatch</c>, and is otherwise a JSON merge
/// patch.
/// </summary>
internal sealed class BulkPatchOperation(ResourceModel resource) : BatchCommand(resource)
{
    protected override BatchElement? ReadElement(JsonElement json, int number, InputFaults faults)
    {
        var path = JsonPath.Root[number];
        if (json.ValueKind != JsonValueKind.Object)
        {
            faults.Add(path, "type", $"Expected an object, found {ScalarShape.NameOf(json.ValueKind)}.");
            return null;
        }
        var key = Resource.Table.Key;
        var (values, given) = (new object?[Resource.Table.Columns.Count], new bool[Resource.Table.Columns.Count]);
        Resource.Table.Record.ReadMembers(json, path, faults, values, given, static _ => true, except: IfMatch);
        var ifMatch = ReadIfMatch(json, path, faults);
        if (!given[key.Ordinal])
            faults.Add(path[key.Member.Name], "required", "The member is required: it names the row.");
        return values[key.Ordinal] is IId id ? new BatchElement(number, id.Value) { IfMatch = ifMatch, Values = values, Given = given } : null;
    }

    protected override async Task<Answer> HandleAsync(Call call, BatchElement[] elements, UnitOfWork work)
    {
        var faults = new BatchFaults();
        await LockAllAsync(call, elements, work, faults);
        foreach (var element in elements.Where(element => element.Before is not null))
            Change(call, element, faults);
        await RequireReferencesAsync(call, work, elements, faults);
        faults.ThrowIfAny();
        foreach (var element in elements)
            if (Resource.Table.Columns.Any(column => !ColumnValues.AreSame(column.Member.Get(element.Before!), column.Member.Get(element.Row!))))
            {
                work.UpdateRow(Resource.Table.RowType, element.Row!, element.Number);
                element.Version++;
            }
        return Rows(call, elements, 200);
    }

    private void Change(Call call, BatchElement element, BatchFaults faults)
    {
        var own = new InputFaults();
        var values = MergePatchRow.Apply(Resource.Table, element.Before!, element.Values!, element.Given!, IsWritable, element.Path, own);
        var row = own.Any ? null : Complete(values, element.Path, own);
        element.Row = own.Any ? null : row;
        foreach (var error in own.Errors)
            faults.Add(ProblemCatalogue.ValidationFailed, error);
        if (element.Row is not null && !IsAdmitted(call, element.Row))
            faults.Add(ProblemCatalogue.Forbidden, element.Path, "forbidden", $"This caller may not give this row these values; '{Name}' needs {Policy.Describe()}.");
    }
}

/// <summary>Deletes several rows: all or none. An element is an id, or an object with <c>id</c> and <c>ifMatch</c>.</summary>
internal sealed class BulkDeleteOperation(ResourceModel resource) : BatchCommand(resource)
{
    protected override BatchElement? ReadElement(JsonElement json, int number, InputFaults faults)
    {
        var path = JsonPath.Root[number];
        var scalar = Resource.Table.Key.Member.Scalar!;
        if (json.ValueKind != JsonValueKind.Object)
            return scalar.Read(json, path, faults) is IId plain ? new BatchElement(number, plain.Value) : null;
        var name = Resource.Table.Key.Member.Name;
        object? id = null;
        var isGiven = false;
        foreach (var property in json.EnumerateObject())
            if (!StrictText.TryGetName(property, out var member) || (member != name && member != IfMatch))
                faults.Add(path[member], "unknown", $"There is no such member. Expected {name} and {IfMatch}.");
            else if (member == name && isGiven)
                faults.Add(path[name], "duplicate", "The member is given twice.");
            else if (member == name)
                (id, isGiven) = (scalar.Read(property.Value, path[name], faults), true);
        if (!isGiven)
            faults.Add(path[name], "required", "The member is required: it names the row.");
        var ifMatch = ReadIfMatch(json, path, faults);
        return id is IId given ? new BatchElement(number, given.Value) { IfMatch = ifMatch } : null;
    }

    protected override async Task<Answer> HandleAsync(Call call, BatchElement[] elements, UnitOfWork work)
    {
        var faults = new BatchFaults();
        await LockAllAsync(call, elements, work, faults);
        faults.ThrowIfAny();
        foreach (var element in elements)
        {
            element.Row = element.Before;
            work.DeleteRow(Resource.Table.RowType, element.Before!, element.Number);
        }
        return new Answer(204, default) { Headers = [new("Cache-Control", "no-store")] };
    }
}
