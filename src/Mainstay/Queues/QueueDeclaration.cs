using Mainstay.Internal;

namespace Mainstay;

/// <summary>What is declared about a queue: handlers that share its room. Every method returns the same declaration, so that calls chain.</summary>
public sealed class QueueDeclaration
{
    private int? _atMost;
    private TimeSpan? _spacing;
    private int _burst = 1;

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
    /// How many of its handlers run at the same time over all nodes. What a node has claimed counts from then on, and what a dead node had no longer counts when its lease is over.
    /// Default: any number.
    /// </summary>
    /// <param name="handlers">1 to 10,000.</param>
    public QueueDeclaration AtMost(int handlers)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(handlers, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(handlers, 10_000);
        _atMost = handlers;
        return this;
    }

    /// <summary>How often its handlers begin over all nodes, first attempts and others: at most <paramref name="starts"/> + <paramref name="burst"/> in any time of this length. Default: as often as there is room.</summary>
    /// <param name="starts">1 to 1,000,000.</param>
    /// <param name="per">The time, 1 ms to 1 day.</param>
    /// <param name="burst">How many may begin at once when there were fewer before. Default: a tenth of <paramref name="starts"/>.</param>
    public QueueDeclaration Rate(int starts, TimeSpan per, int? burst = null)
    {
        _spacing = SpacingOf(starts, per);
        if (burst is { } most)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(most, 1, nameof(burst));
            ArgumentOutOfRangeException.ThrowIfGreaterThan(most, starts, nameof(burst));
        }
        _burst = burst ?? (starts + 9) / 10;
        return this;
    }

    internal static TimeSpan SpacingOf(int starts, TimeSpan per)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(starts, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(starts, 1_000_000);
        ArgumentOutOfRangeException.ThrowIfLessThan(per, TimeSpan.FromMilliseconds(1));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(per, TimeSpan.FromDays(1));
        // The database counts microseconds.
        ArgumentOutOfRangeException.ThrowIfLessThan((per / starts).TotalMicroseconds, 1, nameof(starts));
        return per / starts;
    }

    internal QueueLimit? Limit => _atMost is null && _spacing is null ? null : new QueueLimit(Name, _atMost, _spacing, _burst);

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
