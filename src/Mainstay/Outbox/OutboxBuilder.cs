using Mainstay.Internal;

namespace Mainstay;

/// <summary>The events and subscriptions of an application. Declarations only record; the start checks all of them together.</summary>
public sealed class OutboxBuilder
{
    private readonly QueueBlock _block;

    internal OutboxBuilder(QueueBlock block) => _block = block;

    /// <summary>Declares an event and the name under which it is stored, which survives any renaming of the type.</summary>
    /// <param name="name">Lower case with dots, for example <c>order.placed</c>.</param>
    public EventDeclaration Event<T>(string name) where T : class
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        _block.Events.Add((typeof(T), name));
        return new EventDeclaration(name);
    }

    /// <summary>
    /// Declares a subscription. With a <see cref="UnitOfWork"/> the effect and the acknowledgement commit together, so the effect is applied once, however often
    /// delivery is tried; with an <see cref="Outbound"/> the handler reaches out of the process, at least once.
    /// </summary>
    /// <param name="name">The stored name, unique, for example <c>send receipt</c>.</param>
    /// <param name="handler">A lambda or method that takes the event, a <see cref="UnitOfWork"/> or an <see cref="Outbound"/>, and services.</param>
    public SubscriptionDeclaration On(string name, Delegate handler)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(handler);
        return new SubscriptionDeclaration(_block.Model.Add(new QueueHandler(name, handler)));
    }

    /// <summary>Declares a queue: handlers that share its room, apart from all others. Again with the same name, it is the same queue.</summary>
    public QueueDeclaration Queue(string name) => _block.Model.Queue(name);
}
