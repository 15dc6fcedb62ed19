using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

/// <summary>
/// The queues of an application that is not a <see cref="Backend"/>: what outbox and jobs have declared, and the one engine that runs it. A node has one lease,
/// whichever blocks it uses.
/// </summary>
internal sealed class QueueBlock
{
    private readonly HashSet<string> _parts = [];
    private QueueOptions? _options;
    private MessageCatalogue? _messages;

    public List<(Type Type, string Name)> Events { get; } = [];

    public QueueModel Model { get; } = new();

    public SagaModel Sagas => field ??= new SagaModel(Model);

    public QueueOptions Options => _options ?? new QueueOptions();

    /// <summary>The block of these services; made and registered by the first who asks.</summary>
    /// <param name="services">The services of the application.</param>
    /// <param name="part">What is added, for example <c>AddOutbox</c>.</param>
    /// <param name="options">What that call says, if anything.</param>
    /// <exception cref="ConfigurationException">MST2104: an option is out of range, or a part is added twice.</exception>
    public static QueueBlock Of(IServiceCollection services, string part, QueueOptions? options)
    {
        options?.Check();
        var block = services.Select(service => service.ImplementationInstance).OfType<QueueBlock>().SingleOrDefault();
        if (block is null)
        {
            block = new QueueBlock();
            block.Register(services);
        }
        if (!block._parts.Add(part))
            throw new ConfigurationException("MST2104", $"{part} is called twice, and what is declared in one call would not be known in the other. Declare everything in one call.");
        if (options is not null && block._options is { } other && other != options)
            throw new ConfigurationException("MST2104", $"{part} is given other QueueOptions than a call before, but outbox and jobs share their queues. Give the options in one of the calls.");
        block._options ??= options;
        return block;
    }

    /// <summary>The service that runs the queues of a node.</summary>
    public static QueueService CreateService(IServiceProvider provider, Transactor transactor, QueueModel model, JobDesk desk, QueueOptions options)
    {
        var database = transactor.Database.Apart;
        var lease = new NodeLease(database, transactor.Database.LeaseClock, options.Lease, new UnknownWork([.. model.WithoutLanes.Select(lane => lane.Handler)], model.WithoutPriorities));
        var store = new QueueStore(database);
        var log = provider.GetRequiredService<ILogger<QueueService>>();
        var engine = new QueueEngine(new JobRunServices(transactor, store, provider.GetRequiredService<IServiceScopeFactory>(), log), lease, model, options);
        return new QueueService(engine, new Scheduler(new ScheduleStore(database), lease, model.Schedules, desk, database.Clock, log), new Redriver(transactor, desk, log),
            new QueueWatch(new QueueWatchStore(database), model, desk, options, database.Clock, log), store, lease, desk, options, model, database.Clock, log);
    }

    /// <summary>Adds what sagas need, if any were declared.</summary>
    public void RegisterSagas(IServiceCollection services)
    {
        if (Sagas.Families.Count == 0)
            return;
        services.AddSingleton(provider => new Sagas(provider.GetRequiredService<QueueTransactor>().Transactor, Sagas, provider.GetRequiredService<JobDesk>()));
        services.AddHostedService(provider => new SagaWatch(provider.GetRequiredService<QueueTransactor>().Transactor, Sagas, provider.GetRequiredService<ILogger<SagaWatch>>()));
    }

    private void Register(IServiceCollection services)
    {
        Database DatabaseOf(BlockDatabases databases) => databases.Get(Options.ConnectionString, "MST2104", nameof(QueueOptions));
        services.AddSingleton(this);
        BlockSchema.Add(services, databases => DatabaseOf(databases));
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton<JobDesk>();
        services.AddSingleton(provider => new QueueTransactor(new Transactor(DatabaseOf(provider.GetRequiredService<BlockDatabases>()), new Tables([]), Messages(provider), provider.GetRequiredService<JobDesk>())));
        services.AddSingleton(provider => new QueueChecker(provider.GetRequiredService<QueueTransactor>().Transactor.Database, Options, Model));
        services.AddSingleton(provider => new DeadLetters(provider.GetRequiredService<QueueTransactor>().Transactor, Model, provider.GetRequiredService<JobDesk>(), Options));
        services.AddHostedService(provider => CreateService(provider, provider.GetRequiredService<QueueTransactor>().Transactor, Model, provider.GetRequiredService<JobDesk>(), Options));
    }

    /// <summary>Ties the declarations together, once.</summary>
    /// <exception cref="ConfigurationException">All mistakes of all declarations.</exception>
    public MessageCatalogue Messages(IServiceProvider provider)
    {
        lock (_parts)
            return _messages ??= Build(provider.GetRequiredService<IServiceProviderIsService>().IsService);
    }

    private MessageCatalogue Build(Func<Type, bool> isService)
    {
        List<ConfigurationException> mistakes = [];
        var messages = new MessageCatalogue();
        foreach (var (type, name) in Events)
            try
            {
                messages.DeclareEvent(type, name);
            }
            catch (ConfigurationException mistake)
            {
                mistakes.Add(mistake);
            }
        mistakes.AddRange(Sagas.Compile(isService));
        mistakes.AddRange(Model.Compile(messages, isService));
        return mistakes.Count == 0 ? messages : throw new ConfigurationException(mistakes);
    }
}

/// <summary>The transactions of the queues, in the database that their options name.</summary>
internal sealed record QueueTransactor(Transactor Transactor);
