using System.Text.Json.Nodes;

namespace Mainstay.Internal;

/// <summary>
/// Compares what a value may be before and after. Which way the value goes decides: clients that send must not find less accepted, clients that
/// read must not find other things than they know.
/// <code>
///                      sent by clients     read by clients
/// fewer values         breaking            compatible
/// more values          compatible          breaking: other types, null, enum values, patterns; compatible: longer, larger
/// member gone          breaking            breaking
/// member new           breaking if required, else compatible
/// </code>
/// </summary>
internal sealed class SchemaComparison(Action<ContractChange> report)
{
    private const string KeepAccepting = "Keep accepting it in this version. Declare the stricter operation in a new version.";
    private const string KeepAnswering = "Keep answering as before, and add a new member beside it for what is new.";
    private const string KeepNames = "Keep the name: rename the record back, or take the new name in a new version.";

    // Recursive schemas: a pair that is being compared further out is not compared again.
    private readonly HashSet<(string, string, bool)> _open = [];

    /// <param name="place">Whose value it is.</param>
    /// <param name="before">Schemas that are all true of it.</param>
    /// <param name="after">The same in the new document.</param>
    /// <param name="wasRequired">Whether clients had to send it, so that a default could not matter.</param>
    public void Compare(ContractPlace place, IReadOnlyList<ContractPart> before, IReadOnlyList<ContractPart> after, bool wasRequired)
    {
        var pair = (string.Join(' ', before.Select(part => part.Pointer)), string.Join(' ', after.Select(part => part.Pointer)), place.IsSent);
        if (!_open.Add(pair))
            return;
        var pointer = after.Count > 0 ? after[0].Pointer : before.Count > 0 ? before[0].Pointer : "";
        CompareRemarks(place, pointer, before, after, wasRequired);
        CompareForms(place, pointer, ContractSchema.FormsOf(before), ContractSchema.FormsOf(after));
        _open.Remove(pair);
    }

    private void CompareRemarks(ContractPlace place, string pointer, IReadOnlyList<ContractPart> before, IReadOnlyList<ContractPart> after, bool wasRequired)
    {
        var (isDeprecated, wasDeprecated) = (IsTrue(after, "deprecated"), IsTrue(before, "deprecated"));
        if (isDeprecated != wasDeprecated)
            Compatible(place, pointer, $"{place.Name} is {(isDeprecated ? "" : "no longer ")}deprecated.");
        if (!place.IsSent)
            return;
        var (isReadOnly, wasReadOnly) = (IsTrue(after, "readOnly"), IsTrue(before, "readOnly"));
        if (isReadOnly && !wasReadOnly)
            Breaking(place, pointer, $"{place.Name} is set by the server now, other values are refused.", place.Clients, KeepAccepting);
        else if (wasReadOnly && !isReadOnly)
            Compatible(place, pointer, $"{place.Name} is no longer set by the server.");
        var (left, right) = (ContractSchema.Remark(before, "default"), ContractSchema.Remark(after, "default"));
        if (!wasRequired && !JsonNode.DeepEquals(left, right))
            Breaking(place, pointer, $"The default of {place.Name}: {Show(left)} became {Show(right)}.", $"clients that leave out {place.Kind}{place.Subject}", "Keep the default of this version; let clients ask for the other value.");
    }

    private void CompareForms(ContractPlace place, string pointer, IReadOnlyList<ContractSchema> before, IReadOnlyList<ContractSchema> after)
    {
        CompareNull(place, pointer, before.Any(IsNull), after.Any(IsNull));
        var (left, right) = (before.Where(form => !IsNull(form)).ToArray(), after.Where(form => !IsNull(form)).ToArray());
        CompareTypes(place, pointer, Types(left), Types(right));
        foreach (var type in left.Select(Group).Intersect(right.Select(Group)))
            ComparePairs(place, pointer, [.. left.Where(form => Group(form) == type)], [.. right.Where(form => Group(form) == type)]);
    }

    private void CompareNull(ContractPlace place, string pointer, bool wasNullable, bool isNullable)
    {
        if (wasNullable == isNullable)
            return;
        if (place.IsSent)
            Rate(isNullable, place, pointer, isNullable ? $"{place.Name} may be null now." : $"{place.Name} may no longer be null.", $"clients that send null as {place.Subject}", KeepAccepting);
        else
            Rate(wasNullable, place, pointer, isNullable ? $"{place.Name} may be null now." : $"{place.Name} is never null any more.", place.Clients, "Keep it not null: answer a neutral value, or add a new nullable member beside it.");
    }

