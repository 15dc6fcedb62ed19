using Npgsql;

namespace Mainstay.Internal;

/// <summary>Three commands made from the declarations that work when they are pasted: a list, a change, and a look at what it did.</summary>
internal static class BannerExamples
{
    public static async Task<IReadOnlyList<string>> OfAsync(BackendModel model, string address, DevelopmentKeys? keys, Database database)
    {
        var ids = await IdsAsync(model, database);
        var examples = new List<string>();
        var lists = model.Operations.OfType<ListOperation>().Where(list => list.Parent is null).ToArray();
        if (lists.FirstOrDefault() is { } list)
            examples.Add($"curl '{address}{list.Pattern}?pageSize=3{(list.Resource.Sorts.Count > 0 ? "&sort=-" + list.Resource.Sorts[^1].Member.Name : "")}'{Authorization(list, keys)}");
        var command = model.Operations.OfType<DeclaredCommand>().FirstOrDefault(command => !command.IsInternal && command.Method == "POST" && command.Input.TakesBody && command.Input.RouteMembers.Length == 0 && AllKnown(command.Input.BodyMembers, ids));
        if (command is not null)
            examples.Add(Post(address, command, keys, ExampleJson.Of(command.Input.BodyMembers, type => ids.GetValueOrDefault(type))));
        else if (model.Operations.OfType<CreateOperation>().FirstOrDefault(create => create.Parent is null && AllKnown(Sent(create.Resource), ids)) is { } create)
            examples.Add(Post(address, create, keys, ExampleJson.Of(Sent(create.Resource), type => ids.GetValueOrDefault(type))));
        // What the change did, seen by whoever made it.
        var changer = command is null ? null : KeyFor(command, keys);
        if (lists.Skip(1).LastOrDefault(other => changer is null || Admits(other, changer)) is { } second)
            examples.Add($"curl '{address}{second.Pattern}?sort=-id&pageSize=3'{Header(changer ?? KeyFor(second, keys))}");
        return examples;
    }

    private static string Post(string address, Operation operation, DevelopmentKeys? keys, string body) =>
        $"curl -i -X POST {address}{operation.Pattern}{Authorization(operation, keys)} -H 'Content-Type: application/json' -H 'Idempotency-Key: \"{Guid.CreateVersion7()}\"' -d '{body.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    private static IEnumerable<Member> Sent(ResourceModel resource) =>
        resource.Table.Columns.Where(column => column != resource.Table.Key && !resource.ReadOnly.Contains(column)).Select(column => column.Member);

    private static bool AllKnown(IEnumerable<Member> members, Dictionary<Type, Guid?> ids) =>
        members.All(member => !member.Shape.Type.IsGenericType || member.Shape.Type.GetGenericTypeDefinition() != typeof(Id<>) || ids.ContainsKey(member.Shape.Type.GetGenericArguments()[0]));

    /// <summary>For each resource with rows, an id that exists. Fewer when the database goes away meanwhile: the backend serves already, and no example is worth its end.</summary>
    private static async Task<Dictionary<Type, Guid?>> IdsAsync(BackendModel model, Database database)
    {
        var ids = new Dictionary<Type, Guid?>();
        try
        {
            await ReadIdsAsync(model, database, ids);
        }
        catch (NpgsqlException e) when (DatabaseErrors.IsUnavailable(e))
        {
            // The banner has fewer examples; the first request says what is wrong.
        }
        return ids;
    }

    private static async Task ReadIdsAsync(BackendModel model, Database database, Dictionary<Type, Guid?> ids)
    {
        foreach (var table in model.Tables.Models)
        {
            await using var command = database.Source.CreateCommand($"select {table.Key.QuotedName} from {table.QuotedName} order by 1 limit 1");
            if (await command.ExecuteScalarAsync() is Guid id)
                ids[table.RowType] = id;
        }
    }

    private static DevelopmentKey? KeyFor(Operation operation, DevelopmentKeys? keys) =>
        operation.Policy.Resolve(User.Anonymous, operation.RowType) != Predicate.Never ? null : keys?.Keys.FirstOrDefault(key => Admits(operation, key));

    private static bool Admits(Operation operation, DevelopmentKey key) => operation.Policy.Resolve(key.User, operation.RowType) != Predicate.Never;

    private static string Authorization(Operation operation, DevelopmentKeys? keys) => Header(KeyFor(operation, keys));

    private static string Header(DevelopmentKey? key) => key is null ? "" : $" -H 'Authorization: Bearer {key.Key}'";
}
