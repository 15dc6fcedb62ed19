using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>How a run ended. Retried, snoozed and released jobs run again; what one that was given up is a part of goes on without it; of a lost one, another node decides.</summary>
internal enum JobOutcome { Done, Retried, Snoozed, GivenUp, Dead, Released, Lost }

/// <summary>Why a run is ended from outside.</summary>
internal enum JobEnd { None, Stopping, Lost }

/// <summary>What runs need of their node.</summary>
internal sealed record JobRunServices(Transactor Transactor, QueueStore Store, IServiceScopeFactory Scopes, ILogger Log)
{
    public TimeProvider Clock => Transactor.Database.Clock;

    /// <summary>What is said of outages, over all runs of the node.</summary>
    public OutageNotice Outages { get; } = new(Transactor.Database.Clock);
}

/// <summary>
/// One run of a job that this node has the lease of. With a unit of work, the commit of the effect also ends the job; otherwise the loop ends it with others, in
/// its next turn. A process that dies anywhere in here leaves it leased, and another node takes it back when the lease is over.
/// </summary>
internal sealed class JobRun(ClaimedJob job, QueueHandler handler, JobRunServices services) : IDisposable
{
    /// <summary>The longest error that is kept, in UTF-16 units. With the ten last of them, what a failing job leaves is bounded.</summary>
    private const int ErrorLengthMost = 2000;

    /// <summary>How long a handler may take to notice that its time is over, before that is said of it.</summary>
    private static readonly TimeSpan grace = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource _ending = new();
    private readonly IJobPartRun? _part = handler.Part?.Begin(job, services) ?? handler.Runs?.Invoke(job, services) ?? ReplyRun.Of(handler, job, services);
    private readonly long _began = services.Clock.GetTimestamp();
    private int _end;
    private long _handledSince;
    private bool _isStuck;
    private Exception? _error;

    public ClaimedJob Job => job;

    /// <summary>Cancelled when the run is ended from outside.</summary>
    public CancellationToken Ending => _ending.Token;

    /// <summary>Whether the row is still to be ended, with the next turn of the loop.</summary>
    public bool IsToFinish { get; private set; }

    /// <summary>How long until it is due again; null when it is not.</summary>
    public TimeSpan? RunsAgainAfter { get; private set; }

    /// <summary>How long to put it off instead of running it, because an earlier run of it still goes on here; null to run it.</summary>
    public TimeSpan? PutOff { get; init; }

    private JobEnd End => (JobEnd)Volatile.Read(ref _end);

    /// <summary>Read when somebody asks: a handler that reaches out mostly does not.</summary>
    private Origin Origin => field ??= OriginJson.Read(job.Origin);

    /// <summary>How long ago it was to run first: by the database's clock until the claim, and by this process's since it began.</summary>
    private TimeSpan Age => job.Age + services.Clock.GetElapsedTime(_began);

    /// <summary>Cancels the handler. The first reason counts.</summary>
    public void Cancel(JobEnd why)
    {
        if (Interlocked.CompareExchange(ref _end, (int)why, (int)JobEnd.None) == (int)JobEnd.None)
            _ = _ending.CancelAsync();
    }

    /// <summary>Left to the collector when it is being ended at the same moment.</summary>
    public void Dispose()
    {
        if (Interlocked.CompareExchange(ref _end, (int)JobEnd.Lost, (int)JobEnd.None) == (int)JobEnd.None)
            _ending.Dispose();
    }

    /// <summary>Begins the time that a handler has, which also ends when the run is ended from outside.</summary>
    public RunLimits BeginLimits() => new(handler.Timeout, services.Clock, _ending.Token);

    /// <summary>Notes that a handler begins with it, alone or as the first of several.</summary>
    public void BeginHandling() => Volatile.Write(ref _handledSince, services.Clock.GetTimestamp());

    /// <summary>Notes that the handler has come back.</summary>
    public void EndHandling() => Volatile.Write(ref _handledSince, 0);

