using System.Diagnostics;

namespace Mainstay.Internal;

/// <summary>A job that somebody waits for, until the reply is there or the time is over.</summary>
internal sealed class Question
{
    private const int KeyLengthMost = 400;

    private static readonly TimeSpan withinLeast = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan withinMost = TimeSpan.FromDays(1);

    /// <summary>How long the reply to a request with a key is there for whoever asks again.</summary>
    private static readonly TimeSpan kept = TimeSpan.FromDays(1);

    private readonly Guid _id;
    private readonly JobRow _row;
    private readonly TimeSpan _within;
    private readonly bool _isKept;

    /// <param name="row">The job.</param>
    /// <param name="within">How long to wait.</param>
    /// <param name="key">What makes it the same when it is asked again; null for nothing.</param>
    public Question(JobRow row, TimeSpan within, string? key)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(within, withinLeast);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(within, withinMost);
        if (key?.Length is 0 or > KeyLengthMost)
            throw new ArgumentException($"MST2511: The key with which '{row.Handler}' is asked has {key.Length} characters, expected 1 to {KeyLengthMost}. Use an id.", nameof(key));
        _id = key is null ? Guid.CreateVersion7() : StableKey.Of(Guid.Empty, $"{row.Handler}\n{key}");
        _row = row with { Message = _id, Origin = row.Origin with { Within = within } };
        _within = within;
        _isKept = key is not null;
    }

    /// <exception cref="ProblemException">It was refused, or there was no reply in time.</exception>
    public async Task<object> AskAsync(Transactor transactor, Type type, IReadOnlyList<ProblemType> problems, CancellationToken cancellation)
    {
        var clock = transactor.Database.Clock;
        using var activity = QueueMetrics.StartAsking(_row.Handler, _id);
        var began = clock.GetTimestamp();
        using var waiter = transactor.Desk.Replies.Wait(_id, _isKept);
        var outcome = "unanswered";
        try
        {
            await RecordAsync(transactor, activity is null ? _row : _row with { Origin = _row.Origin with { TraceParent = activity.Id } }, cancellation);
            waiter.Asked();
            var stored = await waiter.Reply.WaitAsync(_within, clock, cancellation);
            outcome = stored.Problem is null ? "replied" : "refused";
            return stored.Problem is { } problem ? throw StoredProblem.Read(problem, problems) : StoredJson.Read(type, stored.Reply!)!;
        }
        catch (TimeoutException e)
        {
            throw new ProblemException(ProblemCatalogue.OutcomeUnknown, $"'{_row.Handler}' did not reply within {_within}. It may yet be done, or have been. With a key, asking again is safe.", [], e);
        }
        finally
        {
            QueueMetrics.Asked(activity, _row.Handler, outcome, clock.GetElapsedTime(began));
        }
    }

    private Task<bool> RecordAsync(Transactor transactor, JobRow row, CancellationToken cancellation)
    {
        var deadline = Deadline.After(_within, transactor.Database.Clock);
        return transactor.RunAsync(new TransactionRequest(User.System(row.Origin.Operation), row.Origin, deadline, cancellation), async work =>
        {
            var ask = ReplySql.Ask(_id, _within, _isKept ? kept : _within);
            if (!_isKept)
                work.Execute(ask);
            else if (await work.ExecuteAsync(ask) == 0)
                return new Completed<bool>(false);
            work.Record(row);
            return new Completed<bool>(true);
        });
    }
}
