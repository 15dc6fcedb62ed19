using System.Text.Json.Nodes;

namespace Mainstay.Internal;

/// <summary>
/// What a new document of an API version means for the clients of the old one. Words, examples, order and the way in which schemas are put
/// together do not count; everything that a client or a generator can notice does.
/// </summary>
internal sealed class ContractComparison
{
    private const string NewVersion = "Keep it and declare it .Deprecated(…); leave it out of a new version.";

    private readonly List<ContractChange> _changes = [];
    private readonly ContractPart _before;
    private readonly ContractPart _after;
    private readonly SchemaComparison _schemas;
    private readonly ContractAnswers _answers;

    private ContractComparison(JsonObject before, JsonObject after)
    {
        (_before, _after) = (ContractPart.Of(before), ContractPart.Of(after));
        _schemas = new SchemaComparison(_changes.Add);
        _answers = new ContractAnswers(_schemas, _changes.Add);
    }

    /// <summary>All differences, in the order of the old document's operations; what is new comes last.</summary>
    public static IReadOnlyList<ContractChange> Compare(JsonObject before, JsonObject after)
    {
        var comparison = new ContractComparison(before, after);
        comparison.CompareOperations();
        comparison.CompareSchemes();
        return [.. comparison._changes.Distinct()];
    }

    private void CompareOperations()
    {
        var (before, after) = (ContractOperation.AllOf(_before), ContractOperation.AllOf(_after));
        var known = after.ToDictionary(operation => operation.Key);
        var added = after.ExceptBy(before.Select(operation => operation.Key), operation => operation.Key).ToList();
        foreach (var operation in before)
            if (known.TryGetValue(operation.Key, out var same))
                CompareOperation(operation, same);
            else if (added.Find(other => other.Id is not null && other.Id == operation.Id) is { } moved)
            {
                added.Remove(moved);
                Breaking(operation.Name, moved.Part.Pointer, $"{operation.Name} moved to {moved.Name}.", $"every client of {operation.Name}", "Declare the new route beside the old one, and the old one .Deprecated(…).");
            }
            else
                Breaking(operation.Name, operation.Part.Pointer, $"{operation.Name} is gone.", $"every client of {operation.Name}",
                    operation.Part.IsTrue("deprecated") ? "It was deprecated. When its sunset has passed, record it: contract write --breaking \"…\"." : NewVersion);
        foreach (var operation in added)
            Compatible(operation.Name, operation.Part.Pointer, $"{operation.Name} is new.", "nobody yet");
    }

    private void CompareOperation(ContractOperation before, ContractOperation after)
    {
        var name = after.Name;
        if (before.Id is not null && before.Id != after.Id)
            Breaking(name, $"{after.Part.Pointer}/operationId", $"The operation id: '{before.Id}' became '{after.Id}'.", "generated clients, which name methods after operation ids", "Keep the names that ids are made from: path, method, and the record of the resource.");
        if (before.Part.IsTrue("deprecated") != after.Part.IsTrue("deprecated"))
            Compatible(name, after.Part.Pointer, after.Part.IsTrue("deprecated") ? "The operation is deprecated." : "The operation is no longer deprecated.", $"every client of {name}");
        if (!before.Part.Texts("tags").SequenceEqual(after.Part.Texts("tags")))
            Compatible(name, $"{after.Part.Pointer}/tags", $"The tag: {string.Join(", ", before.Part.Texts("tags"))} became {string.Join(", ", after.Part.Texts("tags"))}.", "generated clients whose generator groups methods by tag");
        CompareSecurity(before, after);
        CompareParameters(before, after);
        CompareBody(before, after);
        _answers.Compare(before, after);
    }

    private void CompareSecurity(ContractOperation before, ContractOperation after)
    {
        var (old, now) = (before.Security(_before), after.Security(_after));
        foreach (var alternative in old.Where(alternative => !now.Any(other => other.IsSubsetOf(alternative))))
            Breaking(after.Name, $"{after.Part.Pointer}/security", alternative.Count == 0 ? "A credential is needed now." : $"{string.Join(" and ", alternative)} no longer suffices.",
                alternative.Count == 0 ? "clients that call without a credential" : $"clients that sign in by {string.Join(" and ", alternative)}", "Keep admitting them in this version; close the operation in a new one.");
        foreach (var alternative in now.Where(alternative => !old.Any(other => other.IsSubsetOf(alternative))))
            Compatible(after.Name, $"{after.Part.Pointer}/security", alternative.Count == 0 ? "No credential is needed any more." : $"{string.Join(" and ", alternative)} suffices now.", "nobody yet");
    }

    private void CompareParameters(ContractOperation before, ContractOperation after)
    {
        var (old, now) = (before.Parameters(), after.Parameters());
        foreach (var (key, parameter) in old)
            if (!now.TryGetValue(key, out var same))
                Breaking(after.Name, parameter.Pointer, $"{Place(after, parameter).Name} is no longer a parameter.", Place(after, parameter).Clients, "Keep it, deprecated. Take it away in a new version.");
            else
                CompareParameter(after, parameter, same);
        foreach (var (_, parameter) in now.Where(pair => !old.ContainsKey(pair.Key)))
            if (parameter.IsTrue("required"))
                Breaking(after.Name, parameter.Pointer, $"{Place(after, parameter).Name} is new and required.", $"every client of {after.Name}", "Make it optional: give it a default, or let it be null.");
            else
                Compatible(after.Name, parameter.Pointer, $"{Place(after, parameter).Name} is new and optional.", "nobody yet");
    }