    /// <summary>Says once, and counts, that the handler goes on although its time is over.</summary>
    public void ReportIfStuck()
    {
        if (_isStuck || Volatile.Read(ref _handledSince) is var since && (since == 0 || services.Clock.GetElapsedTime(since) < handler.Timeout + grace))
            return;
        _isStuck = true;
        QueueLog.Stuck(services.Log, job.Handler, job.Id, handler.Timeout);
        QueueMetrics.Stuck(job.Handler);
    }

    public async Task RunAsync()
    {
        using var activity = QueueMetrics.StartRun(job, handler, QueueMetrics.IsTraced ? Origin.TraceParent : null);
        var (ended, input) = await PrepareAsync();
        var outcome = ended ?? await HandleAsync(input);
        Record(outcome);
        if (activity is not null)
            QueueMetrics.End(activity, outcome, _error);
    }

    /// <summary>Counts how it ended, and how long it took.</summary>
    public void Record(JobOutcome outcome) => QueueMetrics.Ended(job, handler, outcome, services.Clock.GetElapsedTime(_began), _error);

    /// <summary>Reads the input.</summary>
    /// <returns>How it ended already, when it is not to be handled at all.</returns>
    public async ValueTask<(JobOutcome? Ended, object? Input)> PrepareAsync()
    {
        if (PutOff is { } time)
            return (await RunsAgainAsync(() => services.Store.SnoozeAsync(job, time), JobOutcome.Snoozed, time), null);
        if (handler.Retries.IsTooLate(Age))
            return (await ExpireAsync(new TimeoutException("It could not be run in time.")), null);
        try
        {
            return (null, handler.Input is { } type ? StoredJson.Read(type, job.Payload) : null);
        }
        catch (Exception e) when (e is ProblemException or JsonException)
        {
            // The type has changed under the stored name. No retry reads it better; a later release, or an edit, can.
            return (await BuryAsync(DeadReason.Unreadable, e), null);
        }
    }

    /// <summary>Whether the failure of several jobs that were handled together may be the fault of one of them, so that the others do better without it.</summary>
    public bool IsFaultOfOne(Exception error, bool isLate) => !DatabaseErrors.IsOutage(error) && (isLate || End == JobEnd.None);

    /// <summary>What a run that has not had its effect means for the job.</summary>
    /// <param name="error">What it ended with.</param>
    /// <param name="isLate">Whether its timeout was over.</param>
    public async Task<JobOutcome> FailAsync(Exception error, bool isLate)
    {
        _error = error;
        if (QueueSql.IsFenced(error))
        {
            QueueLog.Fenced(services.Log, job.Handler, job.Id);
            return JobOutcome.Lost;
        }
        if (End != JobEnd.None && (DatabaseErrors.IsOutage(error) || !isLate))
            return await RecordAsync(async () => { await services.Store.ReleaseAsync([(job.Id, job.Fence)]); return true; }, JobOutcome.Released);
        if (DatabaseErrors.IsOutage(error))
            return await PutOffAsync(error);
        if (error is SnoozeException snooze)
            return await SnoozeAsync(snooze);
        if ((isLate && error is OperationCanceledException) || (error is ProblemException { Type: var type } && type == ProblemCatalogue.DeadlineExceeded))
            error = new TimeoutException($"The run did not end within {handler.Timeout}.", error);
        var rule = handler.Retries.For(error);
        QueueLog.Failed(services.Log, job.Handler, job.Id, job.Attempt, rule.Attempts, error);
        if (error is StepException { Reason: var reason })
            return await BuryAsync(reason, error);
        if (job.Attempt >= rule.Attempts || _part?.IsFinal(error) == true)
            return await GiveUpAsync(DeadReason.Failed, error);
        var pause = rule.Pause(job.Attempt);
        if (AskedPause.In(error) is { } asked && asked > pause)
            pause = asked;
        pause = Cut(pause);
        return handler.Retries.IsTooLate(Age + pause) ? await ExpireAsync(error) : await RunsAgainAsync(Later(() => services.Store.RetryAsync(job, pause, Text(error))), JobOutcome.Retried, pause);
    }

