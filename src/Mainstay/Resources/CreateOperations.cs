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
        Preconditions.Demand(call, version: null);
        work.InsertRow(Resource.Table.RowType, input!);
        return Item(call, input!, 1, 201, withLocation: true);
    }
}
