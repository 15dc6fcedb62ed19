using Mainstay.Internal;

namespace Mainstay;

/// <summary>What is declared about a queue: handlers that share its room. Every method returns the same declaration, so that calls chain.</summary>
public sealed class QueueDeclaration
{
    internal QueueDeclaration(string name) => Name = name;

    /// <summary>Its name, which handlers say to run in it.</summary>
    public string Name { get; }

    internal int? Slots { get; private set; }

    /// <summary>How many of its handlers run at the same time on one node. Default: as many as <see cref="QueueOptions.Workers"/> says.</summary>
    public QueueDeclaration PerNode(int handlers)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(handlers, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(handlers, 1000);
        Slots = handlers;
        return this;
    }
}
