using System.Collections;
using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>Reads the input record of a declared operation from route, query and body, in one pass that reports every fault.</summary>
internal sealed class DeclaredInput
{
    private readonly RecordShape? _shape;
    private readonly HashSet<string> _routeNames;
    private readonly bool _hasBody;

    /// <exception cref="ConfigurationException">MST1002 or MST1003: the input cannot be read.</exception>
    public DeclaredInput(OperationDeclaration declaration)
    {
        _routeNames = [.. RoutePatterns.Parameters(declaration.Pattern)];
        _hasBody = declaration.Method is "POST" or "PUT" or "PATCH";
        if (declaration.Handler.Input is not { } type)
        {
            if (_routeNames.Count > 0)
                throw new ConfigurationException("MST1002", $"'{declaration.Name}' has the route parameter '{_routeNames.First()}' but its handler takes no input record. Add a record with that member as the first parameter.");
            return;
        }
        if (Shape.Of(type) is not RecordShape { CanCreate: true } shape)
            throw new ConfigurationException("MST1003", $"{type.Name} cannot be the input of '{declaration.Name}', expected a positional record.");
        _shape = shape;
        foreach (var name in _routeNames)
            if (shape.Find(name)?.Scalar is null)
                throw new ConfigurationException("MST1002", $"'{declaration.Name}' has the route parameter '{name}', but {type.Name} has no single-valued member of that name.{Suggestion.For(name, shape.Members.Select(member => member.Name))}");
        if (!_hasBody && shape.Inputs.FirstOrDefault(member => member.Scalar is null) is { } many)
            throw new ConfigurationException("MST1002", $"'{declaration.Name}' takes no body, so {type.Name}.{many.Property.Name} would come from the query string, where only single values fit. Make it a single value, or use POST.");
    }

    public bool TakesBody => _hasBody && _shape is not null && BodyMembers.Length > 0;

    // Asked for by every call, so they are found once.
    public Member[] RouteMembers => field ??= [.. _shape?.Inputs.Where(member => _routeNames.Contains(member.Name)) ?? []];

    public Member[] BodyMembers => field ??= _hasBody ? OutsideOfRoute : [];

    public Member[] QueryMembers => field ??= _hasBody ? [] : OutsideOfRoute;

    private Member[] OutsideOfRoute => [.. _shape?.Inputs.Where(member => !_routeNames.Contains(member.Name)) ?? []];

    public object? Read(Call call)
    {
        var faults = new InputFaults();
        var query = call.Incoming.Query;
        foreach (var (name, _) in query.All)
            if (!Array.Exists(QueryMembers, member => member.Name == name))
                faults.Add(FieldError.In(name, "unknown", $"There is no such parameter.{Suggestion.For(name, QueryMembers.Select(member => member.Name))}"));
        if (_shape is null)
        {
            faults.ThrowIfAny(ProblemCatalogue.InvalidParameter);
            return null;
        }
        var values = new object?[RouteMembers.Length + BodyMembers.Length + QueryMembers.Length];
        var given = new bool[values.Length];
        foreach (var member in RouteMembers)
        {
            given[member.Position] = true;
            values[member.Position] = member.Scalar!.TryParse(call.Incoming.Route(member.Name) ?? "", out var value)
                ? Checked(member, value!, faults)
                : throw ProblemCatalogue.NotFound.Because($"The path holds no valid '{member.Name}', expected {member.Scalar.Expected}.");
        }
        foreach (var member in QueryMembers)
            if (query.Find(member.Name) is { } text)
            {
                given[member.Position] = true;
                if (member.Scalar!.TryParse(text, out var value))
                    values[member.Position] = Checked(member, value!, faults);
                else
                    faults.Add(FieldError.In(member.Name, "type", $"Expected {member.Scalar.Expected}."));
            }
            else if (member.IsRequired)
                faults.Add(FieldError.In(member.Name, "required", "The parameter is required."));
            else
                values[member.Position] = member.Default;
        faults.ThrowIfAny(ProblemCatalogue.InvalidParameter);
        if (TakesBody)
            ReadBody(call, values, given, faults);
        faults.ThrowIfAny();
        var input = _shape.Create(values);
        _shape.ValidateWhole(input, JsonPath.Root, faults);
        faults.ThrowIfAny();
        return input;
    }

