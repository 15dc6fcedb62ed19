using System.Text;
using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>What a handler has done of one job already, kept in the row of the job: it comes with the claim, ends with the job, and only the holder of the fence can add to it.</summary>
/// <param name="job">The job.</param>
/// <param name="services">What its run needs.</param>
/// <param name="request">What its transactions are made for.</param>
/// <param name="key">What its keys for others are derived from.</param>
/// <param name="cancellation">Ends the run.</param>
internal sealed class JobSteps(ClaimedJob job, JobRunServices services, Func<TransactionRequest> request, Guid key, CancellationToken cancellation)
{
    private const int Most = 100;
    private const int NameMost = 100;
    private const int BytesMost = 256 * 1024;

    private readonly Lock _lock = new();
    private readonly HashSet<string> _begun = [];
    private Dictionary<string, string?>? _done;
    private int _bytes;

    public CancellationToken Cancellation => cancellation;

    private IFaultPoints? Faults => services.Transactor.Database.Faults;

    /// <summary>Does what was not done yet, and records it.</summary>
    public async Task<T> RunAsync<T>(string name, Func<string, Task<T>> step)
    {
        if (Begin<T>(name, out var before))
            return before;
        if (Faults is { } faults)
            await faults.ReachAsync(FaultPoint.BeforeSideEffect, request().Origin.Operation);
        var value = await step(StableKey.Of(key, name).ToString());
        if (Faults is { } later)
            await later.ReachAsync(FaultPoint.AfterSideEffect, request().Origin.Operation);
        var json = Json(name, value);
        await WriteAsync(name, json);
        return value;
    }

    /// <summary>Does it in a transaction that also records it.</summary>
    public async Task<T> CommitAsync<T>(string name, Func<UnitOfWork, Task<T>> step)
    {
        if (Begin<T>(name, out var before))
            return before;
        // Without a key: when the answer to the commit is lost, only the row knows, and the next run reads it.
        return await services.Transactor.RunAsync(request(), async work =>
        {
            var value = await step(work);
            return new Completed<T>(value) { First = QueueStore.WriteStep(job, name, Json(name, value)) };
        });
    }

    /// <returns>Whether it was done before, with what it came to then.</returns>
    private bool Begin<T>(string name, out T value)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(name.Length, NameMost, nameof(name));
        StoredJson.Check(typeof(T), $"Step '{name}' of '{job.Handler}'");
        cancellation.ThrowIfCancellationRequested();
        string? json;
        lock (_lock)
        {
            if (!_begun.Add(name))
                throw Mistake($"runs step '{name}' twice, expected each name once: by its name a step is found again. Make it part of the name what tells them apart.");
            if (_begun.Count > Most)
                throw Mistake($"runs more than {Most} steps. Divide the work into several jobs.");
            _done ??= Read();
            if (!_done.TryGetValue(name, out json))
            {
                value = default!;
                return false;
            }
        }
        value = Read<T>(name, json);
        return true;
    }

    private Dictionary<string, string?> Read()
    {
        if (job.Steps is null)
            return [];
        _bytes = Encoding.UTF8.GetByteCount(job.Steps);
        using var steps = JsonDocument.Parse(job.Steps);
        return steps.RootElement.EnumerateObject().ToDictionary(step => step.Name, step => step.Value.GetString());
    }

    private T Read<T>(string name, string? json)
    {
        try
        {
            if (typeof(T) == typeof(NoResult))
                return default!;
            if ((json is null ? null : StoredJson.Read(typeof(T), json)) is T value)
                return value;
            if (json == "null" && default(T) is null)
                return default!;
        }
        catch (Exception e) when (e is ProblemException or JsonException)
        {
            throw Unreadable(e);
        }
        throw Unreadable(null);

        StepException Unreadable(Exception? inner) => new(DeadReason.Unreadable,
            $"MST2508: Step '{name}' of '{job.Handler}' was done for {job.Id} in an earlier run, and what it came to then cannot be read as {typeof(T).Name} now. Give the step another name, or let it give what it gave, and redrive the job.", inner);
    }

    private string? Json<T>(string name, T value)
    {
        if (typeof(T) == typeof(NoResult))
            return null;
        var json = value is null ? "null" : StoredJson.Write(value, typeof(T));
        lock (_lock)
            _bytes += Encoding.UTF8.GetByteCount(json);
        return _bytes <= BytesMost ? json : throw Mistake($"has stored more than {BytesMost} bytes with step '{name}'. Store what is large in a table, and let the step give its id.");
    }

    /// <summary>The effect has happened, so it is tried for as long as the run may go on: what is not recorded is done again.</summary>
    private async Task WriteAsync(string name, string? json)
    {
        while (true)
            try
            {
                await services.Store.WriteStepAsync(job, name, json);
                return;
            }
            catch (Exception e) when (DatabaseErrors.IsUnanswered(e))
            {
                QueueLog.NotRecorded(services.Log, job.Handler, job.Id, e);
                await Task.Delay(TimeSpan.FromSeconds(1), services.Clock, cancellation);
            }
    }

    private StepException Mistake(string what) => new(DeadReason.Failed, $"MST2508: '{job.Handler}' {what}");
}

/// <summary>What a step comes to that gives nothing.</summary>
internal sealed record NoResult(bool IsDone)
{
    public static readonly NoResult Value = new(true);
}

/// <summary>A step that no further attempt could do better: the job is a dead letter.</summary>
internal sealed class StepException(string reason, string message, Exception? inner = null) : Exception(message, inner)
{
    public string Reason => reason;
}
