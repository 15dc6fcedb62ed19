using System.Globalization;
using System.Text.Json.Nodes;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>An operation with all that a valid call of it needs: rows, a caller, a path and a body.</summary>
internal sealed class CheckScene(TestBackend shop, Operation operation, CheckOptions options)
{
    /// <summary>The id of the user that signs in, which rows that belong to somebody belong to.</summary>
    private const string UserId = "check-1";

    public TestBackend Shop => shop;

    public Operation Operation => operation;

    public CheckOptions Options => options;

    /// <summary>By table, the id of a row that the call names.</summary>
    private readonly Dictionary<TableModel, object> _named = [];

    private BackendModel Model => shop.Node.Running.Model;

    /// <summary>Whether callers who have not signed in get past the policy.</summary>
    public bool IsForAnyone => operation.Policy.Resolve(User.Anonymous, operation.RowType) != Predicate.Never;

    /// <summary>Somebody whom the policy admits, as far as it asks for roles and permissions.</summary>
    public TestCaller Caller => IsForAnyone ? shop.Anonymous : shop.As(User);

    private User User => new(UserId, operation.Policy.Roles, operation.Policy.Permissions);

    /// <summary>Inserts what a call needs and makes the call.</summary>
    public async Task<CheckRequest> PrepareAsync()
    {
        _named.Clear();
        var names = new Dictionary<string, string>();
        object? row = null;
        foreach (var name in RoutePatterns.Parameters(operation.Pattern))
            names[name] = await ParameterAsync(name, inserted => row = inserted);
        var path = string.Join('/', operation.Pattern.Split('/').Select(segment => segment.StartsWith('{') ? Uri.EscapeDataString(names[segment.Trim('{', '}')]) : segment));
        var query = await QueryAsync();
        return new CheckRequest(operation.Method, path + query, await BodyAsync(row), operation is PatchOperation or BulkPatchOperation ? operation.MediaTypes[0] : null);
    }

    /// <summary>Inserts what another call needs, in a database that nothing of the calls before is in, and makes that call.</summary>
    public async Task<CheckRequest> PrepareAnewAsync()
    {
        await shop.EmptyAsync();
        return await PrepareAsync();
    }

    /// <summary>Why a check could not look whose valid call was refused.</summary>
    public string Unfit(TestReply refusal) => $"the generated input is refused with {refusal.Status} {refusal.Code}: give a valid one in CheckOptions.Inputs[\"{operation.Name}\"]";

    /// <summary>A path of which the ids do not exist.</summary>
    public string PathOfNothing() => string.Join('/', operation.Pattern.Split('/').Select(segment => segment.StartsWith('{') ? "01890a5d-ac96-774b-bcce-b302099a8057" : segment));

    /// <summary>Makes the call; a command under a key of its own, which it may require.</summary>
    public Task<TestReply> SendAsync(CheckRequest request, string? key = null) => SendAsync(Caller, request, key ?? (operation.IsCommand ? Guid.CreateVersion7().ToString() : null));

    public static Task<TestReply> SendAsync(TestCaller caller, CheckRequest request, string? key = null)
    {
        string[] headers = [.. request.MediaType is { } type ? [$"Content-Type: {type}"] : Array.Empty<string>(), .. key is null ? Array.Empty<string>() : [$"Idempotency-Key: \"{key}\""]];
        return caller.SendAsync(request.Method, request.Path, request.Body?.ToJsonString(), headers);
    }

    /// <summary>What the application's tables have, and what was enqueued: by table, how many rows and a number that changes with their content.</summary>
    public async Task<SortedDictionary<string, (long Rows, string Content)>> EffectsAsync()
    {
        await shop.DrainAsync(new DrainOptions { AllowsDeadLetters = true });
        List<string> tables = ["mainstay_testing.sent", .. await shop.Run.TablesAsync()];
        var effects = new SortedDictionary<string, (long, string)>(StringComparer.Ordinal);
        foreach (var table in tables)
        {
            await using var command = shop.Database.CreateCommand($"select count(*), coalesce(sum(hashtextextended(known::text, 0)::numeric), 0)::text from {table} known");
            await using var reader = await command.ExecuteReaderAsync();
            await reader.ReadAsync();
            effects[table] = (reader.GetInt64(0), reader.GetString(1));
        }
        foreach (var (name, calls) in shop.Run.Fakes.Counts)
            effects[$"calls of '{name}'"] = (calls, calls.ToString(CultureInfo.InvariantCulture));
        return effects;
    }

