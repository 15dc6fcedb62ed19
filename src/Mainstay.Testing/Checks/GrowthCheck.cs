namespace Mainstay.Internal;

/// <summary>A list costs as many round trips with twenty rows as with one.</summary>
internal sealed class GrowthCheck : OperationCheck
{
    private const int Many = 20;

    public override string Title => "costs the same when data grows";

    public override bool Concerns(Operation operation) => operation is ListOperation or DeclaredQuery { Declaration.Handler.ElementOfResult: not null };

    public override async Task<string?> RunAsync(CheckScene scene)
    {
        var request = await scene.PrepareAsync();
        var parent = CheckScene.ParentOf(scene.Operation, request);
        await scene.GrowAsync(1, parent);
        var (few, fewItems) = await CostAsync(scene, request);
        await scene.GrowAsync(Many - 1, parent);
        var (many, manyItems) = await CostAsync(scene, request);
        if (manyItems <= fewItems)
            return $"the answer has {manyItems} elements, whatever there is: nothing can be learned from the generated input and rows";
        if (many > few)
            throw new CheckException($"{fewItems} elements cost {few} round trips to the database, and {manyItems} cost {many}. Ask for all of them in one statement instead of one for each.\nRequest: {request}");
        return null;
    }

    /// <summary>The cheaper of two, because the first may have found out what the second need not ask.</summary>
    private static async Task<(int RoundTrips, int Items)> CostAsync(CheckScene scene, CheckRequest request)
    {
        var (one, items) = await OnceAsync(scene, request);
        var (other, _) = await OnceAsync(scene, request);
        return (Math.Min(one, other), items);
    }

    private static async Task<(int RoundTrips, int Items)> OnceAsync(CheckScene scene, CheckRequest request)
    {
        var reply = await scene.SendAsync(request);
        if (reply.Status >= 500)
            throw new CheckException($"valid input is answered {reply.Status}.\nRequest: {request}\n{reply}");
        if (reply.Status != 200)
            return (0, 0);
        var items = reply.Json is { ValueKind: System.Text.Json.JsonValueKind.Object } json && json.TryGetProperty("data", out var data) ? data : reply.Json;
        return (await scene.Shop.Run.Log.RoundTripsOf(reply.Header("Request-Id")!).WaitAsync(TimeSpan.FromSeconds(10)), items.ValueKind == System.Text.Json.JsonValueKind.Array ? items.GetArrayLength() : 0);
    }
}
