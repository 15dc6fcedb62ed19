using Npgsql;

namespace Mainstay.Internal;

/// <summary>What becomes of a saga, as statements of the unit of work that holds its row.</summary>
internal static class SagaMoves
{
    /// <summary>Takes up where a saga stands.</summary>
    /// <exception cref="StepException">MST3103: what is stored of it cannot be read by this definition.</exception>
    public static SagaWalk Walk(SagaDefinition definition, SagaRow row)
    {
        try
        {
            return new SagaWalk(definition, SagaStore.StateOf(row.State), StoredJson.Read(definition.Input, row.Input)!, row.Now);
        }
        catch (ProblemException e)
        {
            throw new StepException(DeadReason.Unreadable, $"MST3103: What is stored of saga '{definition.Prefix}' {row.Id} cannot be read by its present records: {e.Message} Let them read what they have written, and redrive the job.", e);
        }
    }

    /// <summary>Makes a saga go back. What is on its way is taken away, or waited for where it runs just now.</summary>
    /// <param name="work">Holds the row.</param>
    /// <param name="walk">The saga.</param>
    /// <param name="why">Why.</param>
    /// <param name="job">The job that is the cause, if it is one of the saga's.</param>
    /// <param name="claims">How often that job was claimed before it ends with this without having been done; null when what became of it is written already.</param>
    /// <param name="by">Who decided it, if somebody did.</param>
    public static async Task TurnAsync(UnitOfWork work, SagaWalk walk, string why, Guid? job = null, int? claims = null, string? by = null)
    {
        IReadOnlyList<Withdrawn> withdrawn = await SagaStore.WithdrawAsync(work, walk.Others(job ?? Guid.Empty));
        walk.Turn(why, claims is { } before ? [.. withdrawn, new Withdrawn(job!.Value, before)] : withdrawn, by);
    }

    /// <summary>Writes where it stands, and the jobs that it has to have next, with the commit.</summary>
    /// <param name="work">The commit.</param>
    /// <param name="row">The saga as it was.</param>
    /// <param name="walk">The saga as it shall be.</param>
    /// <param name="ends">The handler of the job that ends with the commit; null when none does.</param>
    /// <param name="failure">What the first attempt of the next step has failed with already.</param>
    public static void Save(UnitOfWork work, SagaRow row, SagaWalk walk, string? ends = null, Exception? failure = null)
    {
        if (walk.HasLearned)
            SagaStore.CheckLearned(row.Saga, walk.State);
        if (walk.Outcome is { } outcome)
        {
            SagaStore.End(work, row, outcome, walk.State);
            work.AfterCommit(() => SagaMetrics.Ended(row.Saga, outcome));
        }
        else
            Start(work, SagaStore.Save(work, row, walk.Status, walk.State), walk, ends, failure);
    }

    /// <summary>Records the jobs that it has to have next. The only one that there is gets to know how it stands, so that it need not ask.</summary>
    /// <param name="work">The commit.</param>
    /// <param name="row">The saga as it is written there.</param>
    /// <param name="walk">What is to be done.</param>
    /// <param name="ends">The handler of the job that ends with the commit; null when none does.</param>
    /// <param name="failure">What the first attempt of the next step has failed with already.</param>
    public static void Start(UnitOfWork work, SagaRow row, SagaWalk walk, string? ends, Exception? failure = null)
    {
        foreach (var start in walk.Starts)
            work.Record(JobOf(start, row.Id, work.Origin) with
            {
                After = Earlier(start, row.Left),
                Follows = start == walk.Starts[0] ? ends : null,
                Known = failure is not null ? new SagaFirstFailure(failure) : walk.State.Pending.Count == 1 ? row : null,
            });
    }

    public static JobRow JobOf(SagaStart start, Guid saga, Origin origin) => new(start.Job, start.Part.Handler.Name, saga, StoredJson.Write(new SagaJob(saga)), origin);

    /// <summary>Whether a move that failed like this can be made later as it is: the database was away, or somebody else moved.</summary>
    public static bool MayPass(Exception error) => error is SnoozeException or OperationCanceledException or NpgsqlException or IOException or System.Net.Sockets.SocketException
        or ProblemException { Type.Status: >= 500 } || error is ProblemException { Type: var type } && type == ProblemCatalogue.ConcurrentUpdate;

    /// <summary>A wait is not longer than the saga may take.</summary>
    private static TimeSpan? Earlier(SagaStart start, TimeSpan? left) => start.After is { } after && left < after ? left > TimeSpan.Zero ? left : TimeSpan.Zero : start.After;
}
