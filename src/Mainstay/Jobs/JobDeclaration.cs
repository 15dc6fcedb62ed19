using Mainstay.Internal;

namespace Mainstay;

/// <summary>What is declared about a job. Every method returns the same declaration, so that calls chain.</summary>
public sealed class JobDeclaration
{
    private readonly QueueHandler _handler;

    internal JobDeclaration(QueueHandler handler) => _handler = handler;

    /// <summary>How often it is tried before it becomes a dead letter. Default: 10, with growing pauses from 1 s on.</summary>
    public JobDeclaration Retry(int attempts)
    {
        _handler.Retry(attempts);
        return this;
    }

    /// <summary>How long one attempt may take. Default: 30 s.</summary>
    public JobDeclaration Timeout(TimeSpan timeout)
    {
        _handler.Limit(timeout);
        return this;
    }

    /// <summary>The queue that it runs in. Default: one that all share who say nothing.</summary>
    public JobDeclaration Queue(string name)
    {
        _handler.In(name);
        return this;
    }
}
