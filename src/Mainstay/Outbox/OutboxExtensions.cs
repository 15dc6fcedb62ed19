using Mainstay.Internal;
using Microsoft.Extensions.DependencyInjection;

namespace Mainstay;

/// <summary>An outbox for any application, with its own transactions.</summary>
public static class OutboxExtensions
{
    /// <summary>
    /// Adds an <see cref="Outbox"/> that records messages in the application's own transactions, a step at the start that creates the schema <c>mainstay</c>, and
    /// what delivers messages that were committed; nothing else.
    /// </summary>
    /// <param name="services">The services of the application. Handlers take any of them as parameters.</param>
    /// <param name="declare">Declares events and subscriptions.</param>
    /// <param name="options">Default: those that <c>AddJobs</c> was given, else four workers and the connection string <c>mainstay</c>.</param>
    /// <exception cref="ConfigurationException">MST2104: an option is out of range.</exception>
    public static IServiceCollection AddOutbox(this IServiceCollection services, Action<OutboxBuilder> declare, QueueOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(declare);
        var block = QueueBlock.Of(services, nameof(AddOutbox), options);
        declare(new OutboxBuilder(block));
        return services.AddSingleton(provider => new Outbox(block.Messages(provider), provider.GetRequiredService<JobDesk>()));
    }
}
