namespace Mainstay.Internal;

/// <summary>
/// A request that comes again under one key has one effect and one answer: one after the other, and at the same time. What a handler does beside its transaction, such as
/// writing on a connection of its own or calling somebody, is done as often as it runs, and is found so.
/// </summary>
internal sealed class DuplicateCheck : OperationCheck
{
    private const int TriesMost = 50;

    public override string Title => "applies a duplicate once";

    public override bool Concerns(Operation operation) => operation.IsCommand;

    public override async Task<string?> RunAsync(CheckScene scene)
    {
        var request = await scene.PrepareAsync();
        var before = await scene.EffectsAsync();
        var first = await scene.SendAsync(request, "check-1");
        if (first.Status >= 500)
            throw new CheckException($"valid input is answered {first.Status}.\nRequest: {request}\n{first}");
        if (first.Status >= 400)
            return scene.Unfit(first);
        var after = await scene.EffectsAsync();

        var second = await scene.SendAsync(request, "check-1");
        Compare(first, second, request);
        if (await scene.EffectsAsync() is var again && again.FirstOrDefault(pair => after.GetValueOrDefault(pair.Key) != pair.Value) is { Key: { } changed })
            throw new CheckException($"the second request with one Idempotency-Key has changed {changed} again. What a handler does beside its UnitOfWork happens each time that it runs; do it there, or in a subscription or job.\nRequest: {request}");

        return await CompareTogetherAsync(scene, name => Math.Max(after.GetValueOrDefault(name).Rows - before.GetValueOrDefault(name).Rows, 0));
    }

    /// <param name="scene">The operation.</param>
    /// <param name="alone">How many rows one call adds to a table.</param>
    /// <returns>Why it could not look.</returns>
    private static async Task<string?> CompareTogetherAsync(CheckScene scene, Func<string, long> alone)
    {
        // The call before may have used up what it needs.
        var request = await scene.PrepareAnewAsync();
        var before = await scene.EffectsAsync();
        var (one, other) = await TogetherAsync(scene, request);
        Compare(one, other, request);
        if (one.Status >= 400)
            return $"two at the same time could not be looked at: {scene.Unfit(one)}";
        foreach (var (name, (rows, _)) in await scene.EffectsAsync())
            if (rows - before.GetValueOrDefault(name).Rows is var added && added > alone(name))
                throw new CheckException($"two requests with one Idempotency-Key at the same time have added {added} to {name}, and one alone adds {alone(name)}.\nRequest: {request}");
        return null;
    }

    private static async Task<(TestReply, TestReply)> TogetherAsync(CheckScene scene, CheckRequest request)
    {
        var caller = scene.Caller;
        var replies = await Task.WhenAll(CheckScene.SendAsync(caller, request, "check-2"), CheckScene.SendAsync(caller, request, "check-2"));
        for (var i = 0; i < replies.Length; i++)
            // The other one was still running, which is for a client to repeat.
            for (var tries = 0; tries < TriesMost && replies[i] is { Status: 409, Code: "request-in-progress" }; tries++)
                replies[i] = await CheckScene.SendAsync(caller, request, "check-2");
        return (replies[0], replies[1]);
    }

    private static void Compare(TestReply first, TestReply second, CheckRequest request)
    {
        if (first.Status != second.Status || !first.Bytes.Span.SequenceEqual(second.Bytes.Span))
            throw new CheckException($"two requests with one Idempotency-Key are answered differently.\nRequest: {request}\n{first}\n{second}");
    }
}
