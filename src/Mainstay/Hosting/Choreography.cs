namespace Mainstay.Internal;

/// <summary>
/// Draws who listens to what, from the declarations, as a flowchart of Mermaid. What a handler publishes is only known where its declaration says so with <c>Sends</c>.
/// </summary>
internal sealed class Choreography
{
    private readonly List<string> _lines = ["flowchart LR"];
    private readonly Dictionary<string, string> _nodes = [];

    private Choreography()
    {
    }

    public static IReadOnlyList<string> Draw(Backend backend, BackendModel model)
    {
        var picture = new Choreography();
        foreach (var operation in model.Operations.Where(operation => !operation.IsInternal && DescribeCommand.Sent(backend, operation.Name).Any()))
            foreach (var sent in DescribeCommand.Sent(backend, operation.Name))
                picture.Tie(picture.Node(operation.Name, "[\"", "\"]"), picture.Message(backend, sent));
        foreach (var (name, subscriptions) in backend.Messages.Events)
            foreach (var subscription in subscriptions)
                picture.Tie(picture.Message(backend, name), picture.Handler(backend, subscription));
        foreach (var handler in backend.Queues.Handlers.Where(handler => handler.Scheduled is not null))
            picture.Tie(picture.Node(handler.Scheduled!.Schedule.ToString()!, "{{\"", "\"}}"), picture.Handler(backend, handler.Name));
        foreach (var family in backend.Sagas.Families)
            picture.AddSaga(backend, family);
        foreach (var handler in backend.Queues.Handlers.Where(handler => handler.Part is null))
            picture.TieSent(backend, handler, () => picture.Handler(backend, handler.Name));
        foreach (var dependency in backend.Dependencies.Declared)
            picture.Node(dependency.Name, "[[\"", "\"]]");
        return picture._lines;
    }

    private string Message(Backend backend, string name) => backend.Messages.Events.Any(known => known.Name == name) ? Node(name, "([\"", "\"])") : Handler(backend, name);

    /// <summary>The box of a handler; of one that belongs to a saga, that of the saga.</summary>
    private string Handler(Backend backend, string name)
    {
        var saga = backend.Sagas.Families.FirstOrDefault(family => family.Name == name || name.StartsWith($"{family.Name}: ", StringComparison.Ordinal));
        if (saga is not null)
            return Node(saga.Name, "[/\"", "\"/]");
        return Node(name, "(\"", backend.Queues.Handlers.First(handler => handler.Name == name).IsTransactional ? "<br/>once\")" : "<br/>at least once\")");
    }

    /// <summary>The steps of a saga, in their order, behind its box. Dotted is the way back.</summary>
    private void AddSaga(Backend backend, SagaFamily family)
    {
        var before = Node(family.Name, "[/\"", "\"/]");
        foreach (var item in family.Newest.Items)
        {
            var (open, close) = item switch { SagaBranch => ("{\"", "\"}"), SagaWait => ("[\"wait: ", "\"]"), _ => ("[\"", "\"]") };
            var box = Node($"{family.Name}: {item.Name}", open, close, item.Name);
            _lines.Add($"  {before} --> {box}");
            if (item is SagaStep { Do: var done } step)
            {
                TieSent(backend, done.Handler, () => box);
                if (step.Undo is { Handler: var undoing })
                {
                    var undo = Node($"{family.Name}: undo {item.Name}", "[\"", "\"]", $"undo {item.Name}");
                    _lines.Add($"  {box} -.-> {undo}");
                    TieSent(backend, undoing, () => undo);
                }
            }
            before = box;
        }
    }

    /// <param name="backend">Who knows what events are called.</param>
    /// <param name="handler">Who may say that it sends something.</param>
    /// <param name="box">Its box, which is drawn only if it does.</param>
    private void TieSent(Backend backend, QueueHandler handler, Func<string> box)
    {
        foreach (var sent in DescribeCommand.Sent(backend, handler))
            Tie(box(), Message(backend, sent));
    }

    /// <summary>The identifier of a box, which is drawn when it is met first.</summary>
    private string Node(string key, string open, string close, string? text = null)
    {
        if (_nodes.TryGetValue(open + key, out var known))
            return known;
        var name = $"n{_nodes.Count}";
        _nodes.Add(open + key, name);
        _lines.Add($"  {name}{open}{(text ?? key).Replace("\"", "#quot;", StringComparison.Ordinal)}{close}");
        return name;
    }

    private void Tie(string from, string to) => _lines.Add($"  {from} --> {to}");
}
