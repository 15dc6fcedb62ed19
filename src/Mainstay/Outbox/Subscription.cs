namespace Mainstay.Internal;

/// <summary>A durable subscription: who is told of an event, and how hard delivery is tried.</summary>
internal sealed class Subscription(string name, Delegate handler)
{
    public string Name { get; } = name;

    public Delegate Declared { get; } = handler;

    public int AttemptsMost { get; set; } = 10;

    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Compiled when the application starts, once all events are known.</summary>
    public Handler Handler { get; private set; } = null!;

    public Type EventType => Handler.Input!;

    /// <summary>Compiles the handler and enters the subscription beside its event.</summary>
    /// <exception cref="ConfigurationException">MST1002: the handler cannot be called. MST2101: its event is not declared.</exception>
    public void Compile(EventCatalogue events, Func<Type, bool> isService)
    {
        Handler = Handler.Compile(Name, Declared, isService);
        if (Handler is not { Context: HandlerContext.UnitOfWork, Input: { } type })
            throw new ConfigurationException("MST1002", $"The handler of subscription '{Name}' must take the event and a UnitOfWork, for example (OrderPlaced placed, UnitOfWork work) => ….");
        events.Subscribe(type, Name);
    }

    public static IEnumerable<ConfigurationException> Duplicates(IEnumerable<Subscription> subscriptions) =>
        from subscription in subscriptions
        group subscription by subscription.Name into same
        where same.Count() > 1
        select new ConfigurationException("MST2102", $"Subscription '{same.Key}' is declared twice. Its name is stored with every message, so it must be unique.");
}
