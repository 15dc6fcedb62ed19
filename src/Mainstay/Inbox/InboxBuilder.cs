using Mainstay.Internal;

namespace Mainstay;

/// <summary>The sources of an application's messages from outside.</summary>
public sealed class InboxBuilder
{
    private readonly QueueModel _model;

    internal InboxBuilder(QueueModel model) => _model = model;

    /// <summary>Declares a source, within which ids of messages are unique. The name is stored with them.</summary>
    /// <param name="name">For example <c>payments</c>.</param>
    public InboxBuilder Source(string name)
    {
        _model.AddSource(name);
        return this;
    }
}
