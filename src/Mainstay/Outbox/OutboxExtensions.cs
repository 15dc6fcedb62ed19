using Mainstay.Internal;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Mainstay;

/// <summary>An outbox for any application, with its own transactions.</summary>
public static class OutboxExtensions
{
    /// <summary>
    /// Adds an <see cref="Outbox"/> that records messages in the application's own transactions, a step at the start that creates the schema <c>mainstay</c>, and
    /// a dispatcher that delivers what was committed; nothing else.
    /// </summary>
    /// <param name="services">The services of the application. Handlers take any of them as parameters.</param>
    /// <param name="declare">Declares events and subscriptions.</param>
    /// <param name="options">Default: two workers, the connection string <c>mainstay</c>.</param>
    /// <exception cref="ConfigurationException">MST2104: an option is out of range.</exception>
    public static IServiceCollection AddOutbox(this IServiceCollection services, Action<OutboxBuilder> declare, OutboxOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(declare);
        options ??= new OutboxOptions();
        options.Check();
        if (services.Any(service => service.ServiceType == typeof(Outbox)))
            throw new ConfigurationException("MST2104", "AddOutbox is called twice, and the dispatcher of one would not know the subscriptions of the other. Declare everything in one call.");
        var builder = new OutboxBuilder();
        declare(builder);

        BlockSchema.Add(services, databases => databases.Get(options.ConnectionString, "MST2104", "OutboxOptions"));
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton<OutboxSignal>();
        services.AddSingleton(provider =>
        {
            var isService = provider.GetRequiredService<IServiceProviderIsService>();
            return new Outbox(builder.Build(isService.IsService), provider.GetRequiredService<OutboxSignal>());
        });
        services.AddHostedService(provider =>
        {
            var database = provider.GetRequiredService<BlockDatabases>().Get(options.ConnectionString, "MST2104", "OutboxOptions");
            var signal = provider.GetRequiredService<OutboxSignal>();
            var transactor = new Transactor(database, new Tables([]), provider.GetRequiredService<Outbox>().Events, signal);
            return new OutboxDispatcher(transactor, builder.Subscriptions, options, signal,
                provider.GetRequiredService<IServiceScopeFactory>(), provider.GetRequiredService<ILogger<OutboxDispatcher>>());
        });
        return services;
    }
}