    private void CompareTypes(ContractPlace place, string pointer, string[] before, string[] after)
    {
        if (before.ToHashSet().SetEquals(after) || before.Length == 0 || after.Length == 0)
            return;
        var (from, into) = place.IsSent ? (before, after) : (after, before);
        var isCovered = from.All(type => into.Contains(type) || into.Contains("any") || (type == "integer" && into.Contains("number")));
        Rate(isCovered, place, pointer, $"The type of {place.Name}: {string.Join(" or ", before)} became {string.Join(" or ", after)}.", place.Clients, place.IsSent ? KeepAccepting : KeepAnswering);
    }

    /// <summary>Forms of one type: those of the same name belong together, then those in the same order.</summary>
    private void ComparePairs(ContractPlace place, string pointer, List<ContractSchema> before, List<ContractSchema> after)
    {
        foreach (var form in before.ToArray())
            if (after.Find(other => form.Name is not null && other.Name == form.Name) is { } same)
            {
                ComparePair(place, form, same);
                before.Remove(form);
                after.Remove(same);
            }
        foreach (var (form, other) in before.Zip(after))
            ComparePair(place, form, other);
        // The codes of problems have a comparison of their own.
        if (place.IsProblem)
            return;
        foreach (var form in before.Skip(after.Count))
            Rate(!place.IsSent, place, form.Pointer, $"{place.Name} is no longer {Show(form)}.", place.Clients, KeepAccepting);
        foreach (var form in after.Skip(before.Count))
            Rate(place.IsSent, place, form.Pointer, $"{place.Name} may be {Show(form)} now.", place.Clients, KeepAnswering);
    }

    private void ComparePair(ContractPlace place, ContractSchema before, ContractSchema after)
    {
        if (before.Name is not null && before.Name != after.Name)
            Breaking(place, after.Pointer, $"The schema '{before.Name}' {(after.Name is null ? "lost its name" : $"became '{after.Name}'")}.", "generated clients, which name types after schemas", KeepNames);
        if (!(place.IsProblem && place.Subject == "code"))
            CompareValues(place, before, after);
        CompareBounds(place, before, after);
        foreach (var keyword in before.Keywords.Keys.Union(after.Keywords.Keys).Where(keyword => !ContractNumbers.IsUpper(keyword) && !ContractNumbers.IsLower(keyword)))
            CompareKeyword(place, after.Pointer, keyword, before.Keywords.GetValueOrDefault(keyword), after.Keywords.GetValueOrDefault(keyword));
        if (before.Elements.Count + after.Elements.Count > 0)
            Compare(place.Element(), before.Elements, after.Elements, wasRequired: true);
        CompareMembers(place, before, after);
    }

    private void CompareValues(ContractPlace place, ContractSchema before, ContractSchema after)
    {
        if (before.Values is null && after.Values is null)
            return;
        var gone = after.Values is null ? [] : before.Values?.Where(value => !after.Values.Any(other => JsonNode.DeepEquals(value, other))).ToArray();
        var added = before.Values is null ? [] : after.Values?.Where(value => !before.Values.Any(other => JsonNode.DeepEquals(value, other))).ToArray();
        if (gone is null)
            Rate(!place.IsSent, place, after.Pointer, $"{place.Name} is limited to {Show(after.Values!)} now.", place.IsSent ? $"clients that send another {place.Subject}" : place.Clients, KeepAccepting);
        else if (gone.Length > 0)
            Rate(!place.IsSent, place, after.Pointer, $"{place.Name} is no longer {Show(gone)}.", place.IsSent ? $"clients that send {Show(gone)} as {place.Subject}" : place.Clients, KeepAccepting);
        if (added is null)
            Rate(place.IsSent, place, after.Pointer, $"{place.Name} was one of {Show(before.Values!)} and may be anything now.", $"clients that handle each value of {place.Subject}", KeepAnswering);
        else if (added.Length > 0)
            Rate(place.IsSent, place, after.Pointer, $"{place.Name} may be {Show(added)} now.", place.IsSent ? place.Clients : $"clients that handle each value of {place.Subject}, generated ones among them", KeepAnswering);
    }

