namespace Mainstay.Internal;

/// <summary>A durable subscription: who is told of an event, and how hard delivery is tried.</summary>
internal sealed class Subscription(string name, Delegate handler)
{
    public string Name { get; } = name;

    public Delegate Declared { get; } = handler;

    public int AttemptsMost { get; set; } = 10;

    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Compiled when the application starts, once all events are known.</summary>
    public Handler Handler { get; set; } = null!;

    public Type EventType => Handler.Input!;
}
