using System.Collections.Frozen;
using System.Diagnostics;
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
internal sealed class OutboxDispatcher(Transactor transactor, IReadOnlyList<Subscription> subscriptions, OutboxSignal signal, IServiceScopeFactory scopes, ILogger<OutboxDispatcher> log) : BackgroundService
{
    private const int Workers = 2;

    /// <summary>The longest a message waits when the hint of its commit was lost, or was raised on another node.</summary>
    private static readonly TimeSpan pollInterval = TimeSpan.FromSeconds(1);

    private readonly FrozenDictionary<string, Subscription> _byName = subscriptions.ToFrozenDictionary(subscription => subscription.Name);

    private TimeProvider Clock => transactor.Database.Clock;

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => _byName.Count == 0
        ? Task.CompletedTask
        : Task.WhenAll(Enumerable.Range(0, Workers).Select(_ => WorkAsync(stoppingToken)));

    private async Task WorkAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
            try
            {
                if (!await DeliverNextAsync(stopping))
                    await signal.WaitAsync(pollInterval, Clock, stopping);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is NpgsqlException or ProblemException or OperationCanceledException)
            {
                OutboxLog.Unavailable(log, e);
                await Task.Delay(pollInterval, Clock, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
    }

    /// <returns>False when nothing is due.</returns>
    private async Task<bool> DeliverNextAsync(CancellationToken stopping)
    {
        Claimed? claimed = null;
        try
        {
            return await transactor.RunAsync(Request(stopping), async work =>
            {
                claimed = null;
                claimed = await ClaimAsync(work);
                if (claimed is null)
                    return new Completed<bool>(false, null);
                await HandleAsync(claimed, work);
                work.Record(new BatchItem(Command(OutboxSql.Complete, claimed)));
                signal.Raise(); // there may be more: let the other worker look while this one commits
                return new Completed<bool>(true, null);
            });
        }
        catch (Exception e) when (claimed is not null && !stopping.IsCancellationRequested && !IsOutage(e))
        {
            await FailAsync(claimed, e, stopping);
            return true;
        }
    }

    private static async Task<Claimed?> ClaimAsync(UnitOfWork work)
    {
        await using var reader = await work.ReadAsync(new NpgsqlBatchCommand(OutboxSql.Claim));
        if (!await reader.ReadAsync(work.Cancellation))
            return null;
        string? Text(int i) => reader.IsDBNull(i) ? null : reader.GetString(i);
        return new Claimed(reader.GetGuid(0), reader.GetString(1), reader.GetString(2), reader.GetString(3), reader.GetInt32(4), Text(7), Text(8));
    }

    private async Task HandleAsync(Claimed message, UnitOfWork work)
    {
        if (!_byName.TryGetValue(message.Subscription, out var subscription))
            throw new InvalidOperationException($"MST2103: Nothing subscribes as '{message.Subscription}' any more. Declare the subscription again, or delete its messages.");
        using var activity = OutboxTelemetry.StartDelivery(message.Subscription, message.Event, message.TraceParent);
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
        var most = _byName.TryGetValue(message.Subscription, out var subscription) ? subscription.AttemptsMost : 10;
        OutboxLog.Failed(log, message.Subscription, message.Event, message.Id, message.Attempt + 1, most, error);
        await using var command = transactor.Database.Source.CreateCommand(OutboxSql.Fail);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = message.Id });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = message.Subscription });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = $"{error.GetType().Name}: {(error.Message.Length <= 2000 ? error.Message : error.Message[..2000])}" });
        command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = Backoff(message.Attempt), NpgsqlDbType = NpgsqlDbType.Interval });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = most });
        await command.ExecuteNonQueryAsync(stopping);
    }

    /// <summary>1 s, 2 s, 4 s … 5 min, each with full jitter on its upper half.</summary>
    private static TimeSpan Backoff(int attempt) => TimeSpan.FromSeconds(Math.Min(300, 1 << Math.Min(attempt, 9)) * (0.5 + Random.Shared.NextDouble() / 2));

    private TransactionRequest Request(CancellationToken stopping) =>
        new(User.System("outbox"), new Origin("outbox", "system", null, null, null, null), Deadline.After(TimeSpan.FromSeconds(30), Clock), stopping)
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

    private sealed record Claimed(Guid Id, string Subscription, string Event, string Body, int Attempt, string? TraceParent, string? CorrelationId);
}

internal static partial class OutboxLog
{
    [LoggerMessage(20, LogLevel.Warning, "Subscription '{Subscription}' could not handle {Event} {Id} (attempt {Attempt} of {Most}).")]
    public static partial void Failed(ILogger log, string subscription, string @event, Guid id, int attempt, int most, Exception error);

    [LoggerMessage(21, LogLevel.Warning, "The outbox cannot be read at the moment; trying again.")]
    public static partial void Unavailable(ILogger log, Exception error);
}

internal static class OutboxTelemetry
{
    private static readonly ActivitySource source = new(OperationTelemetry.Name);

    /// <summary>A span of its own, linked to the request that published the message.</summary>
    public static Activity? StartDelivery(string subscription, string @event, string? traceParent)
    {
        ActivityLink[] links = ActivityContext.TryParse(traceParent, null, out var cause) ? [new ActivityLink(cause)] : [];
        return source.StartActivity(ActivityKind.Consumer, tags: [new("messaging.destination.name", @event), new("mainstay.subscription", subscription)], links: links, name: $"deliver {subscription}");
    }
}
