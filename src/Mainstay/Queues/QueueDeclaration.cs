using Mainstay.Internal;

namespace Mainstay;

/// <summary>What is declared about a queue: handlers that share its room. Every method returns the same declaration, so that calls chain.</summary>
public sealed class QueueDeclaration
{
    internal QueueDeclaration(string name) => Name = name;

    /// <summary>Its name, which handlers say to run in it.</summary>
    public string Name { get; }

    internal int? Slots { get; private set; }

    internal TimeSpan? AgeMost { get; private set; }

    /// <summary>How many of its handlers run at the same time on one node. Default: as many as <see cref="QueueOptions.Workers"/> says.</summary>
    public QueueDeclaration PerNode(int handlers)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(handlers, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(handlers, 1000);
        Slots = handlers;
        return this;
    }

    /// <summary>
    /// How long the oldest work of any of its handlers may have been ready and not begun, before commands that would make more for any of them are refused.
    /// As <see cref="HandlerDeclaration{TSelf}.MaxAge"/>. Default: any age.
    /// </summary>
    /// <param name="most">1 s to 30 days.</param>
    public QueueDeclaration MaxAge(TimeSpan most)
    {
        AgeMost = QueueHandler.CheckedAge(most);
        return this;
    }
}