    /// <summary>Whether the answer is a list whose elements grow with the data.</summary>
    public bool IsList => operation is ListOperation or DeclaredQuery { Declaration.Handler.ElementOfResult: not null };

    /// <summary>Whether it is done after it was answered.</summary>
    public bool IsLongRunning => Declared is { Declaration.LongRunningWithin: not null };

    public bool HasTables => Model.Tables.Models.Count > 0;

    /// <summary>Inserts rows of all resources.</summary>
    /// <param name="count">So many of each.</param>
    /// <param name="isOfCall">Whether they belong to the rows that the call names, where they can.</param>
    /// <returns>A table of which none could be made, and why; null when there is none.</returns>
    public async Task<string?> GrowAsync(int count, bool isOfCall)
    {
        string? unmade = null;
        foreach (var table in Model.Tables.Models)
        {
            var owners = isOfCall ? OwnersOf(table) : [];
            try
            {
                await shop.InsertAsync([.. Enumerable.Range(0, count).Select(_ => Make(table, owners))]);
            }
            catch (Exception e) when (e is ProblemException or InvalidOperationException)
            {
                unmade ??= $"there were no more rows of {table.Name}: {e.Message}";
            }
        }
        return unmade;
    }

    /// <summary>The rows that the call names, as far as many rows of a table can belong to them.</summary>
    private List<(Column Column, object Value)> OwnersOf(TableModel table) =>
        [.. from column in table.Columns
            where column.Reference is { } owner && _named.ContainsKey(owner) && !table.Indexes.Any(index => index.IsUnique && index.Columns.Count == 1 && index.Columns[0] == column)
            select (column, _named[column.Reference!])];

    private async Task<string> ParameterAsync(string name, Action<object> found)
    {
        if (Declared?.Input.RouteMembers.FirstOrDefault(member => member.Name == name) is { } member)
            return member.Scalar!.Text((await ValueAsync(member))!);
        var table = name == "parentId" ? ParentTable! : ResourceOf(operation)!.Table;
        var row = await InsertAsync(table);
        found(row);
        return table.Key.Member.Scalar!.Text(table.Key.Member.Get(row)!);
    }

    private async Task<string> QueryAsync()
    {
        var parts = new List<string>();
        foreach (var member in QueryMembers.Where(member => member.IsRequired))
            parts.Add($"{member.Name}={Uri.EscapeDataString(member.Scalar!.Text((await ValueAsync(member))!))}");
        return parts.Count == 0 ? "" : "?" + string.Join('&', parts);
    }

    public IReadOnlyList<Member> QueryMembers => Declared?.Input.QueryMembers ?? [];

    /// <summary>The members of the body that the caller sets.</summary>
    public IReadOnlyList<Member> BodyMembers => Declared is { } declared ? declared.Input.BodyMembers
        : operation is CreateOperation or ReplaceOperation or PatchOperation or BulkCreateOperation or BulkPatchOperation ? [.. Written(ResourceOf(operation)!).Where(member => (operation as CreateOperation)?.Parent?.Column.Member != member)]
        : [];

    private async Task<JsonNode?> BodyAsync(object? row)
    {
        if (operation.MediaTypes.Count == 0)
            return null;
        if (options.Inputs.TryGetValue(operation.Name, out var given))
        {
            var json = JsonNode.Parse(await given(shop) is var body && body is string text ? text : TestJson.Of(body));
            NoteNamed(json);
            return json;
        }
        if (operation is BulkPatchOperation or BulkDeleteOperation)
            row = await InsertAsync(ResourceOf(operation)!.Table);
        return operation switch
        {
            BulkCreateOperation => new JsonArray(await ObjectAsync(BodyMembers), await ObjectAsync(BodyMembers)),
            BulkPatchOperation => new JsonArray(await ChangeAsync(row!, withId: true)),
            BulkDeleteOperation => new JsonArray(KeyOf(row!)),
            PatchOperation => await ChangeAsync(row!, withId: false),
            _ => await ObjectAsync(BodyMembers),
        };
    }

    private async Task<JsonObject> ChangeAsync(object row, bool withId)
    {
        var change = await ObjectAsync(BodyMembers.Where(member => member.IsRequired && member.Scalar is { } scalar && !IsId(scalar.Type)).Take(1));
        if (withId)
            change["id"] = KeyOf(row);
        return change;
    }

