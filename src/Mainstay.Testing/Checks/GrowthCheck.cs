using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>An operation sends as many statements with twenty rows around it as with one.</summary>
internal sealed class GrowthCheck : OperationCheck
{
    private const int Few = 1;
    private const int Many = 20;

    public override string Title => "costs the same when data grows";

    public override bool Concerns(Operation operation) => true;

    public override async Task<string?> RunAsync(CheckScene scene)
    {
        if (scene.IsLongRunning)
            return "it is done after its answer, where its statements are not counted";
        if (!scene.HasTables)
            return "the backend declares no resource of which there could be more rows";
        // What cannot be done to a row that others belong to, such as deleting it, is looked at among rows that belong to others.
        return await CompareAsync(scene, isOfCall: true) is { IsRefused: false } result ? result.Skipped : (await CompareAsync(scene, isOfCall: false)).Skipped;
    }

    private static async Task<(bool IsRefused, string? Skipped)> CompareAsync(CheckScene scene, bool isOfCall)
    {
        // The first call may find out what later ones need not ask, so it must not be the one with few rows.
        var many = await CostAsync(scene, Many, isOfCall);
        var few = await CostAsync(scene, Few, isOfCall);
        if ((many.Refusal ?? few.Refusal) is { } refusal)
            return (true, scene.Unfit(refusal));
        if (many.Statements > few.Statements && await CostAsync(scene, Many, isOfCall) is { Refusal: null } again && again.Statements > few.Statements)
            throw new CheckException($"it sends {few.Statements} statements to the database with {Few} more row in each table, and {again.Statements} with {Many}. Ask for all that it needs in one statement instead of one for each, and change all in one.\nRequest: {again.Request}");
        return (false, scene.IsList && many.Items <= few.Items ? $"the answer has {many.Items} elements, whatever there is: nothing can be learned from the generated input and rows" : many.Unmade);
    }

    /// <summary>What a call costs that is made in a database of its own, because a command cannot be done twice to the same rows.</summary>
    private static async Task<Cost> CostAsync(CheckScene scene, int rows, bool isOfCall)
    {
        var request = await scene.PrepareAnewAsync();
        var unmade = await scene.GrowAsync(rows, isOfCall);
        var reply = await scene.SendAsync(request);
        if (reply.Status >= 500)
            throw new CheckException($"valid input is answered {reply.Status}.\nRequest: {request}\n{reply}");
        if (reply.Status >= 400)
            return new Cost(request, 0, 0, unmade, reply);
        return new Cost(request, await scene.Shop.Run.Log.StatementsOf(reply.Header("Request-Id")!).WaitAsync(TimeSpan.FromSeconds(10)), scene.IsList ? ItemsOf(reply.Json) : 0, unmade, null);
    }

    private static int ItemsOf(JsonElement answer)
    {
        var items = answer.ValueKind == JsonValueKind.Object && answer.TryGetProperty("data", out var data) ? data : answer;
        return items.ValueKind == JsonValueKind.Array ? items.GetArrayLength() : 0;
    }

    /// <param name="Request">The call.</param>
    /// <param name="Statements">How many statements it sent.</param>
    /// <param name="Items">How many elements its answer has, if that is a list.</param>
    /// <param name="Unmade">Of which table there were no more rows, and why; null when there were of all.</param>
    /// <param name="Refusal">Its answer, when it was refused.</param>
    private sealed record Cost(CheckRequest Request, int Statements, int Items, string? Unmade, TestReply? Refusal);
}
