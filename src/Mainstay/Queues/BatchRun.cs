namespace Mainstay.Internal;

/// <summary>
/// Runs of one handler in one transaction, which ends all of them. What fails is done again in halves:
/// <code>
///   1 2 3 4 5 6 7 8 ✗          the whole is rolled back
///   1 2 3 4 ✓  5 6 7 8 ✗       each half is a transaction
///              5 6 ✓  7 8 ✗
///                     7 ✗ 8 ✓  the one to blame has failed alone, as if it had never been with the others
/// </code>
/// </summary>
internal sealed class BatchRun(IReadOnlyList<JobRun> runs, QueueHandler handler, JobRunServices services)
{
    public async Task RunAsync()
    {
        using var activity = QueueMetrics.StartBatch(handler.Name, runs.Count);
        var ready = new List<(JobRun Run, object Input)>(runs.Count);
        foreach (var run in runs)
        {
            var (ended, input) = await run.PrepareAsync();
            if (ended is { } outcome)
                run.Record(outcome);
            else
                ready.Add((run, input!));
        }
        await HandleAsync(ready);
    }

    private async Task HandleAsync(List<(JobRun Run, object Input)> part)
    {
        if (part.Count == 0)
            return;
        var leader = part[0].Run;
        using var limits = leader.BeginLimits();
        leader.BeginHandling();
        try
        {
            await handler.CommitAsync(services, Request(part, limits.Token), Inputs(part), () => QueueStore.Complete([.. part.Select(member => member.Run.Job)], handler.Placement));
            leader.EndHandling();
            foreach (var (run, _) in part)
                run.Record(JobOutcome.Done);
            return;
        }
        catch (Exception e)
        {
            leader.EndHandling();
            var isLate = limits.IsLate;
            if (part.Count == 1 || !leader.IsFaultOfOne(e, isLate))
            {
                foreach (var (run, _) in part)
                    run.Record(await run.FailAsync(e, isLate));
                return;
            }
            QueueLog.Halved(services.Log, handler.Name, part.Count, e);
        }
        await HandleAsync(part[..(part.Count / 2)]);
        await HandleAsync(part[(part.Count / 2)..]);
    }

    /// <summary>Several have several causes, so what they change together is traced to the handler alone.</summary>
    private TransactionRequest Request(List<(JobRun Run, object Input)> part, CancellationToken cancellation)
    {
        var job = part[0].Run.Job;
        var cause = part.Count > 1
            ? new Origin(handler.Operation, "system", null, null, null, null)
            : job.Cause(OriginJson.Read(job.Origin), handler.Operation);
        return new TransactionRequest(User.System(cause.Operation), cause, Deadline.After(handler.Timeout, services.Clock), cancellation) { StillDue = () => QueueStore.RequireLease([.. part.Select(member => member.Run.Job)]) };
    }

    private Array Inputs(List<(JobRun Run, object Input)> part)
    {
        var inputs = Array.CreateInstance(handler.Input!, part.Count);
        for (var i = 0; i < part.Count; i++)
            inputs.SetValue(part[i].Input, i);
        return inputs;
    }
}
