using System.Buffers;
using System.Text.Json;

namespace Mainstay.Internal;

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
            call.Backend.Format.BeginList(writer, call.Operation.SubjectOf(Resource));
            foreach (var row in rows)
            {
                Demand(call, row);
                work.InsertRow(Resource.Table.RowType, row);
                Resource.Table.Write(writer, row);
            }
            call.Backend.Format.EndList(writer, call.Operation.SubjectOf(Resource), rows.Count, call.RequestId);
        }
        return new Answer(201, buffer.WrittenMemory) { Headers = [new("Content-Type", WireFormat.Json), new("Cache-Control", "no-store")] };
    }
}
