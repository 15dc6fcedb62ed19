using System.Reflection;
using Mainstay.Benchmarks;

// Queues on .NET beside which those of Mainstay are measured. benchmarks/load builds and starts this program and tells it over HTTP what to do.

switch (args)
{
    case ["versions"]:
        Console.WriteLine($"MassTransit {VersionOf(typeof(MassTransit.IBus))}, RabbitMQ.Client {VersionOf(typeof(RabbitMQ.Client.IChannel))}, Quartz {VersionOf(typeof(Quartz.IScheduler))}");
        return 0;
    case ["serve", "MassTransit", .. var settings]:
        return await JobsServer.RunAsync(settings, address => new MassTransitJobs(new Uri(address)));
    case ["serve", "Quartz", .. var settings]:
        return await JobsServer.RunAsync(settings, connectionString => new QuartzJobs(connectionString));
    default:
        await Console.Error.WriteLineAsync("Expected versions, serve MassTransit or serve Quartz.");
        return 2;
}

static string VersionOf(Type type) => type.Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];