    /// <summary>The database went away: nobody's attempt. Counted, a bad night of the database would turn healthy jobs into dead letters. What it is a part of is not asked about it: what it has done may not be recorded yet.</summary>
    private Task<JobOutcome> PutOffAsync(Exception outage)
    {
        var pause = Cut(OutageNotice.Pause(job));
        if (services.Outages.IsDue(pause))
            QueueLog.Outage(services.Log, job.Handler, job.Id, pause, outage);
        return RunsAgainAsync(() => services.Store.SnoozeAsync(job, pause), JobOutcome.Released, pause);
    }

    private async Task<JobOutcome> SnoozeAsync(SnoozeException snooze)
    {
        var time = Cut(snooze.Time);
        return handler.Retries.IsTooLate(Age + time) ? await ExpireAsync(snooze) : await RunsAgainAsync(Later(() => services.Store.SnoozeAsync(job, time)), JobOutcome.Snoozed, time);
    }

    /// <summary>Records that it runs again, and lets what it is a part of look at that. A second try of the two does not record it twice.</summary>
    private Func<Task<bool>> Later(Func<Task<bool>> record)
    {
        if (_part is null)
            return record;
        var isRecorded = false;
        return async () =>
        {
            isRecorded = isRecorded || await record();
            if (isRecorded)
                await _part.RetriedAsync();
            return isRecorded;
        };
    }

    /// <summary>No pause is longer than what it is a part of may take.</summary>
    private TimeSpan Cut(TimeSpan pause) => _part?.Left is not { } left || left >= pause ? pause : left > TimeSpan.Zero ? left : TimeSpan.Zero;

    private async Task<JobOutcome> HandleAsync(object? input)
    {
        using var limits = BeginLimits();
        var deadline = Deadline.After(handler.Timeout, services.Clock);
        BeginHandling();
        try
        {
            if (_part is not null)
                await _part.RunAsync(Request(deadline, limits.Token), input, Ending);
            else if (handler.IsTransactional)
                await handler.CommitAsync(services, Request(deadline, limits.Token), input, () => QueueStore.Complete(job, handler.Placement));
            else
                await RunOutboundAsync(input, deadline, limits.Token);
            EndHandling();
            IsToFinish = _part is null && !handler.IsTransactional;
            return JobOutcome.Done;
        }
        catch (Exception e)
        {
            EndHandling();
            return await FailAsync(e, limits.IsLate);
        }
    }

    private async Task RunOutboundAsync(object? input, Deadline deadline, CancellationToken cancellation)
    {
        await using var scope = services.Scopes.CreateAsyncScope();
        var steps = new JobSteps(job, services, () => Request(deadline, cancellation), job.Id, cancellation);
        await handler.Handler.InvokeAsync(input, new Outbound(job, steps, job.Id, scope.ServiceProvider), scope.ServiceProvider, cancellation);
        if (services.Transactor.Database.Faults is { } faults)
            await faults.ReachAsync(FaultPoint.BeforeCompletion, handler.Operation);
    }

    /// <summary>What the handler changes and publishes comes from this job, in the chain that one request began.</summary>
    private TransactionRequest Request(Deadline deadline, CancellationToken cancellation)
    {
        var cause = job.Cause(Origin, handler.Operation);
        return new TransactionRequest(User.System(cause.Operation), cause, deadline, cancellation) { StillDue = () => QueueStore.RequireLease([job]) };
    }

    private async Task<JobOutcome> RunsAgainAsync(Func<Task<bool>> record, JobOutcome outcome, TimeSpan pause)
    {
        var recorded = await RecordAsync(record, outcome);
        RunsAgainAfter = recorded == outcome ? pause : null;
        return recorded;
    }

    private Task<JobOutcome> ExpireAsync(Exception error)
    {
        QueueLog.Expired(services.Log, job.Handler, job.Id, handler.Retries.GiveUpAfter!.Value);
        return GiveUpAsync(DeadReason.Expired, error);
    }