    private void ReadBody(Call call, object?[] values, bool[] given, InputFaults faults)
    {
        using var json = JsonBody.Parse(call.Body);
        if (json.RootElement.ValueKind != JsonValueKind.Object)
        {
            faults.Add(JsonPath.Root, "type", $"Expected an object, found {ScalarShape.NameOf(json.RootElement.ValueKind)}.");
            return;
        }
        _shape!.ReadMembers(json.RootElement, JsonPath.Root, faults, values, given, member => !_routeNames.Contains(member.Name));
        foreach (var member in BodyMembers)
            if (!given[member.Position])
                RecordShape.Default(member, JsonPath.Root, faults, values);
    }

    /// <summary>Checks a parameter's bounds; faults name the parameter instead of a place in the body.</summary>
    private static object Checked(Member member, object value, InputFaults faults)
    {
        var own = new InputFaults();
        member.Validate(value, JsonPath.Root, own);
        foreach (var fault in own.Errors)
            faults.Add(FieldError.In(member.Name, fault.Code, fault.Detail));
        return value;
    }
}

/// <summary>A handler's result as an answer.</summary>
internal static class ResultAnswers
{
    /// <param name="call">The call.</param>
    /// <param name="declaration">What the operation promises.</param>
    /// <param name="result">What the handler returned.</param>
    /// <param name="work">The transaction of a command, which has not been committed; null for a query. The conditions of the request are about the row that a
    /// command returns, as it was before: the handler has found it, so it is known only now, and a refusal rolls everything back.</param>
    public static Answer Of(Call call, OperationDeclaration declaration, object? result, UnitOfWork? work)
    {
        if (result is null && !declaration.Handler.MayReturnNull)
            throw new InvalidOperationException($"The handler of '{declaration.Name}' returned null, expected {declaration.Handler.Result!.Name}. When null is meant, say so in its result type, so that callers know: async Task<{declaration.Handler.Result.Name}?> (…) => …");
        if (result is null)
            return work is not null ? Nothing(call) : throw ProblemCatalogue.NotFound.Because("There is nothing that matches.");
        var isRow = call.Backend.Resources.TryGetValue(result.GetType(), out var resource);
        var id = isRow ? ((IId)resource!.Table.Key.Member.Get(result)!).Value : default;
        var isCreated = isRow && work is not null && call.Operation is DeclaredCommand { NamesRow: false } && work.Changes.Any(change => change.Kind == ChangeKind.Insert && change.Table == resource!.Table && change.Id == id);
        var version = isRow ? work?.VersionOf(result.GetType(), id) : null;
        if (work is not null)
            Preconditions.Demand(call, isRow && !isCreated ? version - work.Changes.Count(change => change.Kind == ChangeKind.Update && change.Table == resource!.Table && change.Id == id) : null);
        var headers = new List<KeyValuePair<string, string>> { new("Content-Type", WireFormat.Json) };
        if (work is not null)
            headers.Add(new("Cache-Control", "no-store"));
        else
            headers.AddRange([new("Cache-Control", Cache(call).Field(call.Operation.Policy == Policy.Anyone)), new("Vary", "Authorization")]);
        if (isCreated)
            headers.Add(new("Location", ResourceLocations.Of(resource!, result)));
        if (version is { } known)
            headers.Add(new("ETag", ETags.OfRow(known, resource!.Shape)));
        return new Answer(isCreated ? 201 : 200, Body(call, declaration, result, resource)) { Headers = headers };
    }

    private static Answer Nothing(Call call)
    {
        Preconditions.Demand(call, version: null);
        return new Answer(204, default) { Headers = [new("Cache-Control", "no-store")] };
    }

    private static CachePolicy Cache(Call call) => (call.Operation as DeclaredQuery)?.Declaration.Caching ?? CachePolicy.Revalidate;

    private static ReadOnlyMemory<byte> Body(Call call, OperationDeclaration declaration, object result, ResourceModel? resource)
    {
        var format = call.Backend.Format;
        var requestId = call.Operation.IsCommand ? call.RequestId : null;
        using var json = JsonScratch.Rent();
        var writer = json.Writer;
        if (result is IEnumerable items and not string and not byte[])
        {
            var count = 0;
            var subject = call.Operation.SubjectOf(declaration.Handler.ElementOfResult is { } element ? call.Backend.Resources.GetValueOrDefault(element) : null);
            format.BeginList(writer, subject);
            foreach (var item in items)
            {
                if (item is null)
                    writer.WriteNullValue();
                else
                    Write(call, writer, item);
                count++;
                RefuseOversized(declaration, writer);
            }
            format.EndList(writer, subject, count, requestId);
        }
        else
        {
            var subject = call.Operation.SubjectOf(resource);
            format.BeginItem(writer, subject);
            Write(call, writer, result);
            format.EndItem(writer, subject, requestId);
        }
        RefuseOversized(declaration, writer);
        RefuseNul(declaration, json.Written);
        return json.ToArray();
    }

