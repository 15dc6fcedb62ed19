using Mainstay.Internal;

namespace Mainstay;

/// <summary>What can be said about every handler of queued work. Every method returns the same declaration, so that calls chain.</summary>
/// <typeparam name="TSelf">The declaration itself.</typeparam>
public abstract class HandlerDeclaration<TSelf> where TSelf : HandlerDeclaration<TSelf>
{
    private protected HandlerDeclaration(QueueHandler handler) => Handler = handler;

    private protected QueueHandler Handler { get; }

    /// <summary>
    /// How often it is tried before it becomes a dead letter, and how long after a failure: a time drawn between nothing and <c>min(to, from · 2^(attempt − 1))</c>.
    /// </summary>
    /// <param name="attempts">1 to 100. Default: 10.</param>
    /// <param name="from">The longest pause after the first attempt. Default: 1 s.</param>
    /// <param name="to">The longest pause of all. Default: 1 h.</param>
    public TSelf Retry(int attempts, TimeSpan? from = null, TimeSpan? to = null)
    {
        Handler.Retries.Otherwise = RetryRule.Backoff(attempts, from, to);
        return (TSelf)this;
    }

    /// <summary>What becomes of a run that fails with this exception, or one derived from it that has no rule of its own. A run past its timeout fails with <see cref="TimeoutException"/>.</summary>
    /// <param name="rule"><see cref="RetryRule.Never"/>, <see cref="RetryRule.After"/> or <see cref="RetryRule.Backoff"/>. Its attempts are those of the job, whatever they failed of.</param>
    public TSelf On<TException>(RetryRule rule) where TException : Exception
    {
        ArgumentNullException.ThrowIfNull(rule);
        Handler.Retries.On(typeof(TException), rule);
        return (TSelf)this;
    }

    /// <summary>
    /// How long it is tried, from when it was to run first; what has not been done by then becomes a dead letter (<c>expired</c>) without being run. Default: as
    /// long as there are attempts.
    /// </summary>
    public TSelf GiveUpAfter(TimeSpan time)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(time, TimeSpan.FromMilliseconds(10));
        Handler.Retries.GiveUpAfter = time;
        return (TSelf)this;
    }

    /// <summary>
    /// How long one attempt may take. Then it is cancelled and counts as failed. One that does not obey keeps its slot and is never run a second time beside itself
    /// on its node. Default: 30 s.
    /// </summary>
    public TSelf Timeout(TimeSpan timeout)
    {
        Handler.Limit(timeout);
        return (TSelf)this;
    }

    /// <summary>
    /// How long the oldest of its work may have been ready and not begun. While it is older, commands that would make more of it are refused with 503 and the time
    /// after which to come again, until the oldest is younger than half of this. What handlers publish and enqueue is never refused. Default: any age.
    /// </summary>
    /// <param name="most">1 s to 30 days. Judged every second when it matters.</param>
    public TSelf MaxAge(TimeSpan most)
    {
        Handler.LimitAge(most);
        return (TSelf)this;
    }

    /// <summary>
    /// Says that the handler publishes or enqueues these, so that <c>describe</c> lists and draws it. Changes nothing else: what handlers send is never held back. Default: nothing is said.
    /// </summary>
    /// <typeparam name="T">A record that is declared as an event or a job; the start fails with MST2501 when it is neither.</typeparam>
    public TSelf Sends<T>() where T : class
    {
        Handler.Sent.Add(typeof(T));
        return (TSelf)this;
    }

    /// <summary>
    /// How many are handled together, in one transaction, by a handler that takes an <see cref="IReadOnlyList{T}"/> and a <see cref="UnitOfWork"/>. When that
    /// fails it is done again in halves, down to the one that cannot be done; the others are done, and count no attempt.
    /// </summary>
    /// <param name="most">At most so many; 1 to 1000. Default: 100.</param>
    /// <param name="linger">How long the first of them waits for others to come, at most a minute. Default: not at all; what waits is taken.</param>
    public TSelf Batch(int most = BatchRule.MostDefault, TimeSpan linger = default)
    {
        Handler.InBatches(new BatchRule(most, linger));
        return (TSelf)this;
    }

    /// <summary>The queue that it runs in. Default: one that all share who say nothing.</summary>
    public TSelf Queue(string name)
    {
        Handler.In(name);
        return (TSelf)this;
    }
}
