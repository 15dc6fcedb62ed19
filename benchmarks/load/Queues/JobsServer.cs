using System.Diagnostics;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;

namespace Mainstay.Benchmarks;

/// <summary>A queue in a process of its own, which is told over HTTP what to do. <c>peers/queues/control.js</c> is the same for Node.js.</summary>
internal static class JobsServer
{
    public static async Task<int> RunAsync(string[] settings, Func<string, IJobQueue> create)
    {
        var builder = WebApplication.CreateSlimBuilder(settings);
        builder.Logging.ClearProviders();
        await using var app = builder.Build();
        await using var queue = create(builder.Configuration.GetConnectionString("mainstay")!);
        await queue.StartAsync();
        app.Use(TellFailureAsync);
        app.MapGet("/health/ready", () => "ready");
        app.MapPost("/fill", (int count, JobKind kind = JobKind.Bare) => FillAsync(queue, kind, count));
        app.MapPost("/drain", (int count, int? atMost) => DrainAsync(queue, count, atMost));
        app.MapPost("/enqueue", (int writers, int seconds) => EnqueueAsync(queue, writers, seconds));
        app.MapPost("/send", (int count, int writers) => SendAsync(queue, count, writers));
        app.MapPost("/pickUp", (int perSecond, int seconds) => ArriveAsync(queue, perSecond, seconds, null));
        app.MapPost("/delayed", (int perSecond, int seconds) => ArriveAsync(queue, perSecond, seconds, () => TimeSpan.FromMilliseconds(200 + (Random.Shared.NextDouble() * 1800))));
        app.MapPost("/idle", (int seconds) => IdleAsync(queue, seconds));
        await app.RunAsync();
        return 0;
    }

    /// <summary>Whoever measures learns why there is nothing to measure.</summary>
    private static async Task TellFailureAsync(HttpContext http, RequestDelegate next)
    {
        try
        {
            await next(http);
        }
        catch (Exception e)
        {
            http.Response.StatusCode = StatusCodes.Status500InternalServerError;
            await http.Response.WriteAsync(e.ToString());
        }
    }

    private static async Task<JobsDone> FillAsync(IJobQueue queue, JobKind kind, int count)
    {
        var began = Stopwatch.GetTimestamp();
        await queue.FillAsync(kind, count);
        return new JobsDone(count, Stopwatch.GetElapsedTime(began).TotalSeconds, 0, 0);
    }

    private static async Task<JobsDone> DrainAsync(IJobQueue queue, int count, int? atMost)
    {
        var seen = new JobsSeen(count);
        await using (await queue.WorkAsync(seen, atMost))
            await seen.AllAsync();
        return seen.Done();
    }

    private static async Task<JobsDone> EnqueueAsync(IJobQueue queue, int writers, int seconds)
    {
        var began = Stopwatch.GetTimestamp();
        async Task<List<double>> WriteAsync()
        {
            var times = new List<double>();
            for (var now = began; Stopwatch.GetElapsedTime(began, now).TotalSeconds < seconds;)
            {
                await queue.AddAsync(0);
                var after = Stopwatch.GetTimestamp();
                times.Add(Stopwatch.GetElapsedTime(now, after).TotalMilliseconds);
                now = after;
            }
            return times;
        }
        var times = await Task.WhenAll(Enumerable.Range(0, writers).Select(_ => Task.Run(WriteAsync)));
        return JobsDone.Of(Stopwatch.GetElapsedTime(began).TotalSeconds, [.. times.SelectMany(one => one)]);
    }

    /// <summary>
    /// Jobs that writers hand in one after the other, each in a commit of its own, to a worker that is waiting in the same process. Counted from the first that is handed in to the last that is
    /// run; a time counts from before its commit.
    /// </summary>
    private static async Task<JobsDone> SendAsync(IJobQueue queue, int count, int writers)
    {
        var seen = new JobsSeen(count);
        var (began, taken) = (0L, 0);
        async Task WriteAsync()
        {
            while (Interlocked.Increment(ref taken) <= count)
                await queue.AddAsync(Stopwatch.GetTimestamp());
        }
        await using (await queue.WorkAsync(seen))
        {
            await Task.Delay(500);
            began = Stopwatch.GetTimestamp();
            await Task.WhenAll(Enumerable.Range(0, writers).Select(_ => Task.Run(WriteAsync)));
            await seen.AllAsync();
        }
        return seen.Done(began);
    }

    /// <summary>Jobs that are handed in at a fixed rate, whatever becomes of them, each in a commit of its own, to a worker that is waiting. A time counts from before that commit.</summary>
    /// <param name="queue">Takes them.</param>
    /// <param name="perSecond">How many.</param>
    /// <param name="seconds">For how long.</param>
    /// <param name="delay">How long after that each shall run; its time counts from then.</param>
    private static async Task<JobsDone> ArriveAsync(IJobQueue queue, int perSecond, int seconds, Func<TimeSpan>? delay)
    {
        var seen = new JobsSeen(perSecond * seconds);
        await using (await queue.WorkAsync(seen))
        {
            await Task.Delay(500);
            var adding = new List<Task>();
            for (var began = Stopwatch.GetTimestamp(); adding.Count < seen.Expected; await Task.Delay(1))
                while (adding.Count < seen.Expected && adding.Count < Stopwatch.GetElapsedTime(began).TotalSeconds * perSecond)
                {
                    var after = delay?.Invoke();
                    adding.Add(queue.AddAsync(Stopwatch.GetTimestamp() + (long)((after ?? TimeSpan.Zero).TotalSeconds * Stopwatch.Frequency), after));
                }
            await Task.WhenAll(adding);
            await seen.AllAsync();
        }
        return seen.Done();
    }

    /// <summary>A worker that has nothing to do.</summary>
    private static async Task<JobsDone> IdleAsync(IJobQueue queue, int seconds)
    {
        await using (await queue.WorkAsync(new JobsSeen(0)))
            await Task.Delay(TimeSpan.FromSeconds(seconds));
        return new JobsDone(0, seconds, 0, 0);
    }
}
