using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using RabbitMQ.Client;

namespace Mainstay.Benchmarks;

/// <summary>
/// MassTransit with RabbitMQ. The queue outlives its broker, messages are persistent, and each awaited publish ends when the broker has confirmed it. It is a classic queue, because a quorum queue took
/// more than twice as long; half and three times as many handled at once made no certain difference. The handler is a delegate, without a scope of services for each message.
/// </summary>
internal sealed class MassTransitJobs(Uri broker) : IJobQueue
{
    private const string Queue = "work";
    private const int Prefetch = 200, Concurrency = 32;

    private IBus? _bus;

    public Task StartAsync() => Task.CompletedTask;

    public Task FillAsync(JobKind kind, int count) => throw new NotSupportedException("Sent one by one only.");

    public Task AddAsync(long dueAt, TimeSpan? after) => after is null && _bus is { } bus
        ? bus.Publish(new Sent(dueAt))
        : throw new NotSupportedException("Sent at once and while somebody works only.");

    public async Task<IAsyncDisposable> WorkAsync(JobsSeen seen, int? atMost)
    {
        if (atMost is not null)
            throw new NotSupportedException("No limit over all nodes.");
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Services.AddMassTransit(bus => bus.UsingRabbitMq((_, rabbit) =>
        {
            rabbit.Host(broker, host => host.PublisherConfirmation = true);
            rabbit.ReceiveEndpoint(Queue, endpoint =>
            {
                endpoint.Durable = true;
                endpoint.PrefetchCount = Prefetch;
                endpoint.ConcurrentMessageLimit = Concurrency;
                endpoint.Handler<Sent>(context =>
                {
                    seen.Add(context.Message.DueAt);
                    return Task.CompletedTask;
                });
            });
        }));
        builder.Services.Configure<MassTransitHostOptions>(options => options.WaitUntilStarted = true);
        var host = builder.Build();
        await host.StartAsync();
        _bus = host.Services.GetRequiredService<IBus>();
        return new Work(this, host);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>What has been run must also be acknowledged.</summary>
    private async Task CheckEmptyAsync()
    {
        await using var connection = await new ConnectionFactory { Uri = broker }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        if (await channel.MessageCountAsync(Queue) is > 0 and var open)
            throw new MeasurementException($"MassTransit has left {open} messages that it had handled.");
    }

    private sealed class Work(MassTransitJobs jobs, IHost host) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            jobs._bus = null;
            await host.StopAsync();
            await ((IAsyncDisposable)host).DisposeAsync();
            await jobs.CheckEmptyAsync();
        }
    }

    /// <summary>MassTransit wants types that are visible.</summary>
    public sealed record Sent(long DueAt);
}
