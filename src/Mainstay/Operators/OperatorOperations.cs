using Microsoft.Extensions.DependencyInjection;

namespace Mainstay.Internal;

/// <summary>
/// What operators see and do of the running application, for a console or a script: operations like those of the application, with the same pipeline around them,
/// under addresses of their own that are in no contract. There are none unless <see cref="Backend.AllowOperators"/> says to whom.
/// </summary>
internal static class OperatorOperations
{
    public const string Prefix = "/internal";

    public static IEnumerable<Operation> Of(Policy? operators) => operators is null ? [] :
    [
        .. DeadLetterOperations.Of(operators),
        .. SagaOperations.Of(operators),
        Query(operators, "/queues/verify", (QueueChecker checker, CancellationToken cancellation) => checker.VerifyAsync(cancellation: cancellation)),
    ];

    /// <summary>Whoever may do this can read every payload and run everything again, so that it is never for everybody.</summary>
    /// <exception cref="ConfigurationException">MST1308: the policy asks about rows. MST2520: it admits callers without a credential.</exception>
    public static void Check(Policy? operators)
    {
        if (operators is null)
            return;
        operators.Check(null, "AllowOperators");
        if (operators.Resolve(User.Anonymous, null) != Predicate.Never)
            throw new ConfigurationException("MST2520", $"AllowOperators admits {operators.Describe()}, and so callers who have not signed in. They could read every payload and run everything again: allow a role or a permission, for example AllowOperators(Policy.Role(\"operator\")).");
    }

    public static Operation Query(Policy operators, string path, Delegate handler)
    {
        var declaration = Declare("GET", path, handler, isCommand: false);
        return new DeclaredQuery(declaration) { Name = declaration.Name, Method = declaration.Method, Pattern = declaration.Pattern, Policy = operators, IsInternal = true };
    }

    public static Operation Command(Policy operators, string path, Delegate handler)
    {
        var declaration = Declare("POST", path, handler, isCommand: true);
        return new OperatorCommand(declaration) { Name = declaration.Name, Method = declaration.Method, Pattern = declaration.Pattern, Policy = operators, IsInternal = true };
    }

    public static OperationDeclaration Declare(string method, string path, Delegate handler, bool isCommand) => new($"{method} {Prefix}{path}", isCommand)
    {
        Method = method,
        Pattern = Prefix + path,
        Handler = Handler.Compile($"{method} {Prefix}{path}", handler, static type => type == typeof(DeadLetters) || type == typeof(Sagas) || type == typeof(QueueChecker)),
    };
}

/// <summary>What operators change may be work for this node, which looks for it after the commit.</summary>
internal sealed class OperatorCommand(OperationDeclaration declaration) : DeclaredCommand(declaration)
{
    public override async ValueTask<Answer> RunAsync(Call call, object? input)
    {
        var answer = await base.RunAsync(call, input);
        call.Incoming.Services.GetRequiredService<DeadLetters>().Wake();
        return answer;
    }
}
