using System.Data.Common;
using System.Diagnostics;
using Mainstay.Internal;
using Npgsql;

namespace Mainstay;

/// <summary>
/// Records messages in transactions that the application began itself. They are delivered after the commit and only then: a transaction that rolls back,
/// or whose process dies, leaves no message.
/// </summary>
public sealed class Outbox
{
    private readonly OutboxSignal _signal;

    internal Outbox(EventCatalogue events, OutboxSignal signal)
    {
        Events = events;
        _signal = signal;
    }

    internal EventCatalogue Events { get; }

    /// <summary>Records an event for each of its subscriptions. An event without subscriptions leaves nothing.</summary>
    /// <param name="event">An event that was declared to <see cref="OutboxExtensions.AddOutbox"/>.</param>
    /// <param name="transaction">The open transaction of the effect: of Npgsql or Dapper as it is, of EF Core from <c>GetDbTransaction()</c>. The caller commits it.</param>
    /// <param name="cancellation">Ends the statement, which aborts the transaction.</param>
    /// <exception cref="ConfigurationException">MST2101: the event is not declared. MST2105: the transaction cannot carry a message.</exception>
    public async Task PublishAsync<T>(T @event, DbTransaction transaction, CancellationToken cancellation = default) where T : class
    {
        ArgumentNullException.ThrowIfNull(@event);
        var open = CallerTransaction.Require(transaction, "MST2105");
        OutboxRow[] rows = [.. Events.Fan(@event, Here())];
        if (rows.Length == 0)
            return;
        await using var batch = new NpgsqlBatch(open.Connection, open);
        batch.BatchCommands.Add(OutboxSql.Insert(rows));
        try
        {
            await batch.ExecuteNonQueryAsync(cancellation);
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.InvalidSchemaName)
        {
            throw CallerTransaction.OtherDatabase("MST2105", "outbox", e);
        }
    }

    /// <summary>
    /// Makes this node look for messages now. A hint to call after a commit, because a commit of the application cannot be seen from here; without it they are
    /// found within <see cref="OutboxOptions.PollInterval"/>. <see cref="Receipt.CommitAsync"/> calls it by itself.
    /// </summary>
    public void Wake() => _signal.Raise();

    /// <summary>What publishes, as far as the trace knows.</summary>
    private static Origin Here() => Activity.Current is { } activity
        ? new Origin(activity.DisplayName, "application", null, activity.Id, null, activity.TraceId.ToHexString())
        : new Origin("application", "application", null, null, null, null);
}
