using System.Buffers;
using System.Text;
using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>The declared events and who listens to each. Fixed when the application starts.</summary>
internal sealed class EventCatalogue
{
    private readonly Dictionary<Type, (string Name, List<string> Subscriptions)> _byType = [];

    public IEnumerable<string> Names => _byType.Values.Select(entry => entry.Name);

    /// <exception cref="ConfigurationException">MST2102: the name or the type is taken.</exception>
    public void Declare(Type type, string name)
    {
        if (_byType.Values.Any(entry => entry.Name == name) || !_byType.TryAdd(type, (name, [])))
            throw new ConfigurationException("MST2102", $"Event '{name}' ({type.Name}) is declared twice. Stored names and event types are unique; remove one declaration.");
    }

    /// <exception cref="ConfigurationException">MST2101: the event is not declared.</exception>
    public string NameOf(Type type) => Require(type).Name;

    public void Subscribe(Type type, string subscription) => Require(type).Subscriptions.Add(subscription);

    /// <summary>One row for each subscription of the event: fan-out happens at the write, so that every subscription is delivered, retried and counted on its own.</summary>
    public IEnumerable<OutboxRow> Fan(object @event, Origin origin)
    {
        var (name, subscriptions) = Require(@event.GetType());
        if (subscriptions.Count == 0)
            return [];
        var id = Guid.CreateVersion7();
        var body = Json(@event);
        return subscriptions.Select(subscription => new OutboxRow(id, subscription, name, body, origin));
    }

    private (string Name, List<string> Subscriptions) Require(Type type) => _byType.TryGetValue(type, out var entry)
        ? entry
        : throw new ConfigurationException("MST2101", $"{type.Name} is not declared as an event. Declare it with Event<{type.Name}>(\"…\"), giving it the name under which it is stored.");

    private static string Json(object @event)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var writer = new Utf8JsonWriter(buffer, JsonFormat.Writer))
            Shape.Of(@event.GetType()).Write(writer, @event);
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
