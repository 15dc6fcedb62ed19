using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Mainstay.Benchmarks;

/// <summary>The jobs of Mainstay in a plain .NET host, as its guide shows them: a node that only enqueues, and beside it one that works when it is told to.</summary>
internal class MainstayJobs(string connectionString) : IJobQueue
{
    private const int Workers = 16;

    private IHost? _enqueuing;
    private IHost? _working;

    protected Jobs Jobs => (_working ?? _enqueuing!).Services.GetRequiredService<Jobs>();

    public Task StartAsync()
    {
        _enqueuing = Host(null, null);
        return _enqueuing.StartAsync();
    }

    public virtual Task FillAsync(JobKind kind, int count) => kind == JobKind.Bare
        ? Jobs.EnqueueManyAsync(Enumerable.Repeat(new BareJob(0), count))
        : Jobs.EnqueueManyAsync(Enumerable.Repeat(new EffectJob(0), count));

    public Task AddAsync(long dueAt, TimeSpan? after) => Jobs.EnqueueAsync(new BareJob(dueAt), after: after);

    public async Task<IAsyncDisposable> WorkAsync(JobsSeen seen, int? atMost)
    {
        var working = Host(seen, atMost);
        await working.StartAsync();
        _working = working;
        return new Work(this);
    }

    public async ValueTask DisposeAsync()
    {
        if (_enqueuing is null)
            return;
        await _enqueuing.StopAsync();
        await ((IAsyncDisposable)_enqueuing).DisposeAsync();
    }

    /// <summary>What is declared.</summary>
    /// <param name="jobs">The application.</param>
    /// <param name="queue">The queue that it works from.</param>
    /// <param name="seen">Counts runs; null for a node that only enqueues.</param>
    protected virtual void Declare(JobsBuilder jobs, string queue, JobsSeen? seen)
    {
        jobs.Job<BareJob>("bare", (BareJob job, Outbound outbound) => seen!.Add(job.DueAt)).Queue(queue);
        jobs.Job<EffectJob>("effect", (EffectJob job, UnitOfWork work) =>
        {
            work.Execute($"insert into effects (due_at) values ({job.DueAt})");
            seen!.Add(job.DueAt);
        }).Queue(queue);
    }

    /// <param name="seen">Who counts runs; null for a node that only enqueues.</param>
    /// <param name="atMost">The limit over all nodes.</param>
    private IHost Host(JobsSeen? seen, int? atMost)
    {
        var builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Configuration["Mainstay:Schema"] = "apply";
        builder.Services.AddJobs(jobs =>
        {
            var queue = jobs.Queue("work");
            if (atMost is { } most)
                queue.AtMost(most);
            Declare(jobs, queue.Name, seen);
        }, new QueueOptions { ConnectionString = connectionString, Workers = seen is null ? 0 : Workers });
        return builder.Build();
    }

    private sealed class Work(MainstayJobs jobs) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            var working = jobs._working!;
            jobs._working = null;
            await working.StopAsync();
            await ((IAsyncDisposable)working).DisposeAsync();
        }
    }

    private sealed record BareJob(long DueAt);

    private sealed record EffectJob(long DueAt);
}
