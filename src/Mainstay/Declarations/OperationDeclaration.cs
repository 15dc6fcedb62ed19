using System.Data;
using Mainstay.Internal;

namespace Mainstay;

/// <summary>What is declared about a command or query. Every method returns the same declaration, so that calls chain.</summary>
public sealed class OperationDeclaration
{
    private readonly List<ProblemType> _refusals = [];

    internal OperationDeclaration(string name, bool isCommand)
    {
        Name = name;
        IsCommand = isCommand;
    }

    /// <summary>The route as declared: method, space, path.</summary>
    internal string Name { get; }

    internal string Method { get; set; } = "";

    internal string Pattern { get; set; } = "";

    internal bool IsCommand { get; }

    internal Handler Handler { get; set; } = null!;

    internal Policy? Policy { get; private set; }

    internal TimeSpan Deadline { get; private set; } = OperationDefaults.Timeout;

    internal IsolationLevel IsolationLevel { get; private set; } = IsolationLevel.ReadCommitted;

    internal bool RequiresKey { get; private set; }

    internal IReadOnlyList<ProblemType> Refusals => _refusals;

    internal string? SummaryText { get; private set; }

    /// <summary>Who may call it. Several calls allow each of them. Without one the application does not start.</summary>
    public OperationDeclaration Allow(Policy policy)
    {
        ArgumentNullException.ThrowIfNull(policy);
        Policy = Policy is null ? policy : Policy | policy;
        return this;
    }

    /// <summary>The problems that the handler may refuse with, for the contract and the documentation.</summary>
    public OperationDeclaration Refuses(params ProblemType[] problems)
    {
        _refusals.AddRange(problems);
        return this;
    }

    /// <summary>Refuses calls of this command without an <c>Idempotency-Key</c> with 400. Not for commands that admit callers without a credential: they have no keys.</summary>
    public OperationDeclaration RequireIdempotencyKey()
    {
        RequiresKey = true;
        return this;
    }

    /// <summary>How long a call may take, retries and waits for locks included. Default: 10 s.</summary>
    public OperationDeclaration Timeout(TimeSpan timeout)
    {
        Deadline = timeout;
        return this;
    }

    /// <summary>The isolation of a command's transaction. Default: read committed. Serialization failures are retried within the timeout.</summary>
    public OperationDeclaration Isolation(IsolationLevel level)
    {
        IsolationLevel = level;
        return this;
    }

    /// <summary>One line for the documentation. Default: made from the route.</summary>
    public OperationDeclaration Summary(string text)
    {
        SummaryText = text;
        return this;
    }
}
