namespace Mainstay.Internal;

/// <summary>One call of an operation: who, what, until when, and what became of it. Made by an interface, carried through the pipeline.</summary>
internal sealed class Call(Operation operation, IIncoming incoming, BackendServices backend, string requestId, CancellationToken aborted)
{
    public Operation Operation { get; } = operation;

    /// <summary>What arrived, in the terms of the interface that took it.</summary>
    public IIncoming Incoming { get; } = incoming;

    public BackendServices Backend { get; } = backend;

    public string RequestId { get; } = requestId;

    /// <summary>Ends when the caller has gone.</summary>
    public CancellationToken Aborted { get; } = aborted;

    public User User { get; set; } = User.Anonymous;

    public Deadline Deadline { get; set; } = Deadline.Never;

    /// <summary>Ends with the deadline and, for queries, when the caller has gone.</summary>
    public CancellationToken Cancellation { get; set; }

    /// <summary>Present when the caller asked for idempotency.</summary>
    public ReceiptKey? Key { get; set; }

    /// <summary>What the operation's rate limits say; null without any, and before they were asked.</summary>
    public RateLimitVerdict? Limited { get; set; }

    /// <summary>The body as it arrived.</summary>
    public ReadOnlyMemory<byte> Body { get; set; }

    /// <summary>Whether the operation itself has begun, so that its refusals are outcomes worth keeping.</summary>
    public bool HasBegun { get; set; }

    public DatabaseUsage Usage { get; } = new();

    /// <summary>What the caller would like.</summary>
    public Preferences Preferences => field ??= Preferences.Parse(Incoming.Header("Prefer"));

    public Origin Origin => new(Operation.Name, User.IsAuthenticated ? User.Id : "anonymous", RequestId, System.Diagnostics.Activity.Current?.Id, null, RequestId);

    /// <summary>For reads that are statements and no handlers.</summary>
    public TransactionRequest Reading => new(User, Origin.OfRead, Deadline, Cancellation) { Usage = Usage };

    public TransactionRequest Transaction => new(User, Origin, Deadline, Cancellation) { IsKeyed = Key is not null, IsHeldBack = true, Usage = Usage };
}

/// <summary>What the pipeline needs of an interface: the parts of a call that arrived with it.</summary>
internal interface IIncoming
{
    /// <summary>Services of this call's scope.</summary>
    IServiceProvider Services { get; }

    /// <summary>Where the call comes from, or null.</summary>
    System.Net.IPAddress? RemoteAddress { get; }

    /// <summary>Who calls, by the credentials that came with the call.</summary>
    /// <exception cref="ProblemException"><c>unauthenticated</c>: the credentials are wrong.</exception>
    ValueTask<User> AuthenticateAsync(CancellationToken cancellation);

    /// <summary>Reads the body within its limit.</summary>
    /// <exception cref="ProblemException">Its type, coding or size is not acceptable.</exception>
    ValueTask<ReadOnlyMemory<byte>> ReadBodyAsync(Operation operation, CancellationToken cancellation);

    /// <summary>The idempotency key with the fingerprint of the call, or null.</summary>
    ReceiptKey? Key(User user, ReadOnlyMemory<byte> body);

    /// <summary>A value from the route, or null.</summary>
    string? Route(string name);

    /// <summary>The query string, strictly decoded.</summary>
    QueryParameters Query { get; }

    /// <summary>The path that was called, as it can stand in a link.</summary>
    string Path { get; }

    /// <summary>A header's value, or null. Several lines are joined by commas.</summary>
    string? Header(string name);
}
