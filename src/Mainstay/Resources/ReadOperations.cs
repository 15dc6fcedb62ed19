namespace Mainstay.Internal;

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
