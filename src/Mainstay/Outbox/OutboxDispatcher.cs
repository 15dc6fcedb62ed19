using System.Collections.Frozen;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using NpgsqlTypes;

namespace Mainstay.Internal;

/// <summary>
/// Delivers messages to subscriptions, one transaction each: claim the row, run the handler, delete the row, commit. A process that dies in
/// between leaves the row unlocked for any node; the effect and the deletion are one commit, so neither is ever without the other.
/// </summary>
internal sealed class OutboxDispatcher(Transactor transactor, IReadOnlyList<Subscription> subscriptions, OutboxOptions options, OutboxSignal signal, IServiceScopeFactory scopes, ILogger<OutboxDispatcher> log) : BackgroundService
{
    private readonly FrozenDictionary<string, Subscription> _byName = subscriptions.ToFrozenDictionary(subscription => subscription.Name);
    private readonly string[] _names = [.. subscriptions.Select(subscription => subscription.Name)];

    /// <summary>Until a message is claimed nobody knows whose time counts, and a transaction keeps the statement timeout that it began with.</summary>
    private readonly TimeSpan _longestTimeout = subscriptions.Select(subscription => subscription.Timeout).DefaultIfEmpty(TimeSpan.FromSeconds(30)).Max();

    private TimeProvider Clock => transactor.Database.Clock;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (_names.Length == 0 || options.Workers == 0)
            return;
        await ReportOrphansAsync(stoppingToken);
        await Task.WhenAll(Enumerable.Range(0, options.Workers).Select(_ => WorkAsync(stoppingToken)));
    }

    /// <summary>Messages for a subscription that was renamed or removed would wait for ever in silence.</summary>
    private async Task ReportOrphansAsync(CancellationToken stopping)
    {
        try
        {
            await using var command = transactor.Database.Source.CreateCommand(OutboxSql.CountOrphans);
            command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = _names, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text });
            await using var reader = await command.ExecuteReaderAsync(stopping);
            while (await reader.ReadAsync(stopping))
                OutboxLog.Orphans(log, reader.GetInt64(1), reader.GetString(0));
        }
        catch (Exception e) when (e is NpgsqlException or OperationCanceledException)
        {
            if (!stopping.IsCancellationRequested)
                OutboxLog.Unavailable(log, e);
        }
    }

    private async Task WorkAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
            try
            {
                if (!await DeliverNextAsync(stopping))
                    await signal.WaitAsync(options.PollInterval, Clock, stopping);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is NpgsqlException or ProblemException or OperationCanceledException)
            {
                OutboxLog.Unavailable(log, e);
                await Task.Delay(options.PollInterval, Clock, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
    }

    /// <returns>False when nothing is due.</returns>
    private async Task<bool> DeliverNextAsync(CancellationToken stopping)
    {
        Claimed? claimed = null;
        using var timeout = new CancellationTokenSource(Timeout.InfiniteTimeSpan, Clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stopping, timeout.Token);
        try
        {
            var isDelivered = await transactor.RunAsync(Request(either.Token), async work =>
            {
                claimed = null;
                claimed = await ClaimAsync(work);
                if (claimed is null)
                    return new Completed<bool>(false, null);
                var subscription = _byName[claimed.Subscription];
                timeout.CancelAfter(subscription.Timeout);
                work.CausedBy(claimed.Cause);
                await HandleAsync(claimed, subscription, work);
                work.Record(new BatchItem(Command(OutboxSql.Complete, claimed)));
                signal.Raise(); // there may be more: let the other worker look while this one commits
                return new Completed<bool>(true, null);
            });
            if (claimed is not null)
                OutboxMetrics.Delivered(claimed.Subscription);
            return isDelivered;
        }
        catch (Exception e) when (claimed is not null && !stopping.IsCancellationRequested && !IsOutage(e))
        {
            await FailAsync(claimed, e, stopping);
            return true;
        }
    }

    private async Task<Claimed?> ClaimAsync(UnitOfWork work)
    {
        var command = new NpgsqlBatchCommand(OutboxSql.Claim);
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = _names, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text });
        await using var reader = await work.ReadAsync(command);
        if (!await reader.ReadAsync(work.Cancellation))
            return null;
        string? Text(int i) => reader.IsDBNull(i) ? null : reader.GetString(i);
        return new Claimed(reader.GetGuid(0), reader.GetString(1), reader.GetString(2), reader.GetString(3), reader.GetInt32(4), Text(6), Text(7), Text(8));
    }

    private async Task HandleAsync(Claimed message, Subscription subscription, UnitOfWork work)
    {
        using var activity = OutboxMetrics.StartDelivery(message.Subscription, message.Event, message.TraceParent);
        using var json = JsonDocument.Parse(message.Body);
        var faults = new InputFaults();
        var @event = Shape.Of(subscription.EventType).Read(json.RootElement, JsonPath.Root, faults);
        faults.ThrowIfAny();
        await using var scope = scopes.CreateAsyncScope();
        await subscription.Handler.InvokeAsync(@event, work, scope.ServiceProvider, work.Cancellation);
    }

    /// <summary>The database went away: nobody's attempt. Counted, a bad night of the database would turn healthy messages into dead letters.</summary>
    private static bool IsOutage(Exception error) => error is ProblemException { Type: var type } && (type == ProblemCatalogue.DatabaseUnavailable || type == ProblemCatalogue.OutcomeUnknown);

    private async Task FailAsync(Claimed message, Exception error, CancellationToken stopping)
    {
        var most = _byName[message.Subscription].AttemptsMost;
        OutboxMetrics.Failed(message.Subscription, isDead: message.Attempt + 1 >= most);
        OutboxLog.Failed(log, message.Subscription, message.Event, message.Id, message.Attempt + 1, most, error);
        await using var command = transactor.Database.Source.CreateCommand(OutboxSql.Fail);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = message.Id });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = message.Subscription });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = $"{error.GetType().Name}: {(error.Message.Length <= 2000 ? error.Message : error.Message[..2000])}" });
        command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = Backoff(message.Attempt), NpgsqlDbType = NpgsqlDbType.Interval });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = most });
        // Between the rollback and this, another worker may have taken and failed it too: that attempt is counted there.
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = message.Attempt });
        await command.ExecuteNonQueryAsync(stopping);
    }

    /// <summary>1 s, 2 s, 4 s … 5 min, each with full jitter on its upper half.</summary>
    private static TimeSpan Backoff(int attempt) => TimeSpan.FromSeconds(Math.Min(300, 1 << Math.Min(attempt, 9)) * (0.5 + Random.Shared.NextDouble() / 2));

    private TransactionRequest Request(CancellationToken cancellation) =>
        new(User.System("outbox"), new Origin("outbox", "system", null, null, null, null), Deadline.After(_longestTimeout, Clock), cancellation)
        {
            IsKeyed = true,     // a delivery whose commit was lost on the way has deleted its message, so the next run finds another
        };

    private static NpgsqlBatchCommand Command(string sql, Claimed message)
    {
        var command = new NpgsqlBatchCommand(sql);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = message.Id });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = message.Subscription });
        return command;
    }

    private sealed record Claimed(Guid Id, string Subscription, string Event, string Body, int Attempt, string? RequestId, string? TraceParent, string? CorrelationId)
    {
        /// <summary>What the handler's changes and messages come from: this message, in the chain that one request began.</summary>
        public Origin Cause => new($"on {Subscription}", "system", RequestId, TraceParent, Id.ToString(), CorrelationId);
    }
}
