namespace Mainstay.Internal;

internal sealed class ListOperation(ResourceModel resource, NestedParent? parent) : Operation
{
    public ResourceModel Resource => resource;

    public NestedParent? Parent => parent;

    public override bool IsCommand => false;

    public override object? ReadInput(Call call)
    {
        var owner = parent is null ? null : ParentFilter(parent, parent.Id(call));
        return ListQuery.Read(resource, call.Incoming.Query, call.User, call.Backend.Cursors, owner);
    }

    public override ValueTask<Answer> RunAsync(Call call, object? input)
    {
        var query = (ListQuery)input!;
        return query.IsOpened ? ListAsync(call, query) : OpenAndListAsync(call, query);
    }

    private async ValueTask<Answer> OpenAndListAsync(Call call, ListQuery query)
    {
        await query.OpenAsync(call.Backend.Keys, call.Cancellation);
        return await ListAsync(call, query);
    }

    private ValueTask<Answer> ListAsync(Call call, ListQuery query) =>
        new ResourceReads(call.Backend, resource).ListAsync(call, query, parent is null ? null : (parent.Resource, ((IId)parent.Id(call)).Value));

    /// <summary>As the operator no parameter has, so that a cursor of the nested list is not one of the list with that filter: the parent's visibility is asked for in only one of them.</summary>
    private static ListFilter ParentFilter(NestedParent parent, object id) => new(parent.Column, "of", id, parent.Resource.Table.Key.Member.Scalar!.Text(id));
}

internal sealed class GetOperation(ResourceModel resource) : Operation
{
    public ResourceModel Resource => resource;

    public override bool IsCommand => false;

    public override object? ReadInput(Call call)
    {
        if (call.Incoming.Query.All.IsEmpty)
            return (((IId)RouteIds.Read(resource, call.Incoming.Route("id"))).Value, Representation.Full);
        var faults = new InputFaults();
        foreach (var (name, _) in call.Incoming.Query.All)
            if (name is not ("fields" or "include"))
                faults.Add(FieldError.In(name, "unknown", $"There is no such parameter.{Suggestion.For(name, ["fields", "include"])} Accepted: fields, include."));
        var representation = Representation.Read(resource, call.Incoming.Query, faults);
        faults.ThrowIfAny(ProblemCatalogue.InvalidParameter);
        return (((IId)RouteIds.Read(resource, call.Incoming.Route("id"))).Value, representation);
    }

    public override ValueTask<Answer> RunAsync(Call call, object? input)
    {
        var (id, representation) = ((Guid, Representation))input!;
        return new ResourceReads(call.Backend, resource).GetAsync(call, id, representation);
    }
}