    /// <exception cref="InvalidOperationException">The result is longer than any answer may be.</exception>
    private static void RefuseOversized(OperationDeclaration declaration, Utf8JsonWriter writer)
    {
        if (writer.BytesCommitted + writer.BytesPending > OperationDefaults.AnswerBytesMost)
            throw new InvalidOperationException($"The result of '{declaration.Name}' has more than {OperationDefaults.AnswerBytesMost} bytes of JSON. Return less: add a limit to the query, or make a resource of it, which has pages.");
    }

    /// <exception cref="InvalidOperationException">A text of the result has U+0000, which no text has: callers rely on being able to store and send back what they get.</exception>
    private static void RefuseNul(OperationDeclaration declaration, ReadOnlySpan<byte> json)
    {
        if (JsonNul.IsIn(json))
            throw new InvalidOperationException($"The result of '{declaration.Name}' has a text with U+0000. Remove it from the text, or return bytes.");
    }

    /// <summary>A resource's row looks as it does when it is read; everything else as its shape says.</summary>
    private static void Write(Call call, Utf8JsonWriter writer, object value)
    {
        if (call.Backend.Resources.TryGetValue(value.GetType(), out var resource))
            resource.Table.Write(writer, value);
        else
            Shape.Of(value.GetType()).Write(writer, value);
    }
}

/// <summary>A declared command: one unit of work.</summary>
internal class DeclaredCommand(OperationDeclaration declaration) : CommandOperation
{
    public OperationDeclaration Declaration => declaration;

    public DeclaredInput Input { get; } = new(declaration);

    /// <summary>Whether the path has the id of a row of the type that is returned: then the answer shows that row, and is never 201.</summary>
    public bool NamesRow { get; } = declaration.Handler.Result is { } row && RoutePatterns.Parameters(declaration.Pattern).Any(name =>
        (Shape.Of(declaration.Handler.Input!) as RecordShape)?.Find(name)?.Scalar?.Type is { IsGenericType: true } id && id.GetGenericTypeDefinition() == typeof(Id<>) && id.GetGenericArguments()[0] == row);

    public override IReadOnlyList<string> MediaTypes => Input.TakesBody ? [WireFormat.Json] : [];

    public override object? ReadInput(Call call) => Input.Read(call);

    protected override async Task<Answer> HandleAsync(Call call, object? input, UnitOfWork work) =>
        ResultAnswers.Of(call, declaration, await declaration.Handler.InvokeAsync(input, work, call.Incoming.Services, call.Cancellation), work);
}

/// <summary>A declared query: one snapshot.</summary>
internal sealed class DeclaredQuery(OperationDeclaration declaration) : Operation
{
    public OperationDeclaration Declaration => declaration;

    public DeclaredInput Input { get; } = new(declaration);

    public override bool IsCommand => false;

    public override IReadOnlyList<string> MediaTypes => Input.TakesBody ? [WireFormat.Json] : [];

    public override object? ReadInput(Call call) => Input.Read(call);

    public override async ValueTask<Answer> RunAsync(Call call, object? input) => declaration.Handler.Context == HandlerContext.Snapshot
        ? await call.Backend.Transactor.ReadAsync(call.Transaction, async snapshot => await AnswerAsync(call, input, snapshot))
        : await AnswerAsync(call, input, null);

    private async Task<Answer> AnswerAsync(Call call, object? input, Snapshot? snapshot) =>
        ResultAnswers.Of(call, declaration, await declaration.Handler.InvokeAsync(input, snapshot, call.Incoming.Services, call.Cancellation), null);
}

/// <summary>Route patterns in the small form that declarations use: literal segments and <c>{name}</c>.</summary>
internal static class RoutePatterns
{
    public static IEnumerable<string> Parameters(string pattern) =>
        pattern.Split('/').Where(segment => segment.StartsWith('{')).Select(segment => segment.Trim('{', '}'));

    /// <summary>The pattern with <c>{}</c> for every parameter: equal for two routes that match the same paths.</summary>
    public static string Nameless(string pattern) => string.Join('/', pattern.Split('/').Select(segment => segment.StartsWith('{') ? "{}" : segment));
}
