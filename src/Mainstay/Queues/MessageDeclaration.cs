using Mainstay.Internal;

namespace Mainstay;

/// <summary>What can be said about every handler whose work is published or enqueued. Every method returns the same declaration, so that calls chain.</summary>
/// <typeparam name="TSelf">The declaration itself.</typeparam>
public abstract class MessageDeclaration<TSelf> : HandlerDeclaration<TSelf> where TSelf : MessageDeclaration<TSelf>
{
    private protected MessageDeclaration(QueueHandler handler) : base(handler)
    {
    }

    /// <summary>
    /// What has the same key is handled one after the other, in the order in which it was recorded, on whatever nodes. The next begins when the one before is done, through all
    /// of its retries; what is delayed takes its place when it is due.
    /// </summary>
    /// <param name="key">The key, from the record; null for what waits for nobody. At most 400 characters.</param>
    /// <param name="deadHead">What becomes of the rest when one has died. Default: it waits until the dead letter is redriven or discarded.</param>
    public TSelf InOrderOf<T>(Func<T, object?> key, DeadHead deadHead = DeadHead.Block) where T : class
    {
        ArgumentNullException.ThrowIfNull(key);
        Handler.InOrder(key, deadHead);
        return (TSelf)this;
    }

    /// <summary>At most so many with the same key are handled at the same time, over all nodes.</summary>
    /// <param name="handlers">1 to 1,000.</param>
    /// <param name="per">The key, from the record, for example the customer; null for what is not limited. At most 400 characters.</param>
    public TSelf AtMost<T>(int handlers, Func<T, object?> per) where T : class
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(handlers, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(handlers, 1000);
        ArgumentNullException.ThrowIfNull(per);
        Handler.AtMost(handlers, per);
        return (TSelf)this;
    }

    /// <summary>
    /// How often work of one key begins over all nodes: at most <paramref name="starts"/> and the places of <see cref="AtMost"/>, or one of <see cref="InOrderOf"/>, in any time of this
    /// length. What is too early waits until its time; that is no attempt. Runs after a failure come when their retry rule says and are not counted.
    /// </summary>
    /// <param name="starts">1 to 1,000,000.</param>
    /// <param name="per">The time, 1 ms to 1 day.</param>
    public TSelf Rate(int starts, TimeSpan per)
    {
        Handler.Placement.Spacing = QueueDeclaration.SpacingOf(starts, per);
        return (TSelf)this;
    }

    /// <summary>
    /// Shares the queue among tenants: of those that wait, each has one turn before any has another, however many jobs it has. Whoever comes new has its turn in the present round.
    /// </summary>
    /// <param name="tenant">For whom it is, from the record, for example the customer; null for what is nobody's and stands in the order in which it came. At most 400 characters.</param>
    public TSelf FairTo<T>(Func<T, object?> tenant) where T : class
    {
        ArgumentNullException.ThrowIfNull(tenant);
        Handler.FairTo(tenant);
        return (TSelf)this;
    }

    /// <summary>
    /// Which of the queue's work goes first. Seven of eight claims of a node begin with the highest; the eighth begins with normal or low work, in turn. Jobs can be enqueued with
    /// another one than this.
    /// </summary>
    /// <param name="priority">The priority of what does not say another one.</param>
    public TSelf Priority(JobPriority priority)
    {
        if (!Enum.IsDefined(priority))
            throw new ArgumentOutOfRangeException(nameof(priority), priority, "There are High, Normal and Low.");
        Handler.Placement.Priority = priority;
        return (TSelf)this;
    }
}
