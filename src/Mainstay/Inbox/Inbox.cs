using System.Data.Common;
using System.Diagnostics;
using Mainstay.Internal;
using Npgsql;

namespace Mainstay;

/// <summary>
/// Messages from outside, of a broker or a webhook, which arrive at least once: each is handled once, in one transaction with the record that it was received. Its
/// repetitions get the same answer. Known for <see cref="QueueOptions.KeepInbox"/>; what is repeated later is new.
/// </summary>
public sealed class Inbox
{
    /// <summary>The longest id of a message.</summary>
    public const int MessageMost = 500;

    private static readonly TimeSpan timeout = TimeSpan.FromSeconds(30);

    private readonly QueueModel _model;
    private readonly Transactor _transactor;
    private readonly TimeSpan _keep;

    internal Inbox(QueueModel model, Transactor transactor, TimeSpan keep) => (_model, _transactor, _keep) = (model, transactor, keep);

    /// <summary>Handles a message that was not received before, and gives what that came to; of one that was, what it came to then. At most 30 s.</summary>
    /// <param name="source">Where it comes from: a source that was declared.</param>
    /// <param name="message">The id that the sender gave it, the same for each repetition; at most <see cref="MessageMost"/> characters.</param>
    /// <param name="handle">Returning commits, throwing rolls back, and then the message was not received. Runs again after conflicts.</param>
    /// <param name="cancellation">Ends it, and nothing was received.</param>
    /// <typeparam name="T">A record, a value, or a list of these. Kept as JSON.</typeparam>
    /// <exception cref="ConfigurationException">MST2801: the source is not declared. MST1003: the answer cannot be kept.</exception>
    public Task<T> ReceiveAsync<T>(string source, string message, Func<UnitOfWork, Task<T>> handle, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(handle);
        Check(source, message);
        StoredJson.Check(typeof(T), $"The answer to a message of '{source}'");
        var operation = $"inbox {source}";
        var origin = new Origin(operation, "system", null, Activity.Current?.Id, message, Activity.Current?.TraceId.ToHexString());
        var request = new TransactionRequest(User.System(operation), origin, Deadline.After(timeout, _transactor.Database.Clock), cancellation) { IsKeyed = true };
        return _transactor.RunAsync(request, async work =>
        {
            if (await FindAsync(work, source, message) is (Reception.Duplicate, var answer))
                return new Completed<T>(answer is null or "null" ? default! : (T)StoredJson.Read(typeof(T), answer)!);
            var value = await handle(work);
            work.Record(new BatchItem(InboxSql.Insert(source, message, value is null ? "null" : StoredJson.Write(value, typeof(T)))));
            return new Completed<T>(value);
        });
    }

    /// <summary>Records that a message is received, in the caller's transaction, unless it was before. Waits for another transaction that is at the same message.</summary>
    /// <param name="source">Where it comes from: a source that was declared.</param>
    /// <param name="message">The id that the sender gave it.</param>
    /// <param name="transaction">The open transaction of the effect, at READ COMMITTED: of Npgsql or Dapper as it is, of EF Core from <c>GetDbTransaction()</c>. The caller commits it.</param>
    /// <param name="cancellation">Ends the statement, which aborts the transaction.</param>
    /// <returns>False when it was received before, so that there is nothing to do.</returns>
    /// <exception cref="ConfigurationException">MST2801: the source is not declared. MST2802: the transaction is stricter than READ COMMITTED. MST2105: it cannot carry a message.</exception>
    public async Task<bool> TryReceiveAsync(string source, string message, DbTransaction transaction, CancellationToken cancellation = default)
    {
        Check(source, message);
        var reception = await CallerRows.ReceiveAsync(InboxSql.Take(source, message, _keep), InboxSql.InsertNew(source, message, _keep), transaction, cancellation);
        InboxMetrics.Received(source, reception);       // the commit is the caller's and cannot be seen from here
        return reception != Reception.Duplicate;
    }

    /// <summary>Records that a message is received, in a unit of work, unless it was before. Waits for another transaction that is at the same message.</summary>
    /// <param name="source">Where it comes from: a source that was declared.</param>
    /// <param name="message">The id that the sender gave it.</param>
    /// <param name="work">The unit of work of the effect, of a handler that asks for READ COMMITTED, which is the default.</param>
    /// <returns>False when it was received before, so that there is nothing to do.</returns>
    /// <exception cref="ConfigurationException">MST2801: the source is not declared. MST2802: the unit of work is stricter than READ COMMITTED.</exception>
    public async Task<bool> TryReceiveAsync(string source, string message, UnitOfWork work)
    {
        ArgumentNullException.ThrowIfNull(work);
        Check(source, message);
        if ((await FindAsync(work, source, message)).Reception == Reception.Duplicate)
            return false;
        work.Record(new BatchItem(InboxSql.Insert(source, message, null)));
        return true;
    }

    /// <summary>Takes the message for this unit of work. It is counted when that is committed.</summary>
    private async Task<(Reception Reception, string? Answer)> FindAsync(UnitOfWork work, string source, string message)
    {
        try
        {
            await using var reader = await work.ReadAsync(InboxSql.Take(source, message, _keep));
            var isKnown = await reader.ReadAsync(work.Cancellation);
            var reception = !isKnown ? Reception.New : reader.GetBoolean(1) ? Reception.Late : Reception.Duplicate;
            work.AfterCommit(() => InboxMetrics.Received(source, reception));
            return (reception, isKnown && !reader.IsDBNull(0) ? reader.GetString(0) : null);
        }
        catch (PostgresException e) when (InboxSql.IsOldView(e))
        {
            throw OldView(e);
        }
    }

    internal static ConfigurationException OldView(PostgresException inner) => new("MST2802",
        $"A message is received in a transaction that keeps one view of the database, so it could overlook that another has received it meanwhile ({inner.MessageText}). Receive it at READ COMMITTED.", inner);

    private void Check(string source, string message)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(source);
        ArgumentException.ThrowIfNullOrWhiteSpace(message);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(message.Length, MessageMost, nameof(message));
        if (!_model.Sources.Contains(source))
            throw new ConfigurationException("MST2801", $"'{source}' is not declared as a source of messages.{Suggestion.For(source, _model.Sources)} Declare it with Inbox(\"{source}\") in a Backend, or with Source(\"{source}\") in AddInbox.");
    }
}