    private JsonValue KeyOf(object row) => JsonValue.Create(ResourceOf(operation)!.Table.Key.Member.Scalar!.Text(ResourceOf(operation)!.Table.Key.Member.Get(row)!));

    private async Task<JsonObject> ObjectAsync(IEnumerable<Member> members)
    {
        var json = new JsonObject();
        foreach (var member in members.Where(member => member.IsRequired))
            json[member.Name] = await ValueAsync(member) is { } value ? JsonNode.Parse(StoredJson.Write(value, member.Property.PropertyType)) : null;
        return json;
    }

    /// <summary>A value for a member; an id of a resource is that of a row that is there.</summary>
    private async Task<object?> ValueAsync(Member member)
    {
        var type = member.Shape.Type;
        if (TableOf(type) is { } table)
            return table.Key.Member.Get(await InsertAsync(table));
        return member.Property.Name is "From" or "Since" && type == typeof(DateTimeOffset) ? shop.Clock.GetUtcNow().AddDays(-1)
            : shop.Factory.Value(member);
    }

    /// <summary>Notes the ids in a body that the test has given.</summary>
    private void NoteNamed(JsonNode? body)
    {
        foreach (var member in BodyMembers)
            if (TableOf(member.Shape.Type) is { } table && body is JsonObject json && json[member.Name] is JsonValue value && value.TryGetValue<string>(out var text) && member.Scalar!.TryParse(text, out var id))
                _named.TryAdd(table, id!);
    }

    /// <summary>Inserts a row for the call.</summary>
    private async Task<object> InsertAsync(TableModel table)
    {
        var row = Make(table, []);
        await shop.InsertAsync(row);
        _named.TryAdd(table, table.Key.Member.Get(row)!);
        return row;
    }

    /// <summary>A row that belongs to the caller, where the policy asks whose it is.</summary>
    private object Make(TableModel table, IReadOnlyList<(Column Column, object Value)> with)
    {
        var row = shop.Factory.Make(table.RowType);
        foreach (var (column, value) in with)
            row = Rows.With(table, row, column, value);
        foreach (var name in ReadOf(table)?.EqualityMembers.Concat(operation.RowType == table.RowType ? operation.Policy.EqualityMembers : []).Distinct() ?? [])
            if (table.FindMember(name) is { } column && column.Member.Property.PropertyType == typeof(string))
                row = Rows.With(table, row, column, UserId);
        return row;
    }

    private TableModel? TableOf(Type type) => IsId(type) ? Model.Tables.Find(type.GetGenericArguments()[0]) : null;

    private Policy? ReadOf(TableModel table) => shop.Node.Resources.FirstOrDefault(resource => resource.Table == table)?.Read;

    private TableModel? ParentTable => operation switch { ListOperation { Parent: { } parent } => parent.Resource.Table, CreateOperation { Parent: { } parent } => parent.Resource.Table, _ => null };

    private (DeclaredInput Input, OperationDeclaration Declaration)? Declared => operation switch
    {
        DeclaredCommand command => (command.Input, command.Declaration),
        DeclaredQuery query => (query.Input, query.Declaration),
        _ => null,
    };

    private static ResourceModel? ResourceOf(Operation operation) => operation switch
    {
        ListOperation list => list.Resource,
        GetOperation get => get.Resource,
        ResourceCommand command => command.Resource,
        _ => null,
    };

    private static IEnumerable<Member> Written(ResourceModel resource) =>
        resource.Table.Columns.Where(column => column != resource.Table.Key && !resource.ReadOnly.Contains(column)).Select(column => column.Member);

    private static bool IsId(Type type) => type.IsGenericType && type.GetGenericTypeDefinition() == typeof(Id<>);
}

/// <summary>A call that is ready to be sent.</summary>
/// <param name="Method">The HTTP method.</param>
/// <param name="Path">Path and query.</param>
/// <param name="Body">The body; null for none.</param>
/// <param name="MediaType">Its type, where it is not ordinary JSON.</param>
internal sealed record CheckRequest(string Method, string Path, JsonNode? Body, string? MediaType)
{
    public override string ToString() => $"{Method} {Path}{(Body is null ? "" : " " + Body.ToJsonString())}";
}
