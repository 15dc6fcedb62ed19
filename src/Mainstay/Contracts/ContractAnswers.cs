using System.Text.Json.Nodes;

namespace Mainstay.Internal;

/// <summary>Compares what an operation answers: statuses, headers, media types, bodies, and the codes of its problems.</summary>
internal sealed class ContractAnswers(SchemaComparison schemas, Action<ContractChange> report)
{
    public void Compare(ContractOperation before, ContractOperation after)
    {
        var (old, now) = (Answers(before), Answers(after));
        foreach (var (status, answer) in old)
            if (now.TryGetValue(status, out var same))
                CompareAnswer(after.Name, status, answer, same);
            else
                Gone(after.Name, status, answer);
        foreach (var (status, answer) in now.Where(pair => !old.ContainsKey(pair.Key)))
            New(after.Name, status, answer);
        CompareCodes(after.Name, Codes(old), Codes(now));
    }

    private static SortedDictionary<string, ContractPart> Answers(ContractOperation operation) =>
        new((operation.Part.Find("responses")?.Members() ?? []).ToDictionary(), StringComparer.Ordinal);

    /// <summary>A refusal that cannot happen any more breaks nobody; a client that waits for a success waits in vain.</summary>
    private void Gone(string operation, string status, ContractPart answer) => Rate(!IsSuccess(status), operation, answer.Pointer, $"The status {status} is gone.",
        $"clients that wait for {status}", "Keep answering it. Another status is another operation, or a new version.");

    /// <summary>Clients know of every refusal that they may get others of its kind, but not what to do with another success. 304 comes to whom asks for it.</summary>
    private void New(string operation, string status, ContractPart answer) => Rate(!IsSuccess(status) || status == "304", operation, answer.Pointer, $"The status {status} is new.",
        IsSuccess(status) ? $"clients that read the answer of {operation}" : "clients, as one more refusal", "Keep the answer of this version. Another success is another operation, or a new version.");

    private void CompareAnswer(string operation, string status, ContractPart before, ContractPart after)
    {
        CompareHeaders(operation, before, after);
        var media = after.Find("content")?.Members().ToDictionary() ?? [];
        var hadContent = before.Find("content")?.Members().Any() == true;
        foreach (var (type, content) in before.Find("content")?.Members() ?? [])
            if (media.Remove(type, out var same))
                schemas.Compare(new ContractPlace(operation, "", IsSent: false) { IsProblem = type == WireFormat.ProblemJson }, ContractComparison.SchemaOf(content), ContractComparison.SchemaOf(same), wasRequired: true);
            else
                Rate(false, operation, content.Pointer, $"{status} no longer comes as {type}.", $"clients that read {type}", "Keep the media type in this version.");
        foreach (var (type, content) in media)
            Rate(hadContent || !IsSuccess(status), operation, content.Pointer, $"{status} may come as {type} now.", hadContent ? "clients that accept any media type" : $"clients that expect no body with {status}", "Keep the answer without a body in this version.");
    }

    private void CompareHeaders(string operation, ContractPart before, ContractPart after)
    {
        var now = new Dictionary<string, ContractPart>((after.Find("headers")?.Members() ?? []).Select(member => KeyValuePair.Create(member.Name, member.Part)), StringComparer.OrdinalIgnoreCase);
        foreach (var (name, header) in before.Find("headers")?.Members() ?? [])
        {
            var place = new ContractPlace(operation, name, IsSent: false) { Kind = "header " };
            if (!now.Remove(name, out var same))
            {
                Rate(false, operation, header.Pointer, $"{place.Name} is no longer sent.", place.Clients, "Keep sending it in this version.");
                continue;
            }
            if (header.IsTrue("required") != same.IsTrue("required"))
                Rate(same.IsTrue("required"), operation, same.Pointer, $"{place.Name} became {(same.IsTrue("required") ? "always present" : "optional")}.", place.Clients, "Keep sending it always.");
            schemas.Compare(place, ContractComparison.SchemaOf(header), ContractComparison.SchemaOf(same), wasRequired: true);
        }
        foreach (var (name, header) in now)
            Rate(true, operation, header.Pointer, $"header '{name}' is new.", "nobody yet", "");
    }

    /// <summary>
    /// Clients branch on codes. One of the application's own that goes away, or comes with another status, leaves such a branch behind. The framework's
    /// own codes are listed wherever they can occur, so one that is no longer listed is only known not to occur.
    /// </summary>
    private void CompareCodes(string operation, SortedDictionary<string, (string Status, string Pointer)> before, SortedDictionary<string, (string Status, string Pointer)> after)
    {
        foreach (var (code, (status, pointer)) in before)
            if (!after.TryGetValue(code, out var now))
                Rate(ProblemCatalogue.All.Any(known => known.Code == code), operation, pointer, $"The problem '{code}' ({status}) is gone.", $"clients that branch on '{code}'", "Keep the code: it may get another title, not another name.");
            else if (now.Status != status)
                Rate(false, operation, now.Pointer, $"The status of the problem '{code}': {status} became {now.Status}.", $"clients that branch on {status} or on '{code}'", "Keep the status, or declare another code for the new one.");
        foreach (var (code, (status, pointer)) in after.Where(pair => !before.ContainsKey(pair.Key)))
            if (code == ProblemCatalogue.Forbidden.Code)
                Rate(false, operation, pointer, "Callers can be forbidden to call it now.", "clients whose users were all admitted", "Keep admitting them in this version; close the operation in a new one.");
            else
                Rate(true, operation, pointer, $"The problem '{code}' ({status}) is new.", "clients, which treat a code that they do not know by its status", "");
    }

    private static SortedDictionary<string, (string Status, string Pointer)> Codes(IReadOnlyDictionary<string, ContractPart> answers)
    {
        var codes = new SortedDictionary<string, (string, string)>(StringComparer.Ordinal);
        foreach (var (status, answer) in answers)
            if (answer.Find("content")?.Find(WireFormat.ProblemJson) is { } media)
                foreach (var form in ContractSchema.FormsOf(ContractComparison.SchemaOf(media)))
                    foreach (var code in ContractSchema.FormsOf(form.Members.GetValueOrDefault("code") ?? []).SelectMany(text => text.Values ?? []).OfType<JsonValue>())
                        codes.TryAdd(code.ToString(), (status, media.Pointer));
        return codes;
    }

    private static bool IsSuccess(string status) => status is ['2' or '3', ..];

    private void Rate(bool isCompatible, string operation, string pointer, string what, string whom, string instead) =>
        report(new ContractChange(isCompatible ? ContractRating.Compatible : ContractRating.Breaking, operation, pointer, what, whom, isCompatible ? "" : instead));
}
