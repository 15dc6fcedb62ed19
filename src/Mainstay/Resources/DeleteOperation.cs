namespace Mainstay.Internal;

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
        DemandConditions(call, known);
        work.DeleteRow(Resource.Table.RowType, known.Row);
        return new Answer(204, default) { Headers = [new("Cache-Control", "no-store")] };
    }
}