    private void CompareBounds(ContractPlace place, ContractSchema before, ContractSchema after)
    {
        foreach (var (inclusive, exclusive) in new[] { ("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum"), ("minLength", ""), ("maxLength", ""), ("minItems", ""), ("maxItems", ""), ("minProperties", ""), ("maxProperties", "") })
        {
            var (left, leftKeyword) = Bound(before, inclusive, exclusive);
            var (right, rightKeyword) = Bound(after, inclusive, exclusive);
            var order = left is null || right is null ? (left is null ? 1 : 0) - (right is null ? 1 : 0) : ContractNumbers.Compare(left, right);
            if (left is not null && right is not null && ContractNumbers.IsLower(inclusive))
                order = -order;
            if (order == 0)
                order = (leftKeyword == inclusive ? 1 : 0) - (rightKeyword == inclusive ? 1 : 0);
            if (order == 0 || (left is null && right is null))
                continue;
            // Positive: fewer values than before.
            var what = $"{rightKeyword} of {place.Name}: {(left is null ? "none" : Show(left))} became {(right is null ? "none" : Show(right))}{(leftKeyword != rightKeyword && left is not null && right is not null ? $", and {leftKeyword} became {rightKeyword}" : "")}.";
            if (place.IsSent && order > 0)
                Breaking(place, after.Pointer, what, $"clients that send {place.Kind}{(place.Subject.Length > 0 ? place.Subject : "a body")} outside of the new bound", "Keep the bound of this version. Declare the narrower one in a new version.");
            else
                Compatible(place, after.Pointer, what, place.IsSent || order > 0 ? null : $"clients that keep {place.Subject} in a place of the old size");
        }
    }

    private static (JsonNode? Value, string Keyword) Bound(ContractSchema form, string inclusive, string exclusive)
    {
        var value = form.Keywords.GetValueOrDefault(inclusive);
        var other = form.Keywords.GetValueOrDefault(exclusive);
        if (other is not null && (value is null || (ContractNumbers.IsUpper(inclusive) ? ContractNumbers.Compare(other, value) <= 0 : ContractNumbers.Compare(other, value) >= 0)))
            return (other, exclusive);
        // No value is shorter than nothing.
        return (inclusive is "minLength" or "minItems" or "minProperties" && value?.ToJsonString() == "0" ? null : value, inclusive);
    }

    /// <summary>Patterns, formats, and every keyword whose meaning is not known here: another one is never taken to be wider.</summary>
    private void CompareKeyword(ContractPlace place, string pointer, string keyword, JsonNode? before, JsonNode? after)
    {
        if (JsonNode.DeepEquals(before, after) || (keyword == "uniqueItems" && (before?.ToJsonString() ?? "false") == (after?.ToJsonString() ?? "false")))
            return;
        var isWider = place.IsSent && ((keyword == "format" && (before?.ToString(), after?.ToString()) is ("int32", "int64") or ("float", "double")) || (keyword == "multipleOf" && IsMultiple(before, after)));
        var isCompatible = isWider || (place.IsSent ? after is null : before is null);
        Rate(isCompatible, place, pointer, $"{keyword} of {place.Name}: {Show(before)} became {Show(after)}.",
            keyword == "format" ? $"{place.Clients}, generated ones among them" : place.IsSent ? place.Clients : $"clients that parse or check {place.Subject}", place.IsSent ? KeepAccepting : KeepAnswering);
    }

    private void CompareMembers(ContractPlace place, ContractSchema before, ContractSchema after)
    {
        foreach (var name in before.Members.Keys.Union(after.Members.Keys).Union(before.Required).Union(after.Required))
        {
            var member = place.Member(name);
            var (was, @is) = (Has(before, name), Has(after, name));
            var (wasRequired, isRequired) = (before.Required.Contains(name), after.Required.Contains(name));
            if (was && !@is)
                Removed(member, $"{before.Pointer}/properties/{ContractPart.Escape(name)}", after.IsClosed);
            else if (!was)
                Added(member, $"{after.Pointer}/properties/{ContractPart.Escape(name)}", isRequired, before.IsClosed);
            else
            {
                if (wasRequired != isRequired)
                    Required(member, $"{after.Pointer}/properties/{ContractPart.Escape(name)}", isRequired);
                Compare(member, before.Members.GetValueOrDefault(name) ?? [], after.Members.GetValueOrDefault(name) ?? [], wasRequired);
            }
        }
        if (before.IsClosed != after.IsClosed)
            Rate(!place.IsSent || before.IsClosed, place, after.Pointer, before.IsClosed ? $"{place.Name} may have members that the contract does not name." : $"{place.Name} may no longer have members that the contract does not name.", place.Clients, KeepAccepting);
        else if (before.Others.Count + after.Others.Count > 0)
            Compare(place.Member("*"), before.Others, after.Others, wasRequired: true);
    }