    private void CompareParameter(ContractOperation operation, ContractPart before, ContractPart after)
    {
        var place = Place(operation, after);
        if (before.Text("in") == "path" && before.Text("name") != after.Text("name"))
            Breaking(operation.Name, after.Pointer, $"The path parameter '{before.Text("name")}' became '{after.Text("name")}'.", "generated clients, which name arguments after parameters", "Keep the name; it is the one in the route.");
        if (after.IsTrue("required") && !before.IsTrue("required"))
            Breaking(operation.Name, after.Pointer, $"{place.Name} became required.", $"clients that leave out {place.Kind}{place.Subject}", "Keep it optional: give it a default, or let it be null.");
        else if (before.IsTrue("required") && !after.IsTrue("required"))
            Compatible(operation.Name, after.Pointer, $"{place.Name} became optional.", place.Clients);
        if (before.IsTrue("deprecated") != after.IsTrue("deprecated"))
            Compatible(operation.Name, after.Pointer, $"{place.Name} is {(after.IsTrue("deprecated") ? "" : "no longer ")}deprecated.", place.Clients);
        if (Style(before) != Style(after))
            Breaking(operation.Name, after.Pointer, $"How {place.Name} is written: {Style(before)} became {Style(after)}.", place.Clients, "Keep the way it is written in this version.");
        _schemas.Compare(place, SchemaOf(before), SchemaOf(after), before.IsTrue("required"));
    }

    private void CompareBody(ContractOperation before, ContractOperation after)
    {
        var (old, now) = (before.Part.Find("requestBody"), after.Part.Find("requestBody"));
        var place = new ContractPlace(after.Name, "", IsSent: true);
        if (old is null || now is null)
        {
            if (old is not null)
                Breaking(after.Name, old.Pointer, "The operation takes no body any more.", place.Clients, "Keep taking it, and ignore what has no effect any more. Take it away in a new version.");
            else if (now is not null && now.IsTrue("required"))
                Breaking(after.Name, now.Pointer, "The operation needs a body now.", $"every client of {after.Name}", "Give every member a default, so that none is needed, or declare it in a new version.");
            else if (now is not null)
                Compatible(after.Name, now.Pointer, "The operation takes a body now.", "nobody yet");
            return;
        }
        if (now.IsTrue("required") != old.IsTrue("required"))
            Rate(!now.IsTrue("required"), after.Name, now.Pointer, $"The body became {(now.IsTrue("required") ? "required" : "optional")}.", "clients that send no body", "Keep it optional in this version.");
        var media = now.Find("content")?.Members().ToDictionary() ?? [];
        foreach (var (type, content) in old.Find("content")?.Members() ?? [])
            if (media.Remove(type, out var same))
                _schemas.Compare(place, SchemaOf(content), SchemaOf(same), wasRequired: true);
            else
                Breaking(after.Name, content.Pointer, $"The media type {type} is no longer accepted.", $"clients that send {type}", "Keep accepting it in this version.");
        foreach (var (type, content) in media)
            Compatible(after.Name, content.Pointer, $"The media type {type} is accepted now.", "nobody yet");
    }

    private void CompareSchemes()
    {
        var schemes = _after.Find("components")?.Find("securitySchemes");
        foreach (var (name, scheme) in _before.Find("components")?.Find("securitySchemes")?.Members() ?? [])
            foreach (var member in new[] { "type", "scheme", "in", "name", "openIdConnectUrl" })
                if (schemes?.Find(name) is { } same && same.Text(member) != scheme.Text(member))
                    Breaking("all operations", $"{same.Pointer}/{member}", $"How clients sign in by {name}: {member} {scheme.Text(member) ?? "none"} became {same.Text(member) ?? "none"}.", $"clients that sign in by {name}", "Add a second scheme beside the first one.");
    }

    /// <summary>The schema of a parameter, header or body; nothing at all stands for any value.</summary>
    internal static IReadOnlyList<ContractPart> SchemaOf(ContractPart part) =>
        (part.Find("schema") ?? part.Find("content")?.Members().Select(media => media.Part.Find("schema")).FirstOrDefault()) is { } schema ? [schema] : [];

    private static ContractPlace Place(ContractOperation operation, ContractPart parameter) =>
        new(operation.Name, parameter.Text("name") ?? "", IsSent: true) { Kind = parameter.Text("in") is "header" or "cookie" ? parameter.Text("in") + " " : "" };

    private static string Style(ContractPart parameter)
    {
        var style = parameter.Text("style") ?? (parameter.Text("in") is "query" or "cookie" ? "form" : "simple");
        var isExploded = parameter.Find("explode")?.RequireValue<bool>("true or false") ?? style == "form";
        // It makes no difference to a single value.
        var isSingle = ContractSchema.FormsOf(SchemaOf(parameter)).All(form => form.Type is not (null or "array" or "object"));
        return isSingle ? style : $"{style}{(isExploded ? ", repeated" : ", separated by commas")}";
    }

    private void Rate(bool isCompatible, string operation, string pointer, string what, string whom, string instead)
    {
        if (isCompatible)
            Compatible(operation, pointer, what, whom);
        else
            Breaking(operation, pointer, what, whom, instead);
    }

    private void Breaking(string operation, string pointer, string what, string whom, string instead) => _changes.Add(new ContractChange(ContractRating.Breaking, operation, pointer, what, whom, instead));

    private void Compatible(string operation, string pointer, string what, string whom) => _changes.Add(new ContractChange(ContractRating.Compatible, operation, pointer, what, whom, ""));
}
