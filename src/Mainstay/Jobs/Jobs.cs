using System.Data.Common;
using Mainstay.Internal;

namespace Mainstay;

/// <summary>
/// Records jobs, in transactions that the application began itself or in one of their own. They run after the commit and only then: a transaction that rolls
/// back, or whose process dies, leaves no job.
/// </summary>
public sealed class Jobs
{
    private readonly MessageCatalogue _messages;
    private readonly JobDesk _desk;
    private readonly Transactor _transactor;

    private readonly IReadOnlyList<ProblemType> _problems;

    /// <param name="messages">What is declared.</param>
    /// <param name="desk">Where it is handed in.</param>
    /// <param name="transactor">Its transactions.</param>
    /// <param name="problems">The problems of the application, with which requests may be refused.</param>
    internal Jobs(MessageCatalogue messages, JobDesk desk, Transactor transactor, IReadOnlyList<ProblemType> problems)
    {
        _messages = messages;
        _desk = desk;
        _transactor = transactor;
        _problems = problems;
    }

    /// <summary>Records a job.</summary>
    /// <param name="job">A record that was declared as a job.</param>
    /// <param name="transaction">
    /// The open transaction of the effect, which the caller commits: of Npgsql or Dapper as it is, of EF Core from <c>GetDbTransaction()</c>. Default: one of its
    /// own, committed at the return.
    /// </param>
    /// <param name="after">How long after now it shall run. Default: as soon as possible.</param>
    /// <param name="at">When it shall run, instead of <paramref name="after"/>.</param>
    /// <param name="unique">
    /// A key that only one open job of the kind has: while there is one, no other is recorded. Whoever enqueues the same key at the same moment waits for the end of
    /// the other transaction. Default: what the declaration says with <see cref="JobDeclaration.Unique"/>.
    /// </param>
    /// <param name="priority">Its priority, if the declaration knows any. Default: what that says.</param>
    /// <param name="cancellation">Ends the statement.</param>
    /// <returns>The id of the job; of a unique one the id of that which has the key.</returns>
    /// <exception cref="ConfigurationException">MST2501: the job is not declared. MST2105: the transaction cannot carry it.</exception>
    /// <exception cref="InvalidOperationException">MST2507: it is larger than 256 KiB as JSON. MST2514: its declaration knows no priorities.</exception>
    /// <exception cref="ArgumentException">MST2511: the key is too long.</exception>
    public async Task<Guid> EnqueueAsync<T>(T job, DbTransaction? transaction = null, TimeSpan? after = null, DateTimeOffset? at = null, string? unique = null, JobPriority? priority = null, CancellationToken cancellation = default) where T : class
    {
        ArgumentNullException.ThrowIfNull(job);
        var row = _messages.Enqueue(job, ApplicationOrigin.Here(), new EnqueueOptions { After = after, At = at, Unique = unique, Priority = priority });
        if (transaction is not null)
            return await CallerRows.InsertAsync([row], transaction, cancellation) is [var id] ? id : row.Id;
        var request = new TransactionRequest(User.System(row.Origin.Operation), row.Origin, Deadline.After(TimeSpan.FromSeconds(30), _transactor.Database.Clock), cancellation);
        return await _transactor.RunAsync(request, async work => new Completed<Guid>(await work.StoreAsync(row)));
    }

    /// <summary>
    /// Records many jobs of one kind with a single COPY instead of a statement for each. All or none: what cannot be recorded ends it, and leaves a transaction
    /// of the caller's own to be rolled back.
    /// </summary>
    /// <param name="jobs">Records that were declared as a job. Read once and sent while they are read, so that they need not all be in memory.</param>
    /// <param name="transaction">As for <see cref="EnqueueAsync"/>.</param>
    /// <param name="after">How long after now they shall run. Default: as soon as possible.</param>
    /// <param name="at">When they shall run, instead of <paramref name="after"/>.</param>
    /// <param name="cancellation">Ends it, and nothing is recorded.</param>
    /// <returns>How many there were.</returns>
    /// <exception cref="ConfigurationException">MST2501: the job is not declared. MST2105: the transaction cannot carry it.</exception>
    /// <exception cref="InvalidOperationException">MST2507: one is larger than 256 KiB as JSON. MST2512: the jobs are unique.</exception>
    public async Task<long> EnqueueManyAsync<T>(IEnumerable<T> jobs, DbTransaction? transaction = null, TimeSpan? after = null, DateTimeOffset? at = null, CancellationToken cancellation = default) where T : class
    {
        ArgumentNullException.ThrowIfNull(jobs);
        var origin = ApplicationOrigin.Here();
        var copy = new JobCopy(jobs.Select(job => _messages.Enqueue(job, origin, new EnqueueOptions { After = after, At = at })), origin) { After = after, At = at };
        if (transaction is not null)
            return await CallerRows.CopyAsync(copy, transaction, cancellation);
        await using var connection = await _transactor.Database.OpenAsync(Deadline.After(TimeSpan.FromSeconds(30), _transactor.Database.Clock), cancellation);
        var count = await copy.WriteAsync(connection, cancellation);
        _desk.Wake();
        return count;
    }

    /// <summary>
    /// Records a job whose record says that it is an <see cref="IRequest{TReply}"/>, in a transaction of its own, and waits for its reply. Any node may do it; one that dies with it is followed by
    /// another, as long as somebody waits. The reply is committed with the effect of the job. What nobody waits for any more is not begun.
    /// </summary>
    /// <param name="request">What is asked.</param>
    /// <param name="within">How long to wait: 10 ms to 1 day. The handler is given no more time than that, retries included.</param>
    /// <param name="key">
    /// What makes it the same request when it is asked again, at most 400 characters: it is then done once, and whoever asks within a day of the first is given the same reply. A refusal is not kept.
    /// From a handler that reaches out of the process this is <see cref="Outbound.Key"/>, so that its next attempt does not ask anew. Default: nothing, and every call asks.
    /// </param>
    /// <param name="priority">Its priority, if the declaration knows any. Default: what that says.</param>
    /// <param name="cancellation">Ends the waiting. The job may be done all the same.</param>
    /// <returns>What the handler gave.</returns>
    /// <exception cref="ProblemException">
    /// That with which the handler refused it; <c>internal-error</c>: it failed in all attempts; <c>no-reply</c>: there was none in time, and it may yet be done, or have been.
    /// </exception>
    /// <exception cref="ConfigurationException">MST2501: the job is not declared.</exception>
    /// <exception cref="InvalidOperationException">MST2507: it is larger than 256 KiB as JSON. MST2514: its declaration knows no priorities. MST2523: another release has replied, in another form.</exception>
    /// <exception cref="ArgumentException">MST2511: a key is too long.</exception>
    public async Task<TReply> AskAsync<TReply>(IRequest<TReply> request, TimeSpan within, string? key = null, JobPriority? priority = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        var question = new Question(_messages.Enqueue(request, ApplicationOrigin.Here(), new EnqueueOptions { Priority = priority }), within, key);
        return (TReply)await question.AskAsync(_transactor, typeof(TReply), _problems, cancellation);
    }

    /// <summary>
    /// Makes this node look for work now. A hint to call after a commit of the application's own, which cannot be seen from here; without it the work is found
    /// within <see cref="QueueOptions.PollInterval"/>.
    /// </summary>
    public void Wake() => _desk.Wake();
}
