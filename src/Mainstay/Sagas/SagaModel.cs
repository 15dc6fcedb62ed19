using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

/// <summary>The declared sagas of an application.</summary>
internal sealed class SagaModel(QueueModel queues)
{
    private readonly List<SagaFamily> _families = [];
    private readonly List<ConfigurationException> _mistakes = [];

    public QueueModel Queues => queues;

    public IReadOnlyList<SagaFamily> Families => _families;

    public SagaFamily? Find(string name) => _families.Find(family => family.Name == name);

    /// <summary>A version of a saga, to be filled.</summary>
    public SagaDefinition Declare<T>(string name, int version) where T : class
    {
        var definition = new SagaDefinition(name, version, typeof(T));
        if (Find(name) is not { } family)
        {
            family = new SagaFamily(name, typeof(T));
            _families.Add(family);
            // The handler only says what it takes: what is done is more than a call.
            family.Handler = queues.Add(new QueueHandler(name, static (T input, UnitOfWork work) => { }) { Starter = typeof(T), Runs = (job, services) => new SagaStartRun(family, job, services) });
        }
        if (family.Input != typeof(T))
            Refuse("MST3101", $"Saga '{name}' begins with {family.Input.Name} in one version and with {typeof(T).Name} in another. Give what begins otherwise another name.");
        else if (family.Find(version) is not null)
            Refuse("MST3101", $"Saga '{name}' is declared twice with version {version}. Give the newer one the next version: Saga<{typeof(T).Name}>(\"{name}\", version: {version + 1}).");
        else
            family.Add(definition);
        return definition;
    }

    /// <summary>Makes an event known to the instances that wait for it.</summary>
    public void Listen<TEvent>(string saga, string wait) where TEvent : class
    {
        if (Find(saga) is { } family && family.Listens(typeof(TEvent), wait))
            queues.Add(new QueueHandler($"{saga}: {wait}", (TEvent @event, UnitOfWork work) => family.ReceiveAsync(@event, work)));
    }

    public void Refuse(string code, string mistake) => _mistakes.Add(new ConfigurationException(code, mistake));

    /// <summary>Compiles the definitions.</summary>
    public IReadOnlyList<ConfigurationException> Compile(Func<Type, bool> isService)
    {
        ConfigurationException[] mistakes = [.. _mistakes, .. _families.SelectMany(family => family.Versions).SelectMany(definition => definition.Compile(isService))];
        if (mistakes.Length == 0)
            foreach (var family in _families)
                family.Compile(queues);
        return mistakes;
    }

    /// <summary>Compares the definitions with what is open in the database.</summary>
    /// <exception cref="ConfigurationException">MST3105</exception>
    public async Task CheckAsync(Transactor transactor, ILogger log, CancellationToken cancellation)
    {
        if (_families.Count == 0)
            return;
        var here = ApplicationOrigin.Here();
        var request = new TransactionRequest(User.System("sagas"), here, Deadline.After(TimeSpan.FromSeconds(30), transactor.Database.Clock), cancellation);
        await transactor.RunAsync(request, async work =>
        {
            foreach (var family in _families)
                await family.CheckAsync(work, log);
            return new Completed<bool>(true);
        });
    }
}
