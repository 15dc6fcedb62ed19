using Mainstay.Internal;

namespace Mainstay;

/// <summary>The events and subscriptions of an application. Declarations only record; the start checks all of them together.</summary>
public sealed class OutboxBuilder
{
    private readonly List<(Type Type, string Name)> _events = [];
    private readonly List<Subscription> _subscriptions = [];

    internal OutboxBuilder()
    {
    }

    internal IReadOnlyList<Subscription> Subscriptions => _subscriptions;

    /// <summary>Declares an event and the name under which it is stored, which survives any renaming of the type.</summary>
    /// <param name="name">Lower case with dots, for example <c>order.placed</c>.</param>
    public EventDeclaration Event<T>(string name) where T : class
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        _events.Add((typeof(T), name));
        return new EventDeclaration(name);
    }

    /// <summary>
    /// Declares a subscription. Its handler takes the event and a <see cref="UnitOfWork"/>: effect and acknowledgement commit together, so the
    /// effect is applied once, however often delivery is tried.
    /// </summary>
    /// <param name="name">The stored name, unique, for example <c>send receipt</c>.</param>
    /// <param name="handler">A lambda or method that takes the event, a <see cref="UnitOfWork"/>, and services.</param>
    public SubscriptionDeclaration On(string name, Delegate handler)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(handler);
        var subscription = new Subscription(name, handler);
        _subscriptions.Add(subscription);
        return new SubscriptionDeclaration(subscription);
    }

    /// <summary>Ties the declarations together.</summary>
    /// <exception cref="ConfigurationException">All mistakes of all declarations.</exception>
    internal EventCatalogue Build(Func<Type, bool> isService)
    {
        List<ConfigurationException> mistakes = [];
        var events = new EventCatalogue();
        void Check(Action declare)
        {
            try
            {
                declare();
            }
            catch (ConfigurationException mistake)
            {
                mistakes.Add(mistake);
            }
        }
        foreach (var (type, name) in _events)
            Check(() => events.Declare(type, name));
        foreach (var subscription in _subscriptions)
            Check(() => subscription.Compile(events, isService));
        mistakes.AddRange(Subscription.Duplicates(_subscriptions));
        return mistakes.Count == 0 ? events : throw new ConfigurationException(mistakes);
    }
}
