using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mainstay.Internal;

/// <summary>Bad input is refused with a problem document and changes nothing; input at the edges of what is allowed is no internal error.</summary>
internal sealed class BadInputCheck : OperationCheck
{
    public override string Title => "refuses bad input";

    public override bool Concerns(Operation operation) => true;

    public override async Task<string?> RunAsync(CheckScene scene)
    {
        var request = await scene.PrepareAsync();
        var before = await scene.EffectsAsync();
        foreach (var (what, bad) in Bad(scene, request))
        {
            var reply = await scene.SendAsync(bad);
            if (IsOfAnything(reply))
                return $"{what} is refused with {reply.Status} {reply.Code}, as any input would be";
            Demand(scene, reply, what, bad);
        }
        if (Changed(before, await scene.EffectsAsync()) is { } changed)
            throw new CheckException($"something that was refused has changed {changed}.");
        foreach (var (what, edge) in Edges(scene, request))
            if (await scene.SendAsync(edge) is { Status: >= 500 } reply)
                throw new CheckException($"{what} is answered {reply.Status}, expected success or a refusal.\nRequest: {edge}\n{reply}");
        return await RefusalOfValidAsync(scene);
    }

    /// <summary>Whether it is the caller that is refused, or the number of calls, so that nothing was learned about the input.</summary>
    private static bool IsOfAnything(TestReply reply) => reply.Status is 401 or 403 or 429 || (reply.Status == 400 && reply.Text.Contains(ProblemCatalogue.IdempotencyKeyRequired.Code, StringComparison.Ordinal));

    /// <summary>Where valid input is refused too, the refusals before need not have been of what was bad.</summary>
    private static async Task<string?> RefusalOfValidAsync(CheckScene scene)
    {
        // What was at the edges may have succeeded, and taken what the call before would need.
        var request = await scene.PrepareAnewAsync();
        var reply = await scene.SendAsync(request);
        if (reply.Status >= 500)
            throw new CheckException($"valid input is answered {reply.Status}.\nRequest: {request}\n{reply}");
        return reply.Status >= 400 ? scene.Unfit(reply) : null;
    }

    private static void Demand(CheckScene scene, TestReply reply, string what, CheckRequest request)
    {
        var format = scene.Shop.Node.Running.Services.Format;
        if (reply.Status is < 400 or > 499)
            throw new CheckException($"{what} is answered {reply.Status}, expected a refusal.\nRequest: {request}\n{reply}");
        if (reply.Header("Content-Type") is not { } type || !type.StartsWith(format.ProblemMediaType, StringComparison.OrdinalIgnoreCase))
            throw new CheckException($"{what} is refused with '{reply.Header("Content-Type")}', expected a document of the type {format.ProblemMediaType}.\nRequest: {request}\n{reply}");
    }

    private static IEnumerable<(string What, CheckRequest Request)> Bad(CheckScene scene, CheckRequest request)
    {
        yield return ("an unknown parameter", request with { Path = request.Path + (request.Path.Contains('?', StringComparison.Ordinal) ? "&" : "?") + "noSuchParameter=1" });
        if (scene.Operation.Pattern.Contains('{', StringComparison.Ordinal))
            yield return ("a path that names nothing", request with { Path = string.Join('/', scene.Operation.Pattern.Split('/').Select(segment => segment.StartsWith('{') ? "~" : segment)) });
        foreach (var member in scene.QueryMembers.Where(member => member.Shape is not TextShape))
            yield return ($"the parameter {member.Name} of another type", request with { Path = $"{request.Path.Split('?')[0]}?{member.Name}=~" });
        if (request.Body is not { } body)
            yield break;
        yield return ("a body that is text", request with { Body = JsonValue.Create("text") });
        foreach (var (what, changed) in Changes(body, member => [($"the member {member.Name} of another type", member.Shape is DocumentShape ? null : new JsonObject { ["noSuchMember"] = new JsonArray() }), .. OutOfBounds(member)], scene))
            yield return (what, request with { Body = changed });
        yield return ("an unknown member", request with { Body = With(body, "noSuchMember", 1) });
    }

    private static IEnumerable<(string What, CheckRequest Request)> Edges(CheckScene scene, CheckRequest request)
    {
        if (request.Body is not { } body)
            yield break;
        foreach (var (what, changed) in Changes(body, Extremes, scene))
            yield return (what, request with { Body = changed });
    }

    private static IEnumerable<(string What, JsonNode? Value)> OutOfBounds(Member member)
    {
        if (member is { Shape: TextShape, LengthMost: { } most and < 10_000 })
            yield return ($"the member {member.Name} with {most + 1} characters", new string('x', most + 1));
        if (member.Range.Most is { } greatest && greatest < decimal.MaxValue / 2)
            yield return ($"the member {member.Name} beyond its range", decimal.Floor(greatest) + 1);
        if (!member.IsNullable)
            yield return ($"the member {member.Name} that is null", null);
    }

    private static IEnumerable<(string What, JsonNode? Value)> Extremes(Member member)
    {
        if (member.Shape is TextShape)
        {
            yield return ($"the member {member.Name} that is empty", "");
            yield return ($"the member {member.Name} that is a space", " ");
            // Four bytes each, and two units of UTF-16.
            yield return ($"the member {member.Name} of emoji", string.Concat(Enumerable.Repeat("🫖", Math.Clamp(member.LengthMost ?? 1, 1, 100))));
        }
        if (member.Shape is ScalarShape { JsonType: "integer" or "number", Bounds: { } bounds })
            foreach (var value in new[] { 0, member.Range.Least ?? bounds.Least, member.Range.Most ?? bounds.Most })
                yield return ($"the member {member.Name} that is {value}", value);
        if (member.Shape is ListShape)
            yield return ($"the member {member.Name} that is empty", new JsonArray());
    }

    /// <summary>The body with one member changed, for each member and each change; of a batch, in its first element.</summary>
    private static IEnumerable<(string What, JsonNode Body)> Changes(JsonNode body, Func<Member, IEnumerable<(string What, JsonNode? Value)>> changes, CheckScene scene)
    {
        foreach (var member in scene.BodyMembers)
            foreach (var (what, value) in changes(member))
                if (!(member.Shape is DocumentShape && value is null))
                    yield return (what, With(body, member.Name, value));
    }

    private static JsonNode With(JsonNode body, string member, JsonNode? value)
    {
        var changed = body.DeepClone();
        if (changed is JsonArray { Count: > 0 } list)
            if (list[0] is JsonObject first)
                first[member] = value;
            else
                list[0] = value?.DeepClone();
        else
            changed.AsObject()[member] = value;
        return changed;
    }

    private static string? Changed(SortedDictionary<string, (long, string)> before, SortedDictionary<string, (long, string)> after) =>
        after.Where(pair => !before.TryGetValue(pair.Key, out var known) || known != pair.Value).Select(pair => pair.Key).FirstOrDefault();
}
