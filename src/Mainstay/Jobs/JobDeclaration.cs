using Mainstay.Internal;

namespace Mainstay;

/// <summary>What is declared about a job. Every method returns the same declaration, so that calls chain.</summary>
public sealed class JobDeclaration : HandlerDeclaration<JobDeclaration>
{
    internal JobDeclaration(QueueHandler handler) : base(handler)
    {
    }
}
