using Mainstay.Internal;

namespace Mainstay;

/// <summary>The checks that every backend gets from its declarations, without a line of test code.</summary>
public static class BackendChecks
{
    private static readonly OperationCheck[] kinds = [new AnonymousCheck(), new BadInputCheck(), new DuplicateCheck(), new GrowthCheck()];

    /// <summary>
    /// All checks of all operations: whoever has not signed in is denied; bad input is refused with a problem document and changes nothing; a request that comes twice under one key
    /// has one effect and one answer; an operation sends as many statements with many rows around it as with few.
    /// </summary>
    /// <param name="declare">Gives the backend, as for <see cref="TestBackend.StartAsync"/>.</param>
    /// <param name="options">What the declarations do not tell. Default: nothing.</param>
    /// <exception cref="ConfigurationException">What would keep the backend from starting.</exception>
    public static IReadOnlyList<BackendCheck> All(Func<Backend> declare, CheckOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(declare);
        return Of(BackendModel.Build(declare()), options ?? new CheckOptions());
    }

    internal static IReadOnlyList<BackendCheck> Of(BackendModel model, CheckOptions options)
    {
        BackendCheck[] checks = [.. from operation in model.Operations where IsDeclared(operation) from kind in kinds where kind.Concerns(operation) select new BackendCheck(kind, operation.Name, options)];
        Demand(options.Public.Concat(options.Inputs.Keys), model.Operations.Select(operation => operation.Name), "operation");
        Demand(options.Except.Keys, checks.Select(check => check.Name), "check");
        return checks;
    }

    /// <summary>Operations of the framework itself, such as asking about a long-running command, are its own to test.</summary>
    private static bool IsDeclared(Operation operation) => !operation.IsInternal && operation is ListOperation or GetOperation or ResourceCommand or DeclaredCommand or DeclaredQuery;

    /// <summary>A name that is nowhere would leave out nothing, and nobody would notice.</summary>
    private static void Demand(IEnumerable<string> named, IEnumerable<string> known, string what)
    {
        var all = known.ToHashSet();
        foreach (var name in named)
            if (!all.Contains(name))
                throw new ArgumentException($"There is no {what} '{name}'.{Suggestion.For(name, all)}");
    }
}
