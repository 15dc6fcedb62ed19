using System.Data.Common;
using Mainstay.Internal;

namespace Mainstay;

/// <summary>
/// Records messages in transactions that the application began itself. They are delivered after the commit and only then: a transaction that rolls back,
/// or whose process dies, leaves no message.
/// </summary>
public sealed class Outbox
{
    private readonly MessageCatalogue _messages;
    private readonly JobDesk _desk;

    internal Outbox(MessageCatalogue messages, JobDesk desk)
    {
        _messages = messages;
        _desk = desk;
    }

    /// <summary>Records an event for each of its subscriptions. An event without subscriptions leaves nothing.</summary>
    /// <param name="event">An event that was declared to <see cref="OutboxExtensions.AddOutbox"/>.</param>
    /// <param name="transaction">The open transaction of the effect: of Npgsql or Dapper as it is, of EF Core from <c>GetDbTransaction()</c>. The caller commits it.</param>
    /// <param name="cancellation">Ends the statement, which aborts the transaction.</param>
    /// <exception cref="ConfigurationException">MST2101: the event is not declared. MST2105: the transaction cannot carry a message.</exception>
    /// <exception cref="InvalidOperationException">MST2507: it is larger than 256 KiB as JSON.</exception>
    public Task PublishAsync<T>(T @event, DbTransaction transaction, CancellationToken cancellation = default) where T : class
    {
        ArgumentNullException.ThrowIfNull(@event);
        return CallerRows.InsertAsync([.. _messages.Fan(@event, ApplicationOrigin.Here())], transaction, cancellation);
    }

    /// <summary>
    /// Makes this node look for messages now. A hint to call after a commit, because a commit of the application cannot be seen from here; without it they are
    /// found within <see cref="QueueOptions.PollInterval"/>. <see cref="Receipt.CommitAsync"/> calls it by itself.
    /// </summary>
    public void Wake() => _desk.Wake();
}
