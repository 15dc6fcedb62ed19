using Mainstay.Internal;
using Microsoft.Extensions.DependencyInjection;

namespace Mainstay;

/// <summary>Background jobs for any application, with its own transactions.</summary>
public static class JobsExtensions
{
    /// <summary>
    /// Adds <see cref="Jobs"/> that records jobs in the application's own transactions, <see cref="Schedules"/>, a step at the start that creates the schema <c>mainstay</c>, and what runs
    /// jobs that were committed; nothing else.
    /// </summary>
    /// <param name="services">The services of the application. Handlers take any of them as parameters.</param>
    /// <param name="declare">Declares jobs and queues.</param>
    /// <param name="options">Default: those that <c>AddOutbox</c> was given, else four workers and the connection string <c>mainstay</c>.</param>
    /// <exception cref="ConfigurationException">MST2104: an option is out of range.</exception>
    public static IServiceCollection AddJobs(this IServiceCollection services, Action<JobsBuilder> declare, QueueOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(declare);
        var block = QueueBlock.Of(services, nameof(AddJobs), options);
        declare(new JobsBuilder(block));
        block.RegisterSagas(services);
        services.AddSingleton(provider => new Schedules(new ScheduleStore(provider.GetRequiredService<QueueTransactor>().Transactor.Database), block.Model, provider.GetRequiredService<JobDesk>()));
        return services.AddSingleton(provider => new Jobs(block.Messages(provider), provider.GetRequiredService<JobDesk>(), provider.GetRequiredService<QueueTransactor>().Transactor, []));
    }
}
