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

    internal RateLimitDeclarations RateLimits { get; } = new();

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

    /// <summary>How long a call may take, retries and waits for locks included. Default: 10 s.</summary>
    public OperationDeclaration Timeout(TimeSpan timeout)
    {
        Deadline = timeout;
        return this;
    }

    /// <summary>
    /// How often each caller may call it within a time that begins with its first request; then 429 until that time is over. Holds for all
    /// nodes together. Several calls add limits that must all hold, for example one for bursts and one for the day.
    /// </summary>
    /// <param name="requests">How many, at least 1.</param>
    /// <param name="per">Within which time: whole seconds, up to 31 days.</param>
    /// <param name="name">What clients read in <c>RateLimit-Policy</c>, for example <c>burst</c>. Default: made from the numbers, such as <c>30/1m</c>.</param>
    public OperationDeclaration RateLimit(int requests, TimeSpan per, string? name = null)
    {
        RateLimits.Add(requests, per, name);
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
