using Mainstay.Internal;
using Microsoft.Extensions.DependencyInjection;

namespace Mainstay;

/// <summary>An inbox for any application, with its own transactions.</summary>
public static class InboxExtensions
{
    /// <summary>
    /// Adds an <see cref="Inbox"/>, a step at the start that creates the schema <c>mainstay</c>, and what forgets messages after a time; nothing else. What a
    /// message publishes or enqueues is declared in <see cref="OutboxExtensions.AddOutbox"/> and <see cref="JobsExtensions.AddJobs"/>.
    /// </summary>
    /// <param name="services">The services of the application.</param>
    /// <param name="declare">Declares where messages come from.</param>
    /// <param name="options">Default: those that <c>AddOutbox</c> or <c>AddJobs</c> was given.</param>
    /// <exception cref="ConfigurationException">MST2104: an option is out of range.</exception>
    public static IServiceCollection AddInbox(this IServiceCollection services, Action<InboxBuilder> declare, QueueOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(declare);
        var block = QueueBlock.Of(services, nameof(AddInbox), options);
        declare(new InboxBuilder(block.Model));
        return services.AddSingleton(provider => new Inbox(block.Model, provider.GetRequiredService<QueueTransactor>().Transactor, block.Options.KeepInbox));
    }
}
