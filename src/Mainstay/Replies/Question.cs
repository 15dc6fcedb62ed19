using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>A job that somebody waits for, until the reply is there or the time is over.</summary>
internal sealed class Question
{
    private const int KeyLengthMost = 400;

    private static readonly TimeSpan withinLeast = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan withinMost = TimeSpan.FromDays(1);

    /// <summary>How long the reply to a request with a key is there for whoever asks again.</summary>
    private static readonly TimeSpan kept = TimeSpan.FromDays(1);

    /// <summary>How long to wait at least for what is nearly over, before it is asked anew.</summary>
    private static readonly TimeSpan shortest = TimeSpan.FromMilliseconds(5);

    private readonly JobRow _row;
    private readonly TimeSpan _within;
    private readonly Guid? _key;

    /// <param name="row">The job.</param>
    /// <param name="within">How long to wait.</param>
    /// <param name="key">What makes it the same when it is asked again; null for nothing.</param>
    public Question(JobRow row, TimeSpan within, string? key)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(within, withinLeast);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(within, withinMost);
        if (key?.Length is 0 or > KeyLengthMost)
            throw new ArgumentException($"MST2511: The key with which '{row.Handler}' is asked has {key.Length} characters, expected 1 to {KeyLengthMost}. Use an id.", nameof(key));
        _row = row;
        _within = within;
        _key = key is null ? null : StableKey.Of(Guid.Empty, $"{row.Handler}\n{key}");
    }

    /// <exception cref="ProblemException">It was refused, or there was no reply in time.</exception>
    public async Task<object> AskAsync(Transactor transactor, Type type, IReadOnlyList<ProblemType> problems, CancellationToken cancellation)
    {
        var clock = transactor.Database.Clock;
        using var activity = QueueMetrics.StartAsking(_row.Handler);
        var began = clock.GetTimestamp();
        var outcome = "unanswered";
        try
        {
            var stored = await WaitAsync(transactor, activity?.Id, cancellation);
            outcome = stored.Problem is null ? "replied" : "refused";
            return stored.Problem is { } problem ? throw StoredProblem.Read(problem, problems) : Read(type, stored.Reply!);
        }
        finally
        {
            QueueMetrics.Asked(activity, _row.Handler, outcome, clock.GetElapsedTime(began));
        }
    }

    /// <summary>Asks; and again, as long as there is time, when what it has joined comes to nothing.</summary>
    private async Task<StoredReply> WaitAsync(Transactor transactor, string? traceParent, CancellationToken cancellation)
    {
        var clock = transactor.Database.Clock;
        var deadline = Deadline.After(_within, clock);
        for (TimeSpan left; (left = deadline.Left(clock)) > TimeSpan.Zero;)
        {
            var id = Guid.CreateVersion7();
            using var own = transactor.Desk.Replies.Wait(id, isKept: _key is not null);
            var row = _row with { Id = Guid.CreateVersion7(), Message = id, Origin = _row.Origin with { Asked = new Asked(left, _key), TraceParent = traceParent ?? _row.Origin.TraceParent } };
            var request = new TransactionRequest(User.System(row.Origin.Operation), row.Origin, deadline, cancellation);
            var joined = await transactor.RunAsync(request, async work => new Completed<Joined?>(await RecordAsync(work, id, row, left)));
            if (joined is { Reply: not null } or { Problem: not null })
                return new StoredReply(joined.Reply, joined.Problem);
            using var other = joined is null ? null : transactor.Desk.Replies.Wait(joined.Id, isKept: true);
            var waiter = other ?? own;
            waiter.Asked();
            left = deadline.Left(clock);
            if (joined is not null && joined.Left < left)
                left = joined.Left < shortest ? shortest : joined.Left;
            if (left > TimeSpan.Zero && await waiter.WaitAsync(left, clock, cancellation) is { } reply)
                return reply;
            if (joined is null)
                break;
        }
        throw ProblemCatalogue.NoReply.Because($"'{_row.Handler}' did not reply within {_within}. It may yet be done, or have been.{(_key is null ? "" : " Ask again with the same key to learn of it.")}");
    }

    /// <summary>Records the job, unless the same has been asked before and will still be answered, or has been.</summary>
    /// <returns>What has been asked before; null when this is what is asked.</returns>
    private async Task<Joined?> RecordAsync(UnitOfWork work, Guid id, JobRow row, TimeSpan left)
    {
        if (_key is not { } key)
            work.Execute(ReplySql.Ask(id, left));
        else
        {
            await work.ExecuteAsync(ReplySql.FreeKey(key));
            while (await work.ExecuteAsync(ReplySql.AskOnce(id, key, left, kept)) == 0)
                if ((await work.QueryAsync<Joined>(ReplySql.FindByKey(key))) is [var known])
                    return known;
        }
        work.Record(row);
        return null;
    }

    /// <exception cref="InvalidOperationException">MST2523: another release has replied.</exception>
    private object Read(Type type, string json)
    {
        try
        {
            return StoredJson.Read(type, json)!;
        }
        catch (Exception e) when (e is ProblemException or JsonException)
        {
            throw new InvalidOperationException($"MST2523: '{_row.Handler}' has replied, and the reply cannot be read as {type.Name}: {e.Message} Another release gave it. Ask when that is everywhere, or with another key.", e);
        }
    }

    private sealed record Joined(Guid Id, TimeSpan Left, string? Reply, string? Problem);
}
