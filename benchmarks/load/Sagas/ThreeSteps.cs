namespace Mainstay.Benchmarks;

/// <summary>Three steps in order, each of which writes one row: as a saga, or as jobs that each enqueue the next in their commit. What is seen is the last step.</summary>
/// <param name="connectionString">The database.</param>
/// <param name="isSaga">Which of both.</param>
internal sealed class ThreeSteps(string connectionString, bool isSaga) : MainstayJobs(connectionString)
{
    public override Task FillAsync(JobKind kind, int count) => isSaga
        ? Jobs.EnqueueManyAsync(Enumerable.Repeat(new Trip(0), count))
        : Jobs.EnqueueManyAsync(Enumerable.Repeat(new First(0), count));

    protected override void Declare(JobsBuilder jobs, string queue, JobsSeen? seen)
    {
        void Write(long dueAt, UnitOfWork work, bool isLast)
        {
            work.Execute($"insert into effects (due_at) values ({dueAt})");
            if (isLast)
                seen!.Add(dueAt);
        }

        if (isSaga)
        {
            jobs.Saga<Trip>("trip")
                .Step("first", (Trip trip, UnitOfWork work) => Write(trip.DueAt, work, isLast: false), options: step => step.Queue(queue))
                .Step("second", (Trip trip, UnitOfWork work) => Write(trip.DueAt, work, isLast: false), options: step => step.Queue(queue))
                .Step("third", (Trip trip, UnitOfWork work) => Write(trip.DueAt, work, isLast: true), options: step => step.Queue(queue));
            return;
        }
        jobs.Job<First>("first", (First job, UnitOfWork work) =>
        {
            Write(job.DueAt, work, isLast: false);
            work.Enqueue(new Second(job.DueAt));
        }).Queue(queue);
        jobs.Job<Second>("second", (Second job, UnitOfWork work) =>
        {
            Write(job.DueAt, work, isLast: false);
            work.Enqueue(new Third(job.DueAt));
        }).Queue(queue);
        jobs.Job<Third>("third", (Third job, UnitOfWork work) => Write(job.DueAt, work, isLast: true)).Queue(queue);
    }

    private sealed record Trip(long DueAt);

    private sealed record First(long DueAt);

    private sealed record Second(long DueAt);

    private sealed record Third(long DueAt);
}
