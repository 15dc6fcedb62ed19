namespace Mainstay.Internal;

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
