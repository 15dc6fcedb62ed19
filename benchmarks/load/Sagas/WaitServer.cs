using System.Diagnostics;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;

namespace Mainstay.Benchmarks;

/// <summary>Sagas that wait for an event which does not come, most of them for long, and some not; in a process of its own that is told over HTTP to begin them.</summary>
internal static class WaitServer
{
    /// <summary>How long the short ones wait.</summary>
    public const int ShortSeconds = 10;

    public const string Long = "long wait", Short = "short wait";

    public static async Task<int> RunAsync(string[] settings)
    {
        var builder = WebApplication.CreateSlimBuilder(settings);
        builder.Logging.ClearProviders();
        builder.Services.AddJobs(jobs =>
        {
            jobs.Saga<Order>(Long).By(order => order.Number).Wait<Paid>("paid", paid => paid.Number, TimeSpan.FromDays(30), SagaLate.Continue).Step("cancel", (Order order, UnitOfWork work) => Cancel(work));
            jobs.Saga<Hurry>(Short).By(order => order.Number).Wait<Paid>("paid", paid => paid.Number, TimeSpan.FromSeconds(ShortSeconds), SagaLate.Continue).Step("cancel", (Hurry order, UnitOfWork work) => Cancel(work));
        }, new QueueOptions { ConnectionString = builder.Configuration.GetConnectionString("mainstay")! });
        builder.Services.AddOutbox(outbox => outbox.Event<Paid>("paid"));
        await using var app = builder.Build();
        app.MapGet("/health/ready", () => "ready");
        app.MapPost("/long", (Jobs jobs) => jobs.EnqueueAsync(new Order(0)));
        app.MapPost("/short", BeginAsync);
        await app.RunAsync();
        return 0;
    }

    /// <summary>At a fixed rate, so that as many time limits are over each second later on.</summary>
    private static async Task BeginAsync(Jobs jobs, int perSecond, int seconds)
    {
        var began = Stopwatch.GetTimestamp();
        for (var number = 0; number < perSecond * seconds; number++)
        {
            if (TimeSpan.FromSeconds((double)number / perSecond) - Stopwatch.GetElapsedTime(began) is var early && early > TimeSpan.Zero)
                await Task.Delay(early);
            await jobs.EnqueueAsync(new Hurry(number));
        }
    }

    private static void Cancel(UnitOfWork work) => work.Execute($"insert into effects (due_at) values (0)");

    private sealed record Order(int Number);

    private sealed record Hurry(int Number);

    private sealed record Paid(int Number);
}