    private static bool Has(ContractSchema form, string name) => form.Members.ContainsKey(name) || form.Required.Contains(name);

    private void Removed(ContractPlace member, string pointer, bool isRefused)
    {
        if (member.IsSent)
            Breaking(member, pointer, $"{member.Name} is no longer known and {(isRefused ? "refused" : "ignored")}.", member.Clients, "Keep it as an optional member, deprecated if it has no effect any more. Take it away in a new version.");
        else
            Breaking(member, pointer, $"{member.Name} is no longer answered.", member.Clients, "Keep it and mark it deprecated. Take it away in a new version.");
    }

    private void Added(ContractPlace member, string pointer, bool isRequired, bool isUnexpected)
    {
        if (member.IsSent && isRequired)
            Breaking(member, pointer, $"{member.Name} is new and required.", $"every client of {member.Operation}", "Make it optional: give the member a default, or let it be null.");
        else if (!member.IsSent && isUnexpected)
            Breaking(member, pointer, $"{member.Name} is new, and the contract promised that there are no others.", "clients that refuse unknown members", KeepAnswering);
        else
            Compatible(member, pointer, $"{member.Name} is new{(member.IsSent ? " and optional" : "")}.");
    }

    private void Required(ContractPlace member, string pointer, bool isRequired)
    {
        var what = isRequired ? $"{member.Name} became {(member.IsSent ? "required" : "always present")}." : $"{member.Name} became optional.";
        if (member.IsSent)
            Rate(!isRequired, member, pointer, what, $"clients that leave out {member.Subject}", "Keep it optional: give the member a default, or let it be null.");
        else
            Rate(isRequired, member, pointer, what, member.Clients, "Keep answering it always.");
    }

    private void Rate(bool isCompatible, ContractPlace place, string pointer, string what, string whom, string instead)
    {
        if (isCompatible)
            Compatible(place, pointer, what, whom);
        else
            Breaking(place, pointer, what, whom, instead);
    }

    private void Breaking(ContractPlace place, string pointer, string what, string whom, string instead) => report(new ContractChange(ContractRating.Breaking, place.Operation, pointer, what, whom, instead) { Subject = place.Name });

    private void Compatible(ContractPlace place, string pointer, string what, string? whom = null) => report(new ContractChange(ContractRating.Compatible, place.Operation, pointer, what, whom ?? place.Clients, "") { Subject = place.Name });

    private static bool IsTrue(IReadOnlyList<ContractPart> schemas, string keyword) => ContractSchema.Remark(schemas, keyword) is JsonValue value && value.TryGetValue<bool>(out var isTrue) && isTrue;

    private static bool IsNull(ContractSchema form) => form.Type == "null";

    private static string[] Types(IEnumerable<ContractSchema> forms) => [.. forms.Select(form => form.Type ?? "any").Distinct()];

    private static string Group(ContractSchema form) => form.Type is "integer" ? "number" : form.Type ?? "any";

    private static bool IsMultiple(JsonNode? before, JsonNode? after) =>
        decimal.TryParse(before?.ToJsonString(), out var left) && decimal.TryParse(after?.ToJsonString(), out var right) && right != 0 && left % right == 0;

    private static string Show(JsonNode? value) => value?.ToJsonString(ContractFormat.Text) ?? "none";

    private static string Show(IEnumerable<JsonNode?> values) => string.Join(", ", values.Select(value => value?.ToJsonString(ContractFormat.Text) ?? "null"));

    private static string Show(ContractSchema form) => form.Name is null ? $"another {form.Type ?? "value"}" : $"a '{form.Name}'";
}
