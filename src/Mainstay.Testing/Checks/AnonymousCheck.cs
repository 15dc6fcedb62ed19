namespace Mainstay.Internal;

/// <summary>Whoever has not signed in is denied; what anyone may call changes nothing, unless the test says that it is meant to be public.</summary>
internal sealed class AnonymousCheck : OperationCheck
{
    public override string Title => "denies whoever has not signed in";

    public override bool Concerns(Operation operation) => true;

    public override async Task<string?> RunAsync(CheckScene scene)
    {
        var operation = scene.Operation;
        if (scene.IsForAnyone && operation.IsCommand && !scene.Options.Public.Contains(operation.Name))
            throw new CheckException($"anyone may call it, and it changes data. Allow it to fewer, for example .Allow(Policy.SignedIn), or say that it is meant: CheckOptions.Public = [\"{operation.Name}\"].");
        if (scene.IsForAnyone)
            return $"it is allowed to {operation.Policy.Describe()}";
        // Without rows and without a body: the answer must not depend on either.
        var reply = await scene.Shop.Anonymous.SendAsync(operation.Method, scene.PathOfNothing(), operation.MediaTypes.Count > 0 ? "{}" : null, operation.MediaTypes.Count > 0 ? [$"Content-Type: {operation.MediaTypes[0]}"] : []);
        if (reply.Status != 401)
            throw new CheckException($"whoever has not signed in is answered {reply.Status}, expected 401.\n{reply}");
        return null;
    }
}
