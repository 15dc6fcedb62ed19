using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;
using Quartz;

namespace Mainstay.Benchmarks;

/// <summary>
/// Quartz with its store in PostgreSQL, clustered, as a queue would be made of it: each send is a job that is not kept and a trigger that fires at once. It takes as many triggers at once
/// as it has threads, inserts without the lock of the cluster, with which it was slower, and waits as short as it allows when it is idle.
/// </summary>
internal sealed class QuartzJobs(string connectionString) : IJobQueue
{
    private const int Threads = 20;

    private IScheduler? _scheduler;

    /// <summary>A first start makes the tables.</summary>
    public async Task StartAsync()
    {
        await using var _ = await WorkAsync(new JobsSeen(0), null);
    }

    public Task FillAsync(JobKind kind, int count) => throw new NotSupportedException("Scheduled one by one only.");

    public async Task AddAsync(long dueAt, TimeSpan? after)
    {
        if (after is not null || _scheduler is not { } scheduler)
            throw new NotSupportedException("Scheduled for now and while somebody works only.");
        var name = $"{Guid.CreateVersion7():N}";
        var job = JobBuilder.Create<Sent>().WithIdentity(name).StoreDurably(false).UsingJobData(Sent.DueAt, dueAt.ToString(CultureInfo.InvariantCulture)).Build();
        await scheduler.ScheduleJob(job, TriggerBuilder.Create().WithIdentity(name).StartNow().Build());
    }

    public async Task<IAsyncDisposable> WorkAsync(JobsSeen seen, int? atMost)
    {
        if (atMost is not null)
            throw new NotSupportedException("No limit over all nodes.");
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Services.AddSingleton(seen);
        builder.Services.AddSingleton<Sent>();
        builder.Services.AddQuartz(quartz =>
        {
            quartz.ConfigureScheduler(scheduler =>
            {
                scheduler.InstanceName = "work";
                scheduler.GenerateInstanceId = true;
                scheduler.MaxBatchSize = Threads;
                scheduler.IdleWaitTime = TimeSpan.FromSeconds(1);
            });
            quartz.UseDefaultThreadPool(Threads);
            quartz.UsePersistentStore(store =>
            {
                store.UsePostgres(NpgsqlFactory.Instance, connectionString);
                store.UseSystemTextJsonSerializer();
                store.UseClustering();
                store.ConfigureStore(options =>
                {
                    options.LockOnInsert = false;
                    options.StoreJobDataAsStrings = true;
                    options.SchemaProvisioning = SchemaProvisioning.CreateIfMissing;
                });
            });
        });
        builder.Services.AddQuartzHostedService(options => options.WaitForJobsToComplete = true);
        var host = builder.Build();
        await host.StartAsync();
        _scheduler = await host.Services.GetRequiredService<ISchedulerFactory>().GetScheduler();
        return new Work(this, host);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private sealed class Work(QuartzJobs jobs, IHost host) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            jobs._scheduler = null;
            await host.StopAsync();
            await ((IAsyncDisposable)host).DisposeAsync();
        }
    }

    /// <summary>One for all runs, without a scope of services for each.</summary>
    public sealed class Sent(JobsSeen seen) : IJob
    {
        public const string DueAt = "dueAt";

        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default)
        {
            seen.Add(long.Parse(context.MergedJobDataMap.GetString(DueAt)!, CultureInfo.InvariantCulture));
            return default;
        }
    }
}
