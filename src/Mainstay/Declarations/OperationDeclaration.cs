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

    internal TimeSpan? LongRunningWithin { get; private set; }

    internal IsolationLevel IsolationLevel { get; private set; } = IsolationLevel.ReadCommitted;

    internal RateLimitDeclarations RateLimits { get; } = new();

    internal bool RequiresKey { get; private set; }

    internal bool IsCoalesced { get; private set; }

    internal List<Type> Sent { get; } = [];

    internal IReadOnlyList<ProblemType> Refusals => _refusals;

    internal string? SummaryText { get; private set; }

    internal CachePolicy Caching { get; private set; } = CachePolicy.Revalidate;

    internal Deprecation? Deprecation { get; private set; }

    /// <summary>Mistakes that the start reports.</summary>
    internal Action<Action> Try { get; init; } = static declare => declare();

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

    /// <summary>
    /// Says that the handler publishes or enqueues these. While those who would have the work are further behind than their <c>MaxAge</c> allows, the command is
    /// refused with 503 before it does anything; without this it is refused when it publishes or enqueues, and rolled back.
    /// </summary>
    /// <typeparam name="T">A record that is declared as an event or a job.</typeparam>
    public OperationDeclaration Sends<T>() where T : class
    {
        Sent.Add(typeof(T));
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

    /// <summary>
    /// Lets a command take longer than a caller waits. A request is answered at once with 202 and the address of an operation, which tells how it stands, what
    /// came of it, and takes its cancellation. The handler runs afterwards, on whichever node is free, in one transaction as always; a node that dies in the
    /// middle leaves nothing, and another one begins again. Callers must be signed in. <see cref="Timeout"/> is then the time for accepting a request.
    /// </summary>
    /// <param name="within">How long a run may take, at most an hour. Default: 10 min.</param>
    public OperationDeclaration LongRunning(TimeSpan? within = null)
    {
        LongRunningWithin = within ?? TimeSpan.FromMinutes(10);
        return this;
    }

    /// <summary>The isolation of a command's transaction. Default: read committed. Serialization failures are retried within the timeout.</summary>
    public OperationDeclaration Isolation(IsolationLevel level)
    {
        IsolationLevel = level;
        return this;
    }

    /// <summary>
    /// Commits concurrent calls of this command together: while one group is being committed, those who come collect and make the next one. Nothing waits for a
    /// timer, and nobody can tell from outside: when a group fails, each of its calls is committed alone. For commands that are called often and whose handler only
    /// inserts and publishes; a call whose handler reads, locks, changes or deletes is committed alone as always.
    /// </summary>
    public OperationDeclaration Coalesce()
    {
        IsCoalesced = true;
        return this;
    }

    /// <summary>How long a query's answers may be kept without asking again, in whole seconds up to a year. Default: they may be kept, but are asked for every time.</summary>
    /// <remarks>Shared caches may keep them too when <see cref="Policy.Anyone"/> may call it.</remarks>
    public OperationDeclaration Cache(TimeSpan maxAge)
    {
        Try(() => Caching = IsCommand
            ? throw new ConfigurationException("MST1021", $"'{Name}' is a command, and answers to commands are never kept. Remove Cache, or make it a Query.")
            : CachePolicy.For($"'{Name}'", maxAge));
        return this;
    }

    /// <summary>
    /// Announces that the operation is on its way out, in the headers of every answer and in the documentation. Until the sunset it works as before; from then on it
    /// is 410.
    /// </summary>
    /// <param name="since">The day from which new clients should use something else; it may lie ahead.</param>
    /// <param name="sunset">The day, at 00:00 UTC, from which it is gone. Default: not decided.</param>
    /// <param name="info">The address of a page about it.</param>
    /// <param name="successor">The path or address of what takes its place.</param>
    public OperationDeclaration Deprecated(DateOnly since, DateOnly? sunset = null, string? info = null, string? successor = null)
    {
        Try(() => Deprecation = Deprecation.Of($"'{Name}'", since, sunset, info, successor));
        return this;
    }

    /// <summary>One line for the documentation. Default: made from the route.</summary>
    public OperationDeclaration Summary(string text)
    {
        SummaryText = text;
        return this;
    }
}
