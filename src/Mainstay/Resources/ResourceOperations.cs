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
            yield return new CreateOperation(resource, null) { Name = $"POST {resource.Path}", Method = "POST", Pattern = resource.Path, Policy = create, RowType = resource.Table.RowType, RequiresKey = resource.RequiresKey, IsCoalesced = resource.IsCoalesced };
            yield return new BulkCreateOperation(resource) { Name = $"POST {resource.Path}:batch", Method = "POST", Pattern = $"{resource.Path}:batch", Policy = create, RowType = resource.Table.RowType, RequiresKey = resource.RequiresKey };
        }
        if (resource.Update is { } update)
        {
            yield return new ReplaceOperation(resource) { Name = $"PUT {item}", Method = "PUT", Pattern = item, Policy = update, RowType = resource.Table.RowType, RequiresKey = resource.RequiresKey };
            yield return new BulkPatchOperation(resource) { Name = $"PATCH {resource.Path}:batch", Method = "PATCH", Pattern = $"{resource.Path}:batch", Policy = update, RowType = resource.Table.RowType, RequiresKey = resource.RequiresKey };
            yield return new PatchOperation(resource) { Name = $"PATCH {item}", Method = "PATCH", Pattern = item, Policy = update, RowType = resource.Table.RowType, RequiresKey = resource.RequiresKey };
        }
        if (resource.Delete is { } delete)
        {
            yield return new BulkDeleteOperation(resource) { Name = $"POST {resource.Path}:batchDelete", Method = "POST", Pattern = $"{resource.Path}:batchDelete", Policy = delete, RowType = resource.Table.RowType, RequiresKey = resource.RequiresKey };
            yield return new DeleteOperation(resource) { Name = $"DELETE {item}", Method = "DELETE", Pattern = item, Policy = delete, RowType = resource.Table.RowType, RequiresKey = resource.RequiresKey };
        }

        foreach (var parent in resource.Parents)
        {
            var owner = new NestedParent(all.First(candidate => candidate.Table.RowType == parent.Type), parent.Column);
            var nested = $"{owner.Resource.Path}/{{parentId}}/{resource.Name}";
            if (resource.Read is { } readNested)
                yield return new ListOperation(resource, owner) { Name = $"GET {nested}", Method = "GET", Pattern = nested, Policy = readNested, RowType = resource.Table.RowType };
            if (resource.Create is { } createNested)
                yield return new CreateOperation(resource, owner) { Name = $"POST {nested}", Method = "POST", Pattern = nested, Policy = createNested, RowType = resource.Table.RowType, RequiresKey = resource.RequiresKey, IsCoalesced = resource.IsCoalesced };
        }
    }
}