    private async Task<JobOutcome> GiveUpAsync(string reason, Exception error)
    {
        _error = error;
        if (_part?.CanGiveUp != true)
            return await BuryAsync(reason, error);
        try
        {
            return await RecordAsync(() => _part.GiveUpAsync(error, Text(error)), JobOutcome.GivenUp);
        }
        catch (SnoozeException elsewhere)
        {
            return await RunsAgainAsync(Later(() => services.Store.SnoozeAsync(job, elsewhere.Time)), JobOutcome.Snoozed, elsewhere.Time);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // What it is a part of cannot go on without it either: somebody has to look.
            return await BuryAsync(reason, new InvalidOperationException($"{Text(error)} And that could not be given up: {e.Message}", e));
        }
    }

    private async Task<JobOutcome> BuryAsync(string reason, Exception error)
    {
        _error = error;
        var outcome = await RecordAsync(() => services.Store.BuryAsync(job, reason, Text(error)), JobOutcome.Dead);
        if (outcome == JobOutcome.Dead)
            QueueMetrics.Died(job.Handler, reason);
        return outcome;
    }

    /// <summary>
    /// Records how it ended, again and again while the database is away: otherwise the job would wait for the end of the lease, which this node keeps renewing.
    /// </summary>
    private async Task<JobOutcome> RecordAsync(Func<Task<bool>> record, JobOutcome outcome)
    {
        while (true)
            try
            {
                return await record() ? outcome : JobOutcome.Lost;
            }
            catch (Exception e) when (IsAway(e) || IsBusy(e) || (_part is null && DatabaseErrors.IsUnanswered(e)))
            {
                QueueLog.NotRecorded(services.Log, job.Handler, job.Id, e);
                if (End == JobEnd.Stopping)
                    return JobOutcome.Lost;     // the process ends, and with it the lease
                await Task.Delay(TimeSpan.FromSeconds(1), services.Clock, _ending.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
    }

    /// <summary>What is recorded are statements of our own, so that every lost connection is one to our database.</summary>
    private static bool IsAway(Exception error) => DatabaseErrors.IsOutage(error) || (error is NpgsqlException && DatabaseErrors.IsUnavailable(error));

    /// <summary>Somebody else held what was to be changed.</summary>
    public static bool IsBusy(Exception error) => error is ProblemException { Type: var type } && (type == ProblemCatalogue.DeadlineExceeded || type == ProblemCatalogue.ConcurrentUpdate);

    /// <summary>What is kept of an error: bounded, and only what PostgreSQL can store. An error that cannot be recorded would run its job for ever.</summary>
    private static string Text(Exception error)
    {
        var text = $"{error.GetType().Name}: {error.Message}";
        if (text.Length > ErrorLengthMost)
            text = text[..ErrorLengthMost];
        // There and back again, unpaired surrogates have become replacement characters, also the one that the cut may have left.
        return Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)).Replace('\0', '\uFFFD');
    }
}

/// <summary>Ends a handler when its time is over, and when its run is ended from outside.</summary>
internal sealed class RunLimits : IDisposable
{
    private readonly CancellationTokenSource _source;
    private readonly CancellationTokenRegistration _fromOutside;
    private readonly CancellationToken _ending;
    private readonly Deadline _deadline;
    private readonly TimeProvider _clock;

    public RunLimits(TimeSpan timeout, TimeProvider clock, CancellationToken ending)
    {
        (_clock, _ending, _deadline) = (clock, ending, Deadline.After(timeout, clock));
        _source = new CancellationTokenSource(timeout, clock);
        _fromOutside = ending.UnsafeRegister(static source => ((CancellationTokenSource)source!).Cancel(), _source);
    }

    public CancellationToken Token => _source.Token;

    /// <summary>Whether the time was over, whatever else has happened since.</summary>
    public bool IsLate => _source.IsCancellationRequested && (!_ending.IsCancellationRequested || _deadline.Left(_clock) <= TimeSpan.Zero);

    public void Dispose()
    {
        _fromOutside.Dispose();
        _source.Dispose();
    }
}

/// <summary>Why a job is a dead letter, as it is stored. What takes its processes with it is buried in the database, as <c>crashed</c>.</summary>
internal static class DeadReason
{
    public const string Failed = "failed", Expired = "expired", Unreadable = "unreadable";
}
